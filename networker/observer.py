# SPDX-License-Identifier: Apache-2.0
"""What a worker does now, and who is told of it.

The bus makes a :class:`Call` for each request that it runs, and drivers tell what they ask
of the cloud meanwhile, wherever they are: the thread's context knows the call. Where nobody
wants to know, no call is made, and telling does nothing.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from typing import TYPE_CHECKING, Any, Literal

from oslo_context import context as oslo_context

from networker.spans import Kind, Span, error_name, general

if TYPE_CHECKING:
    from networker.context import Context
    from networker.exceptions import NetworkException

#: HTTP's statuses that say that a request has failed begin here.
_ERRORS = 400

#: What is counted without more about it.
Event = Literal[
    "flow",
    "late",
    "lease_lost",
    "put_aside",
    "redelivered",
    "undo_failed",
    "undone",
    "wave",
]


class Observer:
    """Is told of calls and requests; this one forgets all of it."""

    def begun(self, call: Call) -> None:
        """Note that a call runs."""

    def ended(
        self, call: Call, error: type[NetworkException] | None, seconds: float
    ) -> None:
        """Note that a call has ended.

        :param error: how it failed; None if it did not
        :param seconds: that it ran
        """

    def named(self, call: Call) -> None:
        """Note that it is known which load balancer a call is about."""

    def asking(self, request: ApiRequest) -> None:
        """Note that a request to the cloud is about to be made, for a call."""

    def asked(self, request: ApiRequest) -> None:
        """Note that a try of a request to the cloud has ended, answered or not."""

    def count(self, event: Event, times: int = 1) -> None:
        """Note that something happened."""

    def task(self, state: str) -> None:
        """Note that a task of a flow has ended.

        :param state: TaskFlow's name for how
        """

    def deaths(self, operation_id: str) -> int:  # noqa: ARG002 - this one knows none
        """Return how many workers beside this one died while they ran an operation."""
        return 0

    def lost(self, cause: str) -> None:
        """Note that the subscriptions to the queues were lost.

        :param cause: one of a few words
        """


class Call:
    """A call or cast that a worker runs.

    :param observer: is told what happens in it
    :param method: of the interface
    :param context: who asked, and under which ids
    """

    __slots__ = (
        "answered",
        "caller",
        "error",
        "load_balancer",
        "method",
        "observer",
        "operation_id",
        "outcome",
        "request_id",
        "requests",
        "seconds",
        "since",
        "slot",
        "waited",
    )

    def __init__(self, observer: Observer, method: str, context: Context) -> None:
        self.observer = observer
        self.method = method
        self.operation_id = context.operation_id
        self.request_id = context.trace_id
        self.caller = context.caller
        #: Seconds since it was sent; None if the caller does not tell.
        self.waited = context.age()
        #: Seconds since the epoch.
        self.since = time.time()
        self.load_balancer: str | None = None
        #: What is asked of the cloud and not answered yet.
        self.requests: dict[int, ApiRequest] = {}
        #: What was asked of the cloud, as far as the observer keeps it.
        self.answered: list[dict[str, Any]] = []
        #: How it has ended, and the error's text; None while it runs.
        self.outcome: str | None = None
        self.error: str | None = None
        #: That it ran.
        self.seconds = 0.0
        #: Where the observer has noted it.
        self.slot: int | None = None

    def about(self, arguments: dict[str, Any]) -> None:
        """Note which load balancer it is about, as far as its arguments say."""
        self.load_balancer = _load_balancer(arguments)
        if self.load_balancer:
            self.observer.named(self)

    def state(self) -> dict[str, Any]:
        """Return what there is to know of it, for JSON."""
        now = time.time()
        requests = [each.state(now) for each in list(self.requests.values())]
        return {
            "method": self.method,
            "operation_id": self.operation_id,
            "request_id": self.request_id,
            "load_balancer": self.load_balancer,
            "caller": self.caller,
            "since": self.since,
            "seconds": round(now - self.since, 3),
            "waits_for": requests,
        }

    def ended_state(self) -> dict[str, Any]:
        """Return the same of one that has ended, and how."""
        return self.state() | {
            "seconds": round(self.seconds, 3),
            "waited": self.waited,
            "outcome": self.outcome,
            "error": self.error,
            "requests": list(self.answered),
        }


@dataclasses.dataclass(slots=True)
class ApiRequest:
    """A request to a service of the cloud, until it is answered or given up.

    :param service: ``network`` or ``compute``
    :param method: HTTP's
    :param path: of what is asked for
    :param call: for which it is made, if that is observed
    :param trace_id: by which the service's log knows it
    """

    service: str
    method: str
    path: str
    call: Call | None
    trace_id: str | None
    #: How often it was made.
    tries: int = 0
    #: When it was made last, in seconds since the epoch.
    since: float = dataclasses.field(default_factory=time.time)
    #: HTTP's, of the last answer; None if there is none.
    status: int | None = None
    #: That the last try took.
    seconds: float = 0.0
    #: That its tries are parts of, and the span of the last one; None if it is not traced.
    parent: Span | None = None
    span: Span | None = None
    #: That it has besides its own, for the service's traces.
    headers: dict[str, str] = dataclasses.field(default_factory=dict)

    def state(self, now: float) -> dict[str, Any]:
        """Return what there is to know of it, for JSON."""
        return {
            "request": self.name,
            "seconds": round(now - self.since, 3),
            "tries": self.tries,
        }

    @property
    def name(self) -> str:
        """Its service, method and path, for people."""
        return f"{self.service}: {self.method} {self.path}"

    def begin(self) -> None:
        """Tell that it is made now, perhaps again."""
        self.tries, self.since, self.status = self.tries + 1, time.time(), None
        if self.parent:
            path = general(self.path)
            self.span = self.parent.child(
                f"{self.method} {path}",
                Kind.CLIENT,
                {
                    "http.request.method": self.method,
                    "url.template": path,
                    "peer.service": self.service,
                },
            )
            if self.tries > 1:
                self.span.attributes["http.request.resend_count"] = self.tries - 1
            self.headers = self.span.context.headers()

    def tried(self) -> None:
        """Tell that a try has ended; called while what it raised is being handled."""
        if self.call:
            self.seconds = max(0.0, time.time() - self.since)
            self.call.observer.asked(self)
        if self.span:
            error = error_name(sys.exception())
            if self.status is not None:
                self.span.attributes["http.response.status_code"] = self.status
                error = str(self.status) if self.status >= _ERRORS else error
            self.span.end(error)

    def end(self) -> None:
        """Tell that it will not be made again."""
        if self.call:
            self.call.requests.pop(id(self), None)


def current_call() -> Call | None:
    """Return the call that this thread works for, if it is observed."""
    return getattr(oslo_context.get_current(), "call", None)


def count(event: Event, times: int = 1) -> None:
    """Tell that something happened in this thread's call."""
    call = current_call()
    if call:
        call.observer.count(event, times)


def _load_balancer(arguments: dict[str, Any]) -> str | None:
    """Return the id of the load balancer that arguments of the interface name."""
    found = getattr(arguments.get("load_balancer"), "id", None)
    for value in arguments.values():
        found = found or getattr(value, "load_balancer_id", None)
    return str(found) if found else None
