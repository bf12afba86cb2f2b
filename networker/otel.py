# SPDX-License-Identifier: Apache-2.0
"""Tell OpenTelemetry of spans, by its API alone.

It is loaded only where ``[networker] traces`` is set. Applications bring what their spans
go through, and OpenTelemetry's API finds it, also when they begin with it later.
"""

from __future__ import annotations

import contextlib
from typing import Any

from opentelemetry import context, trace

from networker.spans import Kind, Span, SpanContext

_NANO = 10**9
_KINDS = {kind: trace.SpanKind[kind.name] for kind in Kind}


class OpenTelemetry:
    """An exporter of spans.

    :param provider: gets them; None for the application's own, if it has one
    """

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("networker", tracer_provider=provider)

    def begin(
        self, span: Span, parent: Span | SpanContext | None
    ) -> tuple[trace.Span, SpanContext]:
        """Note that a span begins; without a parent it is a part of the thread's own."""
        above = _above(parent)
        begun = self._tracer.start_span(
            span.name,
            above,
            _KINDS[span.kind],
            span.attributes,
            start_time=int(span.began * _NANO),
        )
        made = begun.get_span_context()
        # Where nobody gets spans, none is made: what comes is the one above, or nothing.
        if (
            not made.is_valid
            or made == trace.get_current_span(above).get_span_context()
        ):
            return begun, span.context
        return begun, SpanContext(
            trace.format_trace_id(made.trace_id),
            trace.format_span_id(made.span_id),
            f"{made.trace_flags:02x}",
            made.trace_state.to_header(),
        )

    def end(self, span: Span) -> None:
        """Note that a span has ended."""
        begun: trace.Span = span.native
        begun.set_attributes(span.attributes)
        if span.error:
            begun.set_attribute("error.type", span.error)
            begun.set_status(trace.StatusCode.ERROR)
        begun.end(int((span.ended or span.began) * _NANO))

    def active(self, span: Span) -> contextlib.AbstractContextManager[Any]:
        """Let what else is traced in this thread be a part of a span for a while."""
        return trace.use_span(
            span.native, record_exception=False, set_status_on_exception=False
        )


def _above(parent: Span | SpanContext | None) -> context.Context | None:
    if parent is None:
        return None
    if isinstance(parent, Span):
        return trace.set_span_in_context(parent.native)
    remote = trace.SpanContext(
        int(parent.trace_id, 16),
        int(parent.span_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(parent.flags, 16)),
        trace_state=trace.TraceState.from_header([parent.state]),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(remote))
