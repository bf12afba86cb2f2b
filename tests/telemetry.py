# SPDX-License-Identifier: Apache-2.0
"""What applications and operators have of OpenTelemetry: a provider, and a collector."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from typing import Any

from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@functools.cache
def application() -> InMemorySpanExporter:
    """Return what gets the spans of this process, which can have one provider only."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@contextlib.contextmanager
def finished() -> Iterator[list[ReadableSpan]]:
    """Yield a list that has, after the block, the spans of this process that have ended."""
    exporter = application()
    exporter.clear()
    found: list[ReadableSpan] = []
    try:
        yield found
    finally:
        found += exporter.get_finished_spans()
        exporter.clear()


class Collector:
    """Takes spans by OTLP over HTTP, as a worker sends them.

    :ivar received: each span with the name of its service
    """

    def __init__(self) -> None:
        self.received: list[tuple[str, Any]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                outer.take(self.rfile.read(size))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Log nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT has to be."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def take(self, body: bytes) -> None:
        """Note the spans of a request."""
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            about = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                named = [(about["service.name"], span) for span in scope.spans]
                self.received += named

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[Collector]:
        """Listen on a free port of the loopback interface."""
        collector = cls()
        thread = threading.Thread(target=collector._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            collector._server.shutdown()
            collector._server.server_close()
            thread.join()
