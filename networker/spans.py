# SPDX-License-Identifier: Apache-2.0
"""Spans: what of a request took how long, in OpenTelemetry's words.

A span is told to an exporter, where there is one, and kept for whoever has made the call,
where that one has asked for it. Neither needs OpenTelemetry's packages: an exporter brings
them. The names that cross processes are those of W3C Trace Context.
"""

from __future__ import annotations

import contextlib
import enum
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from networker._text import printable
from networker._types import known

#: What an attribute may be.
Value = str | int | float | bool

#: Spans of one request that are kept in a process, and characters of a text in one.
MOST, LONGEST = 256, 200

_PARENT = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
#: The keys and values of a vendor's are its own; none is longer than it must be passed on.
_STATE = re.compile("[ -~]*=[ -~]*")
_LONGEST_STATE = 512
_SAMPLED = "01"
_ID = re.compile("[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")


class Kind(enum.StrEnum):
    """OpenTelemetry's kinds of spans."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class SpanContext(NamedTuple):
    """What another process has to know of a span to make one below it.

    :param trace_id: of all spans of a trace; 32 hexadecimal digits
    :param span_id: 16 hexadecimal digits
    :param flags: two hexadecimal digits
    :param state: what vendors have added
    """

    trace_id: str
    span_id: str
    flags: str = _SAMPLED
    state: str = ""

    def headers(self) -> dict[str, str]:
        """Return the headers that W3C Trace Context has for it."""
        parent = f"00-{self.trace_id}-{self.span_id}-{self.flags}"
        state = {"tracestate": self.state} if self.state else {}
        return {"traceparent": parent, **state}

    @classmethod
    def from_headers(cls, headers: Mapping[str, Any]) -> SpanContext | None:
        """Return what headers say; None if they say nothing, or nothing that is sound."""
        parent, state = headers.get("traceparent"), headers.get("tracestate")
        found = _PARENT.fullmatch(parent) if isinstance(parent, str) else None
        if found is None or not (found[1].strip("0") and found[2].strip("0")):
            return None
        sound = (
            isinstance(state, str)
            and len(state) <= _LONGEST_STATE
            and _STATE.fullmatch(state)
        )
        return cls(found[1], found[2], found[3], str(state) if sound else "")


@known
class Record(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A span that has ended.

    :param span_id: names it
    :param parent_id: the span that it is a part of; None if it has none
    :param name: of what was done
    :param kind: one of :class:`Kind`
    :param began: seconds since the epoch, by the clock of the process that made it
    :param ended: the same
    :param error: class of what was raised, or HTTP's status; None if it went well
    """

    span_id: str
    parent_id: str | None = None
    name: str
    kind: str = Kind.INTERNAL.value
    began: float
    ended: float
    error: str | None = None
    attributes: dict[str, Value] = {}


class Exporter(Protocol):
    """Is told of spans."""

    def begin(
        self, span: Span, parent: Span | SpanContext | None
    ) -> tuple[Any, SpanContext]:
        """Note that a span begins, and return what is known of it here, and to others.

        :param parent: the span that it is a part of; one of another process's is a context
        """

    def end(self, span: Span) -> None:
        """Note that a span has ended."""

    def active(self, span: Span) -> contextlib.AbstractContextManager[Any]:
        """Let what else is traced in this thread be a part of a span for a while."""


