# SPDX-License-Identifier: Apache-2.0
"""Send a worker's spans to where OpenTelemetry's environment variables say.

It is loaded only where ``[networker] traces`` is set, and makes nothing before the fork:
the threads of exporters do not survive one.
"""

from __future__ import annotations

import os
import socket
import threading
from importlib import metadata

from opentelemetry import trace
from opentelemetry.environment_variables import OTEL_TRACES_EXPORTER
from opentelemetry.sdk import environment_variables as variables
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from networker.otel import OpenTelemetry

#: Where packages say which exporters they have.
_GROUP = "opentelemetry_traces_exporter"
_PROTOCOLS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
#: What a service is called that the environment does not name.
_UNNAMED, _NAME = "unknown_service", "networker-worker"
#: Seconds that a worker which ends waits for its last spans to be taken.
_PATIENCE = 5.0


class WorkersTelemetry(OpenTelemetry):
    """An exporter of a worker process's spans; made in that process.

    Where the process was started by ``opentelemetry-instrument``, which has made a
    provider by then, that one gets them.

    :raises ValueError: an environment variable names what is not there
    """

    def __init__(self) -> None:
        self._own: TracerProvider | None = None
        provider = trace.get_tracer_provider()
        if isinstance(provider, trace.ProxyTracerProvider):
            provider = self._own = _provider()
        super().__init__(provider)

    def close(self) -> None:
        """Send what there still is, as far as somebody takes it."""
        if self._own:
            # It may take half a minute where nobody does.
            ending = threading.Thread(
                target=self._own.shutdown, name="spans", daemon=True
            )
            ending.start()
            ending.join(_PATIENCE)


def check() -> None:
    """Find out whether spans could be sent, without sending any.

    :raises ValueError: an environment variable names what is not there
    """
    _exporters()


def _provider() -> TracerProvider:
    resource = Resource.create(
        {SERVICE_INSTANCE_ID: f"{socket.gethostname()}:{os.getpid()}"}
    )
    if str(resource.attributes[SERVICE_NAME]).startswith(_UNNAMED):
        resource = resource.merge(Resource({SERVICE_NAME: _NAME}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for exporter in _exporters():
        provider.add_span_processor(BatchSpanProcessor(exporter.load()()))
    return provider


def _exporters() -> list[metadata.EntryPoint]:
    names = os.environ.get(OTEL_TRACES_EXPORTER, "").strip() or "otlp"
    wanted = [name.strip() for name in names.split(",")]
    return [_exporter(name) for name in wanted if name != "none"]


def _exporter(name: str) -> metadata.EntryPoint:
    sought, variable = _otlp() if name == "otlp" else (name, OTEL_TRACES_EXPORTER)
    found: list[metadata.EntryPoint] = [
        *metadata.entry_points(group=_GROUP, name=sought)
    ]
    if not found:
        known = sorted(metadata.entry_points(group=_GROUP).names)
        raise ValueError(
            f"the environment variable {variable} asks for OpenTelemetry's exporter "
            f"{sought}, which is not installed; there are: {', '.join([*known, 'none'])}"
        )
    return found[0]


def _otlp() -> tuple[str, str]:
    """Return which exporter the environment's protocol needs, and the variable with it.

    :raises ValueError: there is no such protocol
    """
    names = (
        variables.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
        variables.OTEL_EXPORTER_OTLP_PROTOCOL,
    )
    variable = next((name for name in names if os.environ.get(name)), names[-1])
    protocol = os.environ.get(variable, "").strip() or "http/protobuf"
    if protocol not in _PROTOCOLS:
        raise ValueError(
            f"the environment variable {variable} is {protocol}; it must be one of "
            f"{', '.join(_PROTOCOLS)}"
        )
    return _PROTOCOLS[protocol], variable
