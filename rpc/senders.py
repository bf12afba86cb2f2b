# SPDX-License-Identifier: Apache-2.0
"""Threads that may hang, used again as long as they do not."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

#: Seconds for which a thread without work is kept.
_KEPT = 10.0

Task = Callable[[], None]


class Senders:
    """Runs tasks in threads, each at once.

    A thread costs more than a request's encoding, so it is kept for the next one. A task
    that never ends holds a thread for ever, but neither the others nor the process's end.
    """

    def __init__(self) -> None:
        self._idle: list[queue.SimpleQueue[Task]] = []

    def run(self, task: Task) -> None:
        """Run a task in a thread of its own; it must not raise."""
        try:
            tasks = self._idle.pop()
        except IndexError:
            tasks = queue.SimpleQueue()
            thread = threading.Thread(target=self._work, args=(tasks,), name="sender")
            thread.daemon = True
            thread.start()
        tasks.put(task)

    def _work(self, tasks: queue.SimpleQueue[Task]) -> None:
        while True:
            try:
                task = tasks.get(timeout=_KEPT)
            except queue.Empty:
                try:
                    self._idle.remove(tasks)
                except ValueError:
                    continue  # it is just being given a task
                return
            task()
            self._idle.append(tasks)
