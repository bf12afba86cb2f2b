# SPDX-License-Identifier: Apache-2.0
"""Who asked, under which ids, and until when: what travels with every request."""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import pathlib
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from oslo_context import context as oslo_context

from networker import exceptions
from networker._text import printable
from networker.observer import ApiRequest, Call
from networker.spans import Span, SpanContext, active, error_name, without_ids

#: Characters of an id or a name that another process has sent.
_LONGEST = 255
#: Seconds within which the broker does not give up a worker that does not move.
_SURE = 5.0
#: Seconds that are no time of anybody's.
_FAR = 1e12


class Context(oslo_context.RequestContext):
    """An oslo.context with an operation id and a deadline.

    :param operation_id: names one logical call; the same for each time it is sent
    :param deadline: seconds since the epoch after which nobody waits for the answer
    :param sent: seconds since the epoch when it was sent, by the sender's clock
    :param caller: host, program and process id of who asked, as it says itself
    :param awaited: whether a caller waits for the answer; a cast is not awaited
    :param lease: tells whether the request is still this worker's; None if it cannot be
        anybody else's
    :param remote: the span that it is a part of in the process that sent it
    :param wants_spans: whether the answer shall tell the spans of the request
    :param ids: `request_id`, `global_request_id` and what else oslo.context knows

    Making a context does not change the thread's current one: see :meth:`entered`.
    """

    def __init__(
        self,
        operation_id: str | None = None,
        deadline: float | None = None,
        *,
        sent: float | None = None,
        caller: str | None = None,
        awaited: bool = True,
        lease: Callable[[], bool] | None = None,
        remote: SpanContext | None = None,
        wants_spans: bool = False,
        **ids: Any,
    ) -> None:
        before = oslo_context.get_current()
        super().__init__(overwrite=False, **ids)
        _store(before)  # oslo.context stores it even so where there was none
        self.operation_id = operation_id or str(uuid.uuid4())
        self.deadline = deadline
        self.sent = sent
        self.caller = caller
        self.awaited = awaited
        self.lease = lease
        self.remote = remote
        self.wants_spans = wants_spans
        #: What this thread does, of all that the request is; None where nobody traces it.
        self.span: Span | None = None
        self.since = time.monotonic()
        #: What is told of it while it runs; None where nobody wants to know.
        self.call: Call | None = None
        self._logged: dict[str, Any] | None = None

    @classmethod
    def of_caller(cls, given: oslo_context.RequestContext | None) -> Context:
        """Return a new operation on behalf of `given`, or of the thread's context."""
        caller = given or oslo_context.get_current()
        if caller is None:
            return cls(caller=_program(os.getpid()))
        return cls(
            caller=_program(os.getpid()),
            request_id=caller.request_id,
            global_request_id=caller.global_request_id,
        )

    @classmethod
    def from_wire(cls, data: Any) -> Context:
        """Return the context that :meth:`to_wire` wrote; anything else is ignored.

        Its texts end in logs, headers and marks, so none is long or has control
        characters.
        """
        data = data if isinstance(data, dict) else {}
        texts = ("operation_id", "request_id", "global_request_id", "caller")
        times = ("deadline", "sent")
        known: dict[str, Any] = {
            k: _id(data[k]) for k in texts if _is_text(data.get(k))
        }
        known |= {k: data[k] for k in times if _is_time(data.get(k))}
        if "traceparent" in data:
            known["remote"] = SpanContext.from_headers(data)
        return cls(
            awaited=data.get("awaited") is not False,
            wants_spans=data.get("wants_spans") is True,
            **known,
        )

    def to_wire(self) -> dict[str, Any]:
        """Return what crosses the bus: ids and deadline, never a token."""
        wire: dict[str, Any] = {
            "operation_id": self.operation_id,
            "request_id": self.request_id,
            "global_request_id": self.global_request_id,
            "deadline": self.deadline,
            "sent": self.sent,
            "caller": self.caller,
            "awaited": self.awaited,
        }
        if self.span:
            # Where oslo.messaging's own tracing has them, too.
            wire |= self.span.context.headers()
        if self.wants_spans:
            wire["wants_spans"] = True
        return wire

    def get_logging_values(self) -> dict[str, Any]:
        """Return what oslo.log can show of it, the same for all lines."""
        if self._logged is None:
            more = {"operation_id": self.operation_id, "caller": self.caller}
            self._logged = super().get_logging_values() | more
        return self._logged

    def entered(self) -> contextlib.AbstractContextManager[None]:
        """Be the thread's current context for a while."""
        return current(self)

    @property
    def trace_id(self) -> str | None:
        """The id that is passed on to other services, which log it too."""
        return self.global_request_id or self.request_id

    def expired(self) -> bool:
        """Tell whether the deadline has passed."""
        return self.deadline is not None and time.time() > self.deadline

    def age(self) -> float | None:
        """Return the seconds since it was sent, as far as both clocks agree.

        It is negative where the sender's clock is ahead of ours by more than the request
        took; where the sender's is behind, it is too much.
        """
        return None if self.sent is None else time.time() - self.sent

    def arrived(self) -> None:
        """Bound the deadline by our own clock.

        From now on there is no more time than the sender gave from the beginning, however
        far its clock is ahead.
        """
        if self.deadline is not None and self.sent is not None:
            given = self.deadline - self.sent
            self.deadline = min(self.deadline, time.time() + given)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _id(text: str) -> str:
    """Return what stands for a text in logs and in HTTP headers."""
    return printable(text, _LONGEST).encode("ascii", "backslashreplace").decode()


