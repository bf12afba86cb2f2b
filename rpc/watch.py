# SPDX-License-Identifier: Apache-2.0
"""Whether anybody listens, looked up while callers wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from networker import exceptions


class Watch:
    """Finds out that no worker listens any more, for all callers of a process.

    The broker gives a dead worker's requests to the others, so only when there are none
    is it no use to wait. oslo.messaging's way is a message from the worker for each call
    every few seconds; here the broker is asked, once for all calls.

    :param listeners: counts the workers; may raise BusUnavailable
    :param patience: seconds without any after which there is no hope
    """

    def __init__(self, listeners: Callable[[], int], patience: float) -> None:
        self.interval = patience / 3
        self._listeners = listeners
        self._patience = patience
        self._lock = threading.Lock()
        self._looking = False
        self._looked = 0.0
        self._empty_since: float | None = None
        self._others: dict[float, Watch] = {}

    def within(self, patience: float | None) -> Watch:
        """Return one for callers with another patience; None for this one's.

        It looks for itself, as often as its callers need.
        """
        if patience is None or patience == self._patience:
            return self
        return self._others.setdefault(patience, Watch(self._listeners, patience))

    def deserted(self, since: float) -> bool:
        """Tell whether nobody has listened for long; it asks without waiting for it.

        :param since: when the caller began to wait, by the monotonic clock
        """
        now = time.monotonic()
        with self._lock:
            if now - self._looked > 2 * self.interval:
                self._empty_since = None  # nobody has asked for a while
            if not self._looking and now - self._looked > self.interval / 2:
                self._looking = True
                threading.Thread(target=self._look, daemon=True, name="watch").start()
            empty = self._empty_since
        return empty is not None and now - max(empty, since) >= self._patience

    def _look(self) -> None:
        try:
            empty = self._listeners() == 0
        except exceptions.BusUnavailable:
            empty = False  # whoever waits for the broker has a deadline
        with self._lock:
            self._looked = time.monotonic()
            self._looking = False
            if not empty:
                self._empty_since = None
            elif self._empty_since is None:
                self._empty_since = self._looked
