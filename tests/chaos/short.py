# SPDX-License-Identifier: Apache-2.0
"""The short form of the experiments for a test run: groups of them, all at once.

They run in processes of their own, since a client that loses its broker leaves sockets
behind, which pytest would count as a mistake; and at the same time, since most of each
experiment is waiting.
"""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Sequence

_ROOT = pathlib.Path(__file__).parents[2]


@contextlib.contextmanager
def started(groups: Sequence[Sequence[str]]) -> Iterator[list[subprocess.Popen[str]]]:
    """Start a process for each group of experiments; end what still runs afterwards.

    :param groups: names of experiments; those of one group run one after another
    """
    command = [sys.executable, "-m", "tests.chaos", "--short", "--only"]
    running = [
        subprocess.Popen(
            [*command, *names],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for names in groups
    ]
    try:
        yield running
    finally:
        for process in running:
            process.terminate()  # on which it cleans up
        for process in running:
            process.communicate(timeout=90)


def broken(process: subprocess.Popen[str], timeout: float) -> str:
    """Wait for a group; return what it printed if an experiment failed, else nothing.

    :param timeout: seconds
    """
    output, _ = process.communicate(timeout=timeout)
    code = process.returncode
    return f"{output}\nit ended with {code}" if code else ""
