# SPDX-License-Identifier: Apache-2.0
"""How long requests are tried, and how long to wait before another try."""

from __future__ import annotations

import datetime
import email.utils
import math
import time
from collections.abc import Callable

import tenacity
from oslo_context import context as oslo_context
from oslo_log import log

LOG = log.getLogger(__name__)

#: Seconds before a deadline in which no request is worth beginning.
_MOMENT = 0.1


def seconds_left(patience: float) -> float:
    """Return for how long to try: `patience`, but not past the caller's deadline."""
    deadline = getattr(oslo_context.get_current(), "deadline", None)
    return patience if deadline is None else min(patience, deadline - time.time())


def time_is_up() -> bool:
    """Tell whether the caller's deadline has passed, or will in the next moment."""
    return seconds_left(math.inf) < _MOMENT


class Later(Exception):
    """No answer, or one that asks to come back later.

    :param code: the HTTP status, if there was one
    :param after: the answer's Retry-After
    """

    def __init__(self, text: str, code: int | None, after: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.after = after


class Unsent(Later):
    """As certain as can be, the request changed nothing."""


class Patience(tenacity.stop.stop_base):
    """The time for all tries of a request.

    It runs from the first try on, which a process that was stopped before still makes.

    :param seconds: tells how long that is, when the first try begins
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._end: float | None = None
        #: Whether a try before the last one may have got through.
        self.in_doubt = False

    def left(self) -> float:
        """Return the seconds that are left for a try that begins now."""
        now = time.monotonic()
        if self._end is None:
            self._end = now + self._seconds()
        return self._end - now

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        """Tell whether to stop: the next try would begin too late."""
        stop = self.left() <= retry_state.upcoming_sleep
        failed = retry_state.outcome and retry_state.outcome.exception()
        self.in_doubt = self.in_doubt or not (stop or isinstance(failed, Unsent))
        return stop


_backoff = tenacity.wait_random_exponential(multiplier=0.2, max=8)


def pause(state: tenacity.RetryCallState) -> float:
    """Return the seconds to the next try: what the answer asks for, or ever more."""
    error = state.outcome.exception() if state.outcome else None
    asked = _seconds(error.after) if isinstance(error, Later) else None
    return _backoff(state) if asked is None else asked


def _seconds(after: str | None) -> float | None:
    """Read a Retry-After: seconds, or a date (RFC 9110 section 10.2.3)."""
    if not after:
        return None
    if after.strip().isdigit():
        return float(after)
    try:
        date = email.utils.parsedate_to_datetime(after)
    except ValueError:
        return None
    now = datetime.datetime.now(date.tzinfo)
    return max(0.0, (date - now).total_seconds())


def log_pause(what: str, state: tenacity.RetryCallState) -> None:
    """Say why a request is made again."""
    error = state.outcome.exception() if state.outcome else None
    LOG.warning("%s: %s; again in %.1f s", what, error, state.upcoming_sleep)