def is_id(value: object) -> bool:
    """Tell whether something can stand for an id in logs and in HTTP headers."""
    if not isinstance(value, str):
        return False
    return 0 < len(value) <= _LONGEST and value.isascii() and value.isprintable()


def _is_time(value: object) -> bool:
    """Tell whether something can be seconds since the epoch."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -_FAR <= value <= _FAR


@contextlib.contextmanager
def current(context: oslo_context.RequestContext | None) -> Iterator[None]:
    """Make a context the thread's current one, and afterwards what it was before.

    Pooled threads would otherwise log the ids of a request that is over.

    :param context: None for having none
    """
    before = oslo_context.get_current()
    _store(context)
    try:
        yield
    finally:
        _store(before)


@functools.cache
def _program(pid: int) -> str:
    """Return what a process of this program calls itself."""
    name = pathlib.PurePath(sys.argv[0] if sys.argv else "").name or "python"
    return f"{socket.gethostname()}:{name}:{pid}"


def asking(service: str, method: str, path: str) -> ApiRequest:
    """Return a request that this thread is about to make of the cloud.

    Where the thread's call is observed, it is known from now on what the call waits for,
    until the request is told to have ended.

    :param service: which of the cloud's
    :param method: HTTP's
    """
    context = oslo_context.get_current()
    call: Call | None = getattr(context, "call", None)
    trace_id = (context.global_request_id or context.request_id) if context else None
    request = ApiRequest(service, method, path, call, trace_id)
    if call:
        call.requests[id(request)] = request
        request.parent = getattr(context, "span", None)
        call.observer.asking(request)
    remote: SpanContext | None = getattr(context, "remote", None)
    if remote:
        # Also where nothing is traced here, the service's spans are a part of the caller's.
        request.headers = remote.headers()
    return request


@contextlib.contextmanager
def step(
    name: str, context: oslo_context.RequestContext | None = None
) -> Iterator[None]:
    """Let what the thread does for a while be a span of its own, where that is traced.

    :param name: of what it does; ids in it are only told as an attribute
    :param context: in which it does it; None for the thread's
    """
    context = context or oslo_context.get_current()
    above: Span | None = getattr(context, "span", None)
    if context is None or above is None:
        with current(context):
            yield
        return
    traced: Any = copy.copy(context)
    traced.span = above.child(without_ids(name), attributes={"networker.step": name})
    try:
        with current(traced), active(traced.span):
            yield
    except BaseException as error:
        traced.span.end(error_name(error))
        raise
    traced.span.end()


def current_operation_id() -> str:
    """Return what this thread's request has in common with its copies alone."""
    operation = getattr(oslo_context.get_current(), "operation_id", None)
    return str(operation or uuid.uuid4())


def _store(context: oslo_context.RequestContext | None) -> None:
    if context is not None:
        context.update_store()
    else:  # oslo.context has no word for taking a thread's context away
        vars(oslo_context._request_store).pop("context", None)


def is_ours() -> bool:
    """Tell whether what this thread works on is still this worker's to finish or undo.

    A worker that was stopped or cut off from the broker for long may find, when it goes
    on, that the broker has given the request to another one. What it made may be the
    other's by now, so it must not take it back. This can ask the broker: call it before
    undoing, not on the way.
    """
    context = oslo_context.get_current()
    if not isinstance(context, Context) or context.lease is None or context.lease():
        return True
    if context.call:
        context.call.observer.count("lease_lost")
    return False


def stay_ours() -> None:
    """Stop this thread if another worker has what it works on; call it before changes.

    Only a request that has been here for some seconds can have been given to another
    worker, so only for that the broker is asked.

    :raises WorkerError: another worker has it
    """
    context = oslo_context.get_current()
    since = context.since if isinstance(context, Context) else time.monotonic()
    if time.monotonic() - since > _SURE and not is_ours():
        raise exceptions.WorkerError(
            "this worker was cut off from the broker, which has given the request to "
            "another one"
        )


def require_time() -> None:
    """Make sure that the caller still waits for what the thread works on.

    Nobody waits any more for what is done after its deadline.

    :raises CloudUnavailable: the deadline has passed
    """
    context = oslo_context.get_current()
    if isinstance(context, Context) and context.expired():
        raise exceptions.CloudUnavailable(
            orig_msg="it was done after the deadline, and is undone"
        )