class Span:
    """Something that is being done; see :meth:`Trace.begin`.

    :ivar first: whether it is a part of nothing else in this process
    :ivar context: what others have to know of it
    :ivar native: what the exporter knows of it
    """

    __slots__ = (
        "attributes",
        "began",
        "context",
        "ended",
        "error",
        "first",
        "kind",
        "name",
        "native",
        "parent_id",
        "trace",
    )

    def __init__(
        self,
        trace: Trace,
        name: str,
        kind: Kind,
        parent: Span | SpanContext | None,
        attributes: dict[str, Value],
        began: float | None = None,
    ) -> None:
        self.trace = trace
        self.name, self.kind, self.attributes = name, kind, attributes
        self.began = time.time() if began is None else began
        self.ended: float | None = None
        self.error: str | None = None
        above = parent.context if isinstance(parent, Span) else parent
        self.parent_id = above.span_id if above else None
        self.first = not isinstance(parent, Span)
        self.native: Any = None
        self.context: SpanContext = _below(above)
        if trace.exporter:
            self.native, self.context = trace.exporter.begin(self, parent)

    def child(
        self,
        name: str,
        kind: Kind = Kind.INTERNAL,
        attributes: dict[str, Value] | None = None,
        began: float | None = None,
    ) -> Span:
        """Begin a part of it."""
        return self.trace.begin(name, kind, self, attributes or {}, began)

    def end(self, error: str | None = None) -> None:
        """Note that it is done.

        :param error: class of what was raised, or HTTP's status; None if it went well
        """
        self.ended = max(self.began, time.time())
        self.error = error
        if self.trace.exporter:
            self.trace.exporter.end(self)
        self.trace.keep(self)

    def record(self) -> Record:
        """Return what there is to know of it when it has ended."""
        return Record(
            span_id=self.context.span_id,
            parent_id=self.parent_id,
            name=printable(self.name, LONGEST),
            kind=self.kind.value,
            began=self.began,
            ended=self.ended or self.began,
            error=self.error and printable(self.error, LONGEST),
            attributes=self.attributes,
        )


class Trace:
    """The spans of one request that one process makes.

    :param exporter: is told of them; None where nobody is
    :param keeps: whether they are kept besides, the first of them
    """

    def __init__(self, exporter: Exporter | None, *, keeps: bool) -> None:
        self.exporter = exporter
        self._keeps = keeps
        self.kept: list[Record] = []

    def begin(
        self,
        name: str,
        kind: Kind,
        parent: Span | SpanContext | None,
        attributes: dict[str, Value],
        began: float | None = None,
    ) -> Span:
        """Begin a span.

        :param name: of what is done
        :param parent: what it is a part of; one of another process's is a context
        :param attributes: what there is to know of it; no text of a user or of a cloud
        :param began: seconds since the epoch; now if None
        """
        return Span(self, name, kind, parent, attributes, began)

    def keep(self, span: Span) -> None:
        """Keep a span that has ended, if that is wanted."""
        if not self._keeps:
            return
        # Those that others are parts of end last.
        if len(self.kept) < MOST or span.first:
            self.kept.append(span.record())


def active(span: Span | None) -> contextlib.AbstractContextManager[Any]:
    """Let what else is traced in this thread be a part of a span for a while."""
    if span is None or span.trace.exporter is None:
        return contextlib.nullcontext()
    return span.trace.exporter.active(span)


def error_name(error: BaseException | None) -> str | None:
    """Return what is told of an error: its class, since its text may have users' data."""
    return type(error).__name__ if error else None


def general(path: str) -> str:
    """Return a path with a word for each part that is an id or a name.

    In ``/servers/0b5e/os-interface/9f2c`` each second part is one.
    """
    parts = path.strip("/").split("/")
    return "".join(f"/{'{id}' if n % 2 else part}" for n, part in enumerate(parts))


def without_ids(text: str) -> str:
    """Return a text with a word for each id in it."""
    return _ID.sub("{id}", text)


def read(found: object) -> list[Record]:
    """Return the spans that another process has sent; none if they are none."""
    try:
        return msgspec.convert(found, list[Record])[: 2 * MOST]
    except (msgspec.ValidationError, RecursionError):
        return []


def written(records: Iterable[Record]) -> Any:
    """Return spans as JSON can carry them."""
    return msgspec.to_builtins(list(records))


def _below(above: SpanContext | None) -> SpanContext:
    """Return a context of our own making."""
    if above is None:
        return SpanContext(secrets.token_hex(16), secrets.token_hex(8))
    return above._replace(span_id=secrets.token_hex(8))
