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

#: Seconds by which every answer is held back while somebody measures, so that requests
#: that are made at the same time are seen to be, however slow this machine is.
_HELD = 0.05
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
        seen: set[str] = set()
        once = []
        for request in self.made:
            if "fields=device_id" in request.what and request.what in seen:
                continue
            seen.add(request.what)
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
    """

    def __init__(self, session: requests.Session) -> None:
        self._session = session
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def measuring(self) -> Iterator[Cost]:
        """Count the requests that are made in the block."""
        cost = Cost()

        def heard(response: requests.Response, *_: Any, **__: Any) -> None:
            began = time.monotonic() - response.elapsed.total_seconds()
            time.sleep(_HELD)
            what = f"{response.request.method} {response.request.url}"
            if "/auth/tokens" not in what:
                with self._lock:
                    cost.made.append(Request(what, began, time.monotonic()))

        hooks = self._session.hooks["response"]
        hooks.append(heard)
        try:
            yield cost
        finally:
            hooks.remove(heard)
