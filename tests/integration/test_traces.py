# SPDX-License-Identifier: Apache-2.0
"""Traces over RabbitMQ: an application here, workers of their own, a cloud, a collector."""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

import oslo_messaging
import pytest

from networker import exceptions, rpc
from networker.rpc import contract
from networker.rpc.transport import open_transport
from networker.testing import processes
from networker.testing.rabbitmq import free_port
from tests.contract.worlds import CloudWorld
from tests.fakecloud import FakeCloud
from tests.integration.test_worker import eventually
from tests.telemetry import Collector, finished

pytestmark = pytest.mark.timeout(300)
NEUTRON = {"cloud": "fake", "poll_interval": 0.1}


@pytest.fixture
def collector(monkeypatch):
    """Let workers send their spans to a collector of this test's own."""
    with Collector.running() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        for name in ("TRACES_EXPORTER", "EXPORTER_OTLP_PROTOCOL", "SERVICE_NAME"):
            monkeypatch.delenv(f"OTEL_{name}", raising=False)
        yield collector


@pytest.fixture
def cloud(tmp_path, monkeypatch):
    """Run a cloud of this test's own, named by clouds.yaml."""
    with FakeCloud() as running:
        clouds = running.write_clouds(tmp_path / "clouds.yaml")
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
        yield running


def above(spans):
    """Return each span's name with that of what it is a part of."""
    names = {span.span_id: span.name for _, span in spans}
    return {(names.get(span.parent_span_id), span.name) for _, span in spans}


def test_one_trace_from_an_application_to_the_cloud(configured, cloud, collector):
    """Application, bus, worker, tasks and requests are one trace, in two processes; what
    the collector gets the caller gets, too, where it asks."""
    config = configured(
        networker={"driver": "neutron", "traces": True}, neutron=NEUTRON
    )
    with finished() as ours, processes.serving(config) as (workers, client):
        replies: list[rpc.Reply] = []
        client = client.with_options(trace=True, observer=replies.append)
        lb = CloudWorld("fake").load_balancer(amphorae=2)
        lb.vip = client.allocate_vip(lb)
        with cloud.recording() as asked:
            client.plug_vip(lb, lb.vip)
        assert workers.terminate() == 0
    call = next(span for span in ours if span.name == "call plug_vip")
    trace_id = call.context.trace_id.to_bytes(16, "big")
    spans = [one for one in collector.received if one[1].trace_id == trace_id]
    assert {service for service, _ in spans} == {"networker-worker"}

    first = {one for one in above(spans) if one[0] is None}
    assert first == {(None, "wait plug_vip"), (None, "process plug_vip")}
    parents = {s.parent_span_id for _, s in spans if s.name.endswith(" plug_vip")}
    assert parents == {call.context.span_id.to_bytes(8, "big")}
    for part in (
        ("process plug_vip", "task rules"),
        ("task rules", "POST /security-group-rules"),
        ("process plug_vip", "task attach {id}"),
        ("task attach {id}", "POST /servers/{id}/os-interface"),
    ):
        assert part in above(spans)
    requests = {s.span_id.hex() for _, s in spans if re.match("GET|PUT|POST", s.name)}
    told = [one.traceparent.split("-") for one in asked if one.traceparent]
    assert {one[1] for one in told} == {trace_id.hex()}
    assert {one[2] for one in told} == requests
    assert len(told) == len(requests) > 5

    known = {span.span_id for span in replies[-1].spans}
    assert known == {s.span_id.hex() for _, s in spans} | {
        f"{call.context.span_id:016x}"
    }


@contextlib.contextmanager
def stock(config, *, tracing=False):
    """Yield oslo.messaging's own client, which may trace as it does itself."""
    conf = processes.configuration(config)
    conf.set_override("delivery", "at-most-once", "networker")
    # It would declare the exchange in another way than workers have.
    url = f"{conf.transport_url}?rabbit_quorum_queue=true"
    conf.set_override("transport_url", url)
    if tracing:
        conf.set_override("tracing_enabled", True, "oslo_messaging_tracing")
    bus = open_transport(conf)
    where = contract.target(conf, namespace=contract.NAMESPACE)
    client = oslo_messaging.get_rpc_client(bus, where)
    try:
        yield client.prepare(version="1.0", timeout=30)
    finally:
        bus.cleanup()


def processed(collector, method) -> list[Any]:
    """Return the spans of what workers have done for a method."""
    return [s for _, s in collector.received if s.name == f"process {method}"]


def test_a_caller_that_knows_nothing_of_traces(configured, collector):
    """It is answered as ever, and the trace begins in the worker."""
    config = configured(networker={"traces": True, "workers": 1})
    with processes.serving(config):
        with stock(config) as client:
            answer = client.call({}, "get_subnet", subnet_id="none")
        eventually(lambda: processed(collector, "get_subnet"))
    assert answer["error"]["kinds"][0] == "SubnetNotFound"
    assert answer.keys() == {"worker", "result", "error"}
    (span,) = processed(collector, "get_subnet")
    assert span.parent_span_id == b""
    about = {a.key: a.value.string_value for a in span.attributes}
    assert about["error.type"] == "SubnetNotFound"


@pytest.mark.skipif(
    not hasattr(oslo_messaging, "_tracing"), reason="oslo.messaging traces since 18.3"
)
def test_a_caller_that_traces_as_oslo_messaging_does(configured, collector):
    """What the worker does is a part of its trace."""
    config = configured(networker={"traces": True, "workers": 1})
    with processes.serving(config):
        with finished() as ours, stock(config, tracing=True) as client:
            client.call({}, "get_port", port_id="none")
        eventually(lambda: processed(collector, "get_port"))
    (sent,) = [one for one in ours if one.name.endswith(".get_port")]
    (span,) = processed(collector, "get_port")
    assert span.parent_span_id == sent.context.span_id.to_bytes(8, "big")
    assert span.trace_id == sent.context.trace_id.to_bytes(16, "big")


def test_nobody_takes_the_spans(configured, monkeypatch):
    """Calls are answered all the same, and a worker that ends does not wait for long."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    config = configured(networker={"traces": True, "workers": 1})
    with processes.serving(config) as (workers, client):
        for _ in range(3):
            with pytest.raises(exceptions.PortNotFound):
                client.get_port("none")
        began = time.monotonic()
        assert workers.terminate() == 0
        assert time.monotonic() - began < 25
    assert "this worker cannot serve" not in workers.log
