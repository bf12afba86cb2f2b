# SPDX-License-Identifier: Apache-2.0
"""One client for each process that asks for one.

Octavia makes a network driver for every task and every validation, from many threads, and
forks its workers. A connection must serve all of a process's drivers, and never two
processes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from networker.rpc import Client


class Clients:
    """The clients of this process and of those that it was forked from.

    Those of other processes are kept and never used: closing one here, or losing the last
    reference to it, would shut down the other process's connection.

    :param connect: makes a client, without connecting it yet
    """

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._clients: dict[int, Client] = {}
        # One for each process, since another thread may hold it during a fork.
        self._locks: dict[int, threading.Lock] = {}

    def mine(self) -> Client:
        """Return this process's client; it is made by whoever asks first.

        :raises ValueError: the configuration is wrong
        """
        process = os.getpid()
        with self._locks.setdefault(process, threading.Lock()):
            if process not in self._clients:
                self._clients[process] = self._connect()
            return self._clients[process]
