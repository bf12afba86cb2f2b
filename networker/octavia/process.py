# SPDX-License-Identifier: Apache-2.0
"""What each process has one of.

Octavia makes a network driver for every task and every validation, from many threads, and
forks its workers. A connection must serve all of a process's drivers, and never two
processes; nor may a thread wait for one of the process that it was forked from.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class PerProcess(Generic[Thing]):
    """The things of this process and of those that it was forked from.

    Those of other processes are kept and never used: closing a client here, or losing the
    last reference to it, would shut down the other process's connection.

    :param make: makes one
    """

    def __init__(self, make: Callable[[], Thing]) -> None:
        self._make = make
        self._things: dict[int, Thing] = {}
        # One for each process, since another thread may hold it during a fork.
        self._locks: dict[int, threading.Lock] = {}

    def mine(self) -> Thing:
        """Return this process's; it is made by whoever asks first."""
        process = os.getpid()
        with self._locks.setdefault(process, threading.Lock()):
            if process not in self._things:
                self._things[process] = self._make()
            return self._things[process]
