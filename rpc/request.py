# SPDX-License-Identifier: Apache-2.0
"""One request of a caller: until when it may take, and what its failures mean."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import amqp
import kombu.exceptions
import oslo_messaging

from networker import exceptions
from networker.rpc.watch import Watch

_BROKEN = (
    oslo_messaging.MessagingException,
    kombu.exceptions.KombuError,
    amqp.AMQPError,
    OSError,
)


@dataclasses.dataclass(frozen=True)
class Request:
    """A request that somebody waits for.

    :param method: name of the method
    :param topic: where it goes, for people
    :param send: sends it within so many seconds, and returns the answer
    :param timeout: seconds for all of it
    :param end: when they are over, by the monotonic clock
    :param version: of the interface, that a worker needs to have
    :param watch: notices that no worker listens any more
    :param message: returns it for :meth:`Answers.call`, if that may send it
    """

    method: str
    topic: str
    send: Callable[[float], Any]
    timeout: float
    end: float
    version: str
    watch: Watch | None = None
    message: Callable[[], dict[str, Any]] | None = None

    def left(self) -> float:
        """Return the seconds that are left."""
        return max(self.end - time.monotonic(), 0.001)

    def timed_out(self, text: str | None = None) -> exceptions.CallTimeout:
        """Return the error that says so."""
        return exceptions.CallTimeout(text, method=self.method, timeout=self.timeout)

    def failed(self, error: BaseException) -> exceptions.NetworkException:
        """Return the interface's error for one of oslo.messaging's."""
        method = self.method
        kind = getattr(error, "exc_type", type(error).__name__)
        if isinstance(error, oslo_messaging.MessagingTimeout):
            return self.timed_out()
        if isinstance(error, oslo_messaging.MessageUndeliverable):
            text = f"{method}: no worker has declared {self.topic}; is one running?"
            return exceptions.BusUnavailable(text, method=method)
        if kind in {"UnsupportedVersion", "NoSuchMethod"}:
            return exceptions.UnsupportedVersion(method=method, version=self.version)
        if isinstance(error, oslo_messaging.RemoteError):
            return exceptions.WorkerError(f"{method}: {kind}: {error.value}")
        if isinstance(error, _BROKEN):
            text = f"{method}: the broker did not take the request: {error}"
            return exceptions.BusUnavailable(text, method=method)
        return exceptions.WorkerError(f"{method}: {kind}: {error}", method=method)
