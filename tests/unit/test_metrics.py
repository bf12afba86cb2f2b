# SPDX-License-Identifier: Apache-2.0
"""What is counted, under which few names, and that it outlives who counted it."""

from __future__ import annotations

import multiprocessing
import pathlib

import pytest
from prometheus_client import parser, values

from networker import exceptions, metrics
from networker.context import Context, asking, is_ours
from networker.exposition import Exposition
from networker.metrics import Recorder
from networker.observer import ApiRequest, Call
from networker.rpc import contract
from networker.rpc.dispatcher import Dispatcher
from networker.rpc.tokens import Tokens
from networker.testing import kit
from tests.faults.bench import benches

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

#: What a label may be, by its name.
ALLOWED = {
    "method": metrics.METHODS | metrics.HTTP_METHODS | {metrics.OTHER},
    "outcome": metrics.OUTCOMES | metrics.TASK_STATES | {metrics.OTHER},
    "service": metrics.SERVICES | {metrics.OTHER},
    "status": metrics.STATUSES | {metrics.OTHER, metrics.NO_ANSWER},
    "cause": metrics.CAUSES | {metrics.OTHER},
}


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Where a recorder of this process writes, without a trace after the test."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    return tmp_path


def samples(directory: pathlib.Path) -> Samples:
    """Return what Prometheus would read, of workers of which none tells anything."""
    _, content = Exposition(directory).page([], ready=False, accepted="")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parser.text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


def total(found: Samples, name: str, **labels: str) -> float:
    """Return the sum of all samples with a name and these labels among others."""
    return sum(
        value
        for (known, more), value in found.items()
        if known == f"networker_{name}" and labels.items() <= dict(more).items()
    )


class Strange(exceptions.PlugVIPException):
    """An error that the interface does not have."""


def test_labels_have_few_values(directory):
    """Whatever callers, drivers and clouds say, none of it gets into a label."""
    recorder = Recorder(directory)
    for number in range(300):
        text = f"free-text-{number}"
        call = Call(recorder, text, Context(caller=text, operation_id=text))
        recorder.begun(call)
        kind = type(text, (Strange,), {})
        recorder.ended(call, kind, float(number))
        recorder.asked(ApiRequest(text, text, text, call, text, 2, status=number * 7))
        recorder.task(text)
        recorder.lost(text)
    found = samples(directory)
    labels = {pair for _, pairs in found for pair in pairs if pair[0] != "le"}
    assert {pair for pair in labels if pair[1] not in ALLOWED[pair[0]]} == set()
    assert "free-text" not in str(found)
    assert (
        total(found, "calls_total", method="other", outcome="PlugVIPException") == 300
    )
    assert len(found) < 300


def test_there_is_a_bound(directory):
    """All that can ever be in the page of metrics is no more than a server can take."""
    most = len(metrics.METHODS) + 1
    series = most * len(metrics.OUTCOMES)
    series += most * (len(metrics._CALL_BUCKETS) + 3)
    services = (len(metrics.SERVICES) + 1) * (len(metrics.HTTP_METHODS) + 1)
    series += services * (len(metrics.STATUSES) + 2)
    assert series < 3000


def run_once(directory: pathlib.Path) -> None:
    recorder = Recorder(directory)
    call = Call(recorder, "get_port", Context())
    recorder.begun(call)
    recorder.ended(call, None, 0.02)


def test_what_ended_processes_counted_stays(directory):
    """Each counts on, their files do not add up, and sums stay what they were."""
    for number in range(1, 4):
        process = multiprocessing.get_context("spawn").Process(
            target=run_once, args=(directory,)
        )
        process.start()
        process.join()
        assert process.exitcode == 0
        found = samples(directory)
        assert total(found, "calls_total", method="get_port", outcome="ok") == number
        assert total(found, "call_duration_seconds_count") == number
        assert total(found, "call_duration_seconds_bucket", le="0.025") == number
        assert total(found, "call_duration_seconds_bucket", le="0.01") == 0
    assert {path.name for path in directory.glob("*.db")} == {
        "counter_0.db",
        "histogram_0.db",
    }


class Failing:
    """A driver whose methods fail in every way."""

    def get_port(self, port_id: str, **_: object) -> None:
        raise {
            "known": exceptions.PortNotFound(port_id=port_id),
            "strange": Strange(),
            "broken": ZeroDivisionError(),
        }[port_id]


def test_the_dispatcher_tells_of_each_call(directory):
    """Calls are counted by the error that the caller gets, and late ones besides."""
    recorder = Recorder(directory)
    bus = kit.configuration(directory / "sandbox.sqlite")
    dispatcher = Dispatcher(Failing(), Tokens(bus), observer=recorder)  # type: ignore[arg-type]
    method = contract.methods()["get_port"]
    for port in ("known", "strange", "broken", "broken"):
        dispatcher.handle(method, Context(sent=0.0).to_wire(), {"port_id": port})
    dispatcher.handle(method, Context(deadline=1.0).to_wire(), {"port_id": "known"})
    found = samples(directory)
    assert recorder.running == []
    for outcome, number in {
        "PortNotFound": 1,
        "PlugVIPException": 1,
        "WorkerError": 2,
        "CallTimeout": 1,
    }.items():
        assert total(found, "calls_total", outcome=outcome) == number
    assert total(found, "deadline_refusals_total") == 1
    assert total(found, "call_wait_seconds_count") == 4


class Watching(Recorder):
    """Looks at each request while the call waits for it."""

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__(directory)
        self.seen: list[str] = []

    def asked(self, request: ApiRequest) -> None:
        assert request.call
        self.seen += [each["request"] for each in request.call.state()["waits_for"]]
        super().asked(request)


def test_requests_of_a_call_are_seen(directory, tmp_path_factory):
    """While a call waits for the cloud it is known for what; afterwards it is counted."""
    recorder = Watching(directory)
    with benches(tmp_path_factory.mktemp("metrics"), 1) as (bench,):
        lb = bench.world.load_balancer(amphorae=1)
        vip = bench.allocated(lb)
        context = Context()
        call = context.call = Call(recorder, "plug_vip", context)
        with context.entered():
            bench.driver.plug_vip(lb, vip)
    assert any("network: POST /ports" in each for each in recorder.seen)
    assert any(each.startswith("compute: POST /servers/") for each in recorder.seen)
    assert call.requests == {}
    found = samples(directory)
    assert total(found, "api_requests_total") == len(recorder.seen) == 7
    assert total(found, "api_requests_total", service="compute", status="200") > 0
    assert total(found, "flows_total") >= 1
    assert total(found, "flow_waves_total") >= 1
    assert total(found, "flow_tasks_total", outcome="success") >= 1


def test_requests_are_no_work_unobserved():
    """Without an observer nothing is kept."""
    context = Context()
    with context.entered():
        assert asking("network", "GET", "/ports").call is None


def test_a_lost_lease_is_counted(directory):
    """A worker that finds its request given to another one tells so."""
    recorder = Recorder(directory)
    context = Context(lease=lambda: False)
    context.call = Call(recorder, "plug_vip", context)
    with context.entered():
        assert not is_ours()
    assert total(samples(directory), "leases_lost_total") == 1
