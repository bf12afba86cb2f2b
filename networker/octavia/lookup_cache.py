# SPDX-License-Identifier: Apache-2.0
"""Keep the answers of lookups for some seconds.

Octavia's tasks ask for the subnet of each member of a load balancer: a thousand times for
three subnets.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Hashable
from concurrent import futures
from typing import Any

#: How many answers are kept at most.
_MOST = 1000


@dataclasses.dataclass(frozen=True)
class _CachedAnswer:
    """An answer that is there or awaited.

    :param until: when it is too old, by the monotonic clock
    """

    until: float
    future: futures.Future[Any] = dataclasses.field(default_factory=futures.Future)


class LookupCache:
    """The latest answers, for all threads of one process; failures are not kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[Hashable, _CachedAnswer] = {}

    def get(self, key: Hashable, seconds: float, ask: Callable[[], Any]) -> Any:
        """Return an answer; of threads that want the same one only the first asks.

        :param key: what is asked for
        :param seconds: how long ago somebody may have begun to ask for it
        :param ask: asks for it
        """
        answer, first = self._find(key, time.monotonic(), seconds)
        if not first:
            try:
                return answer.future.result()
            except futures.CancelledError:
                return ask()
        try:
            answer.future.set_result(ask())
        finally:
            if answer.future.cancel():  # it failed, and the others ask for themselves
                self._forget(key, answer)
        return answer.future.result()

    def _find(
        self, key: Hashable, now: float, seconds: float
    ) -> tuple[_CachedAnswer, bool]:
        with self._lock:
            known = self._answers.get(key)
            if known and now < known.until:
                return known, False
            if len(self._answers) >= _MOST:
                self._answers.clear()
            made = self._answers[key] = _CachedAnswer(now + seconds)
            return made, True

    def _forget(self, key: Hashable, answer: _CachedAnswer) -> None:
        with self._lock:
            if self._answers.get(key) is answer:
                del self._answers[key]
