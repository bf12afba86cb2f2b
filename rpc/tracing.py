# SPDX-License-Identifier: Apache-2.0
"""The spans of a request on the bus: at its caller, while it waits, and in its worker.

Names and attributes are those of OpenTelemetry's conventions for messaging, with the method
in the place of the queue, since all methods have the same.
"""

from __future__ import annotations

from typing import Any

from networker import exceptions
from networker.context import Context
from networker.rpc import codec
from networker.spans import (
    Exporter,
    Kind,
    Record,
    Trace,
    Value,
    error_name,
    read,
    written,
)

#: The key of an answer with spans; older callers ignore it.
SPANS = "spans"


def send(
    exporter: Exporter | None, method: str, context: Context, topic: str
) -> Trace | None:
    """Begin the span of a call or cast at its caller.

    :param topic: where it goes
    :returns: the trace, which the context's span is in; None where nobody wants to know
    """
    if exporter is None and not context.wants_spans:
        return None
    trace = Trace(exporter, keeps=context.wants_spans)
    name = "call" if context.awaited else "cast"
    about = _about(name, "send", method, context) | {
        "messaging.destination.name": topic
    }
    kind = Kind.CLIENT if context.awaited else Kind.PRODUCER
    context.span = trace.begin(f"{name} {method}", kind, None, about)
    return trace


def process(
    exporter: Exporter | None, method: str, context: Context, worker: str
) -> Trace | None:
    """Begin the span of a request in its worker, and tell how long it has waited.

    :param worker: host name and process id of the worker
    :returns: as :func:`send`
    """
    if exporter is None and not context.wants_spans:
        return None
    trace = Trace(exporter, keeps=context.wants_spans)
    about = _about("process", "process", method, context)
    about["messaging.client.id"] = worker
    kind = Kind.SERVER if context.awaited else Kind.CONSUMER
    span = trace.begin(f"process {method}", kind, context.remote, about)
    if context.sent is not None:
        # A caller's clock that is ahead does not make it end before it began.
        began = min(context.sent, span.began)
        above = context.remote or span
        trace.begin(f"wait {method}", Kind.INTERNAL, above, {}, began).end()
    context.span = span
    return trace


def answered(
    trace: Trace | None,
    context: Context,
    error: type[exceptions.NetworkException] | None,
    answer: dict[str, Any],
    most: int,
) -> None:
    """End the span of a request in its worker, and put into its answer what it asked for.

    :param error: how it failed; None if it did not
    :param most: bytes that an answer may have; with spans above that, it has none
    """
    if trace is None or context.span is None:
        return
    context.span.end(error.__name__ if error else None)
    if context.wants_spans and context.awaited:
        answer[SPANS] = written(trace.kept)
        if codec.excess(answer, most):
            del answer[SPANS]


def told(context: Context, answer: Any) -> list[Record]:
    """Return the spans in an answer, where they were asked for."""
    if not (context.wants_spans and isinstance(answer, dict)):
        return []
    return read(answer.get(SPANS))


def sent(
    trace: Trace | None, context: Context, error: BaseException | None
) -> list[Record]:
    """End the span of a call or cast at its caller.

    :returns: it, where its caller has asked for it
    """
    if trace is None or context.span is None:
        return []
    context.span.end(error_name(error))
    return trace.kept


def _about(name: str, kind: str, method: str, context: Context) -> dict[str, Value]:
    about: dict[str, Value] = {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.message.conversation_id": context.operation_id,
        "rpc.method": method,
    }
    if context.trace_id:
        about["openstack.request_id"] = context.trace_id
    return about
