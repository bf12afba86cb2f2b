# SPDX-License-Identifier: Apache-2.0
"""The processes below a ``networker-worker``."""

from __future__ import annotations

import contextlib

import psutil


def workers_of(master: int) -> list[psutil.Process]:
    """Return the worker processes that run, of all pools of a master.

    :param master: its process id
    """
    found: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for pool in psutil.Process(master).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                found += pool.children()
    return [each for each in found if _runs(each)]


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False
