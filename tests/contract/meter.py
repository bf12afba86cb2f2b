# SPDX-License-Identifier: Apache-2.0
"""Counts what a driver asks of a cloud: requests, and the waves in which they come.

Neither depends on the machine. A wave is a set of requests of which none waits for
another; what an operation takes is its number of waves times the cloud's slowness.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from typing import Any

import requests

#: Seconds for which nothing may have been sent or answered before answers are handed on
#: while somebody measures, so that requests that are made at the same time are seen to be,
#: however slow this machine is.
_HELD = 0.05
#: Seconds between two looks whether that is so.
_TICK = 0.002
_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


@dataclasses.dataclass(frozen=True)
class Request:
    """One request that was answered.

    :param began: when it was sent, by the monotonic clock
    :param ended: when the driver had its answer
    """

    what: str
    began: float
    ended: float


@dataclasses.dataclass
class Cost:
    """What one call asked of the cloud."""

    made: list[Request] = dataclasses.field(default_factory=list)

    @property
    def requests(self) -> list[Request]:
        """The requests; of those that look again for the end of something the first."""
        looked_at: set[str] = set()
        once = []
        for request in self.made:
            if "fields=device_id" in request.what:
                ids = set(_ID.findall(request.what))
                if ids <= looked_at:
                    continue
                looked_at |= ids
            once.append(request)
        return once

    def layers(self) -> list[tuple[int, Request]]:
        """Return the requests, each with the number of its wave."""
        found: list[tuple[int, Request]] = []
        for request in sorted(self.requests, key=lambda r: r.began):
            before = [deep for deep, other in found if other.ended <= request.began]
            found.append((1 + max(before, default=0), request))
        return found

    @property
    def waves(self) -> int:
        """The longest chain of requests that waited for each other."""
        return max((deep for deep, _ in self.layers()), default=0)

    @property
    def kinds(self) -> str:
        """The requests without ids and queries, wave by wave."""
        made = sorted((deep, _kind(request.what)) for deep, request in self.layers())
        counted = Counter(kind for _, kind in made)
        return ", ".join(
            f"{n} x {kind}" if n > 1 else kind for kind, n in counted.items()
        )

    def __str__(self) -> str:
        return f"{len(self.requests)} / {self.waves}"


def _kind(what: str) -> str:
    method, url = what.split(" ", 1)
    path = urllib.parse.urlsplit(url).path
    path = re.sub(r"^(?:/[a-z]+)?/v2(?:\.\d)?/(?:[0-9a-f]{32}/)?", "", path)
    return f"{method} {_ID.sub('{id}', path)}"


class Meter:
    """Listens to the HTTP session of a driver.

    :param session: the one that all its requests use
    :param held: seconds by which every answer is held back; 0 where time is measured too
    """

    def __init__(self, session: requests.Session, held: float = _HELD) -> None:
        self._session = session
        self.held = held
        self._lock = threading.Lock()
        self._last = 0.0
        self._turn = 0

    def _sending(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self._last = time.monotonic()
        return request

    def _hold(self) -> None:
        """Wait until nothing has been sent or answered for a while.

        Then all go on that wait: what the first of them sends next holds no other back.
        """
        self._last, turn = time.monotonic(), self._turn
        while self._turn == turn:
            left = self._last + self.held - time.monotonic()
            if left <= 0:
                self._turn = turn + 1
            time.sleep(max(0.0, min(left, _TICK)))

    @contextlib.contextmanager
    def measuring(self) -> Iterator[Cost]:
        """Count the requests that are made in the block."""
        cost = Cost()

        def heard(response: requests.Response, *_: Any, **__: Any) -> None:
            began = time.monotonic() - response.elapsed.total_seconds()
            self._hold()
            what = f"{response.request.method} {response.request.url}"
            if "/auth/tokens" not in what:
                with self._lock:
                    cost.made.append(Request(what, began, time.monotonic()))

        hooks = self._session.hooks["response"]
        hooks.append(heard)
        self._session.auth = self._sending
        try:
            yield cost
        finally:
            self._session.auth = None
            hooks.remove(heard)
