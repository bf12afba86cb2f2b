# SPDX-License-Identifier: Apache-2.0
"""Where a worker's spans go, as OpenTelemetry's environment variables say."""

from __future__ import annotations

import pytest
from opentelemetry import trace

from networker import otel_worker
from networker.otel import OpenTelemetry
from networker.spans import Kind, SpanContext, Trace
from tests.telemetry import Collector

#: Of another process, which sends no spans.
ABOVE = SpanContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Let nothing be set that the one who runs the tests has set."""
    for name in ("TRACES_EXPORTER", "EXPORTER_OTLP_PROTOCOL", "SERVICE_NAME"):
        monkeypatch.delenv(f"OTEL_{name}", raising=False)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "OTEL_TRACES_EXPORTER",
            "nowhere",
            "there are: console, otlp_proto_http, none",
        ),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "exporter otlp_proto_grpc, which is not",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke", "must be one of http/protobuf, grpc"),
    ],
)
def test_an_exporter_that_is_not_there_is_named(monkeypatch, variable, value, said):
    """The variable that asks for it is named, too."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"{variable} .*{said}"):
        otel_worker.check()


@pytest.mark.parametrize("value", ["", "otlp", "none", "console, otlp", "none,console"])
def test_exporters_that_are_there(monkeypatch, value):
    """Any number of them, or none."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", value)
    otel_worker.check()


def sent(exporter):
    """Let a span end, and the worker."""
    Trace(exporter, keeps=False).begin("it", Kind.SERVER, None, {}).end()
    exporter.close()


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "networker-worker"),
        ({"OTEL_SERVICE_NAME": "mine"}, "mine"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=ours,a=b"}, "ours"),
    ],
)
def test_what_a_worker_has_not_sent_is_sent_when_it_ends(monkeypatch, variables, name):
    """Its spans say which service it is."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    with Collector.running() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        sent(otel_worker.WorkersTelemetry())
    assert [(service, span.name) for service, span in collector.received] == [
        (name, "it")
    ]


def test_a_trace_that_is_not_sampled_is_not_sent(monkeypatch):
    """Whoever began the trace has decided; what is below it carries that on."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    with Collector.running() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        exporter = otel_worker.WorkersTelemetry()
        span = Trace(exporter, keeps=True).begin("it", Kind.SERVER, ABOVE, {})
        span.end()
        exporter.close()
    assert collector.received == []
    assert span.context.trace_id == ABOVE.trace_id
    assert span.context.flags == "00"
    assert [kept.parent_id for kept in span.trace.kept] == [ABOVE.span_id]


@pytest.mark.parametrize("above", [None, ABOVE])
def test_an_application_without_a_provider(above):
    """Its spans go nowhere, and have ids all the same, for who asks for them."""
    spans = Trace(OpenTelemetry(trace.NoOpTracerProvider()), keeps=True)
    whole = spans.begin("whole", Kind.CLIENT, above, {})
    whole.child("part").end()
    whole.end()
    part, kept = spans.kept
    assert part.parent_id == kept.span_id == whole.context.span_id
    assert len({part.span_id, kept.span_id, kept.parent_id}) == 3
    assert SpanContext.from_headers(whole.context.headers()) == whole.context
