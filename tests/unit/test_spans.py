# SPDX-License-Identifier: Apache-2.0
"""Spans: their contexts in headers, what is kept of them, and how they are shown."""

from __future__ import annotations

import pytest

from networker.cli import tree
from networker.context import Context
from networker.spans import (
    LONGEST,
    MOST,
    Kind,
    Record,
    SpanContext,
    Trace,
    general,
    read,
    without_ids,
    written,
)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def record(span_id: str, parent_id: str | None = None, **about: object) -> Record:
    """Return a span that has ended."""
    known = {"name": span_id, "began": 100.0, "ended": 101.5} | about
    return read([{"span_id": span_id, "parent_id": parent_id, **known}])[0]


def test_a_context_crosses_headers():
    """What one process says in headers another one reads, the vendors' part included."""
    said = {"traceparent": PARENT, "tracestate": "vendor=1,other=a b"}
    found = SpanContext.from_headers(said)
    assert found == SpanContext(TRACE, SPAN, "01", "vendor=1,other=a b")
    assert found.headers() == said
    assert SpanContext(TRACE, SPAN).headers() == {"traceparent": PARENT}


@pytest.mark.parametrize(
    "parent",
    [
        None,
        7,
        "",
        PARENT.upper(),
        PARENT[:-1],
        f"{PARENT}\r\nX-Auth-Token: t",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
    ],
)
def test_what_is_no_context_is_none(parent):
    """It would end in headers of requests to the cloud."""
    assert SpanContext.from_headers({"traceparent": parent}) is None


@pytest.mark.parametrize("state", [None, 7, "a=1\r\nX: 1", "a=" + "1" * 512, "a"])
def test_an_unsound_state_is_left_out(state):
    """The context itself is kept, as W3C wants."""
    found = SpanContext.from_headers({"traceparent": PARENT, "tracestate": state})
    assert found == SpanContext(TRACE, SPAN)


def test_a_request_carries_the_span_and_not_more_than_is_wanted():
    """Where nothing is traced, a request is what it was before there were traces."""
    context = Context()
    assert not {"traceparent", "wants_spans"} & context.to_wire().keys()
    context.span = Trace(None, keeps=True).begin("call", Kind.CLIENT, None, {})
    context.wants_spans = True
    came = Context.from_wire(context.to_wire())
    assert came.wants_spans
    assert came.remote == context.span.context
    assert not Context.from_wire({"wants_spans": "yes"}).wants_spans


def test_parts_are_in_the_trace_of_the_whole():
    """Each has an id of its own, and names what it is a part of."""
    trace = Trace(None, keeps=True)
    whole = trace.begin("whole", Kind.SERVER, SpanContext(TRACE, SPAN, "00", "v=1"), {})
    part = whole.child("part", attributes={"a": 1})
    part.end("Broken")
    whole.end()
    assert part.context[0] == whole.context[0] == TRACE
    assert part.context[2:] == whole.context[2:] == ("00", "v=1")
    first, second = read(written(trace.kept))
    assert (first.name, first.error, first.attributes) == ("part", "Broken", {"a": 1})
    assert first.parent_id == second.span_id == whole.context.span_id
    assert (second.parent_id, second.kind, second.error) == (SPAN, "server", None)
    assert second.began <= first.began <= first.ended <= second.ended


def test_what_is_kept_is_bounded():
    """The whole is among it, since it ends last; texts are cut."""
    trace = Trace(None, keeps=True)
    whole = trace.begin("whole", Kind.SERVER, None, {})
    for _ in range(MOST + 9):
        whole.child("x" * 999).end("y" * 999)
    whole.end()
    assert len(trace.kept) == MOST + 1
    assert trace.kept[-1].name == "whole"
    assert max(len(kept.name) for kept in trace.kept) <= LONGEST + 3
    assert len(read(written(trace.kept * 9))) == 2 * MOST
    nobody = Trace(None, keeps=False)
    nobody.begin("whole", Kind.SERVER, None, {}).end()
    assert nobody.kept == []


@pytest.mark.parametrize("junk", [None, 7, "x", [1], [{"name": "x"}], [{"span_id": 1}]])
def test_junk_is_no_spans(junk):
    """A trace that cannot be read does not spoil the answer that it came with."""
    assert read(junk) == []


def test_ids_and_names_are_not_in_names_of_spans():
    """There are few of them, and none has what a user has given."""
    assert general("/ports") == "/ports"
    assert general("/ports/secret") == "/ports/{id}"
    path = f"/security-groups/{TRACE}/tags/networker-had.x"
    assert general(path) == "/security-groups/{id}/tags/{id}"
    plug = "attach 0b5e8f3a-1111-4222-8333-444444444444"
    assert without_ids(plug) == "attach {id}"


def test_a_tree_says_where_the_time_went():
    """Parts are below the whole in the order in which they began, with their errors."""
    spans = [
        record("call", began=99.5, ended=102.0, name="call plug_vip"),
        record("late", "process", began=101.0, name="task late", error="PortNotFound"),
        record("process", "call", attributes={"messaging.client.id": "host:7"}),
        record("wait", "call", began=99.75, ended=100.0),
        record(
            "asked",
            "early",
            name="GET /ports/{id}",
            attributes={
                "http.request.resend_count": 1,
                "openstack.request_id": "req-1",
            },
            error="404",
        ),
        record("early", "process", attributes={"networker.step": "task of a1"}),
    ]
    assert [*tree.lines(spans)] == [
        "  begins at      takes",
        "    0.000 s    2.500 s  call plug_vip",
        "    0.250 s    0.250 s  ├─ wait",
        "    0.500 s    1.500 s  └─ process  in host:7",
        "    0.500 s    1.500 s     ├─ task of a1",
        "    0.500 s    1.500 s     │  └─ GET /ports/{id}  req-1  (resent, 1)  -> 404",
        "    1.500 s    0.500 s     └─ task late  -> PortNotFound",
    ]


def test_a_tree_of_anything_ends_and_is_printable():
    """A worker's spans are another process's: ids may repeat, texts may be commands."""
    spans = [
        record("a"),
        record("a", "a", name="\x1b[2J" + "x" * 999),
        record("b", "c"),
    ]
    shown = [*tree.lines(spans)]
    assert len(shown) == 4
    assert all(line.isprintable() and len(line) < 3 * LONGEST for line in shown)
    assert [*tree.lines([])] == []
