# SPDX-License-Identifier: Apache-2.0
"""What kills worker processes, at times and in an order that come from a seed."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Self

import psutil


def strike(process: psutil.Process, how: signal.Signals) -> bool:
    """Send a signal; psutil sees to it that the id still means the same process.

    :returns: whether the process was there
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(how)
        return True
    return False


class Killer:
    """Sends a signal to a random process, again and again, while the context lasts.

    :param victims: returns those that may be hit
    :param every: seconds between two signals
    :param seed: of the choice
    :param how: the signal
    """

    def __init__(
        self,
        victims: Callable[[], Sequence[psutil.Process]],
        every: float,
        seed: int,
        how: signal.Signals = signal.SIGKILL,
    ) -> None:
        self._victims = victims
        self._every = every
        self._rng = random.Random(seed)
        self._how = how
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer")
        self.hits = 0

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            if victims := self._victims():
                self.hits += strike(self._rng.choice(victims), self._how)
