# SPDX-License-Identifier: Apache-2.0
"""A request of a caller: what it sends, its deadline, and the errors it can end with."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from networker import exceptions
from networker.context import Context
from networker.rpc import contract

#: What oslo.messaging's server raises where it does not know what is asked for.
OLDER = {"UnsupportedVersion", "NoSuchMethod"}


@dataclasses.dataclass(frozen=True)
class Request:
    """A request of which somebody wants to know that it was sent, or its answer.

    :param context: whose deadline and operation it has
    :param method: name of the method
    :param wire: encoded arguments
    :param topic: where it goes, for people
    :param timeout: seconds for all of it
    :param end: when they are over, by the monotonic clock
    :param pool_timeout: seconds without any worker after which to give up; None for what
        is configured
    """

    context: Context
    method: str
    wire: dict[str, Any]
    topic: str
    timeout: float
    end: float
    pool_timeout: float | None = None

    @property
    def version(self) -> str:
        """The version of the interface that a worker needs to have."""
        return contract.methods()[self.method].operation.version(self.wire)

    def message(self) -> dict[str, Any]:
        """Return it as oslo.messaging sends it, as of now."""
        self.context.sent = time.time()
        context = self.context.to_wire().items()
        return {
            "method": self.method,
            "args": self.wire,
            "namespace": contract.NAMESPACE,
            "version": self.version,
            **{f"_context_{name}": value for name, value in context},
        }

    def left(self) -> float:
        """Return the seconds that are left."""
        return max(self.end - time.monotonic(), 0.001)

    def timed_out(self, text: str | None = None) -> exceptions.CallTimeout:
        """Return the error that says so."""
        return exceptions.CallTimeout(text, method=self.method, timeout=self.timeout)

    def unavailable(
        self, text: str, *, refused: bool = False
    ) -> exceptions.BusUnavailable:
        """Return the error that says that it was not sent.

        :param text: why
        :param refused: whether the broker is there and has said so
        """
        return exceptions.BusUnavailable(
            f"{self.method}: {text}", method=self.method, refused=refused
        )

    def closed(self) -> exceptions.BusUnavailable:
        """Return the error that says that the client does not send any more."""
        return self.unavailable("this client is closed")

    def undeliverable(self) -> exceptions.BusUnavailable:
        """Return the error that says that there is no queue for it."""
        return self.unavailable(f"no worker has declared {self.topic}; is one running?")

    def refused(self, kind: str, message: object) -> exceptions.BusError:
        """Return the interface's error for one with which oslo.messaging's server ended.

        :param kind: name of its class
        """
        method = self.method
        if kind in OLDER:
            return exceptions.UnsupportedVersion(method=method, version=self.version)
        return exceptions.WorkerError(f"{method}: {kind}: {message}", method=method)
