# SPDX-License-Identifier: Apache-2.0
"""Traces over the in-memory bus: what is told to whom, and what it costs who wants none."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time

import pytest

from networker import drivers, exceptions, rpc
from networker.cli import tree
from networker.context import Context
from networker.models import Port
from networker.otel import OpenTelemetry
from networker.rpc.dispatcher import Dispatcher
from networker.rpc.server import Server
from networker.rpc.tokens import Tokens
from networker.testing import processes
from tests.contract.worlds import CloudWorld
from tests.fakecloud import FakeCloud
from tests.functional.test_bus import echo, stock
from tests.functional.test_versions import OldWorker, client, conf, old_worker
from tests.telemetry import finished

__all__ = ["OldWorker", "client", "conf", "old_worker"]

MINE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@contextlib.contextmanager
def serving(conf, driver, exporter=None):
    """Serve a driver; yield a client that asks for spans, and the replies that it gets."""
    server = Server(conf, driver, exporter=exporter)
    replies: list[rpc.Reply] = []
    server.start()
    try:
        with rpc.connect(conf) as client:
            yield client.with_options(trace=True, observer=replies.append), replies
    finally:
        server.stop()


@pytest.fixture
def cloud(tmp_path, monkeypatch):
    """Run a cloud of this test's own, named by clouds.yaml."""
    with FakeCloud() as running:
        clouds = running.write_clouds(tmp_path / "clouds.yaml")
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
        yield running


@pytest.fixture
def config(cloud, tmp_path):
    """Write a configuration of that cloud on the in-memory bus."""
    return processes.write(
        tmp_path / "networker.conf",
        {
            "DEFAULT": {"transport_url": "fake:/"},
            "networker": {"driver": "neutron", "topic": tmp_path.name},
            "neutron": {"cloud": "fake", "poll_interval": 0.05},
        },
    )


@pytest.fixture
def neutron(config):
    """Serve that cloud; return what says what it is asked, and whom to ask."""
    conf = processes.configuration(config)
    driver = drivers.load(conf)
    with contextlib.closing(driver), serving(conf, driver) as served:
        yield driver, *served


def names(spans):
    """Return each span with the name of what it is a part of."""
    known = {span.span_id: span.name for span in spans}
    return {(known.get(span.parent_id), span.name) for span in spans}


def plugged(neutron, amphorae=1):
    """Plug a load balancer's VIP, and return the spans."""
    driver, client, replies = neutron
    lb = CloudWorld("fake").load_balancer(amphorae=amphorae)
    lb.vip = driver.allocate_vip(lb)
    with contextlib.suppress(exceptions.NetworkException):
        client.plug_vip(lb, lb.vip)
    return replies[-1].spans


def test_a_call_is_traced_from_its_caller_to_the_cloud(cloud, neutron):
    """Every task and request is in it, and the cloud is told of each request's span."""
    with cloud.recording() as asked:
        spans = plugged(neutron)
    found = names(spans)
    for part in (
        (None, "call plug_vip"),
        ("call plug_vip", "wait plug_vip"),
        ("call plug_vip", "process plug_vip"),
        ("process plug_vip", "task rules"),
        ("task rules", "POST /security-group-rules"),
        ("task attach {id}", "POST /servers/{id}/os-interface"),
    ):
        assert part in found
    requests = [span for span in spans if "url.template" in span.attributes]
    told = {one.traceparent.split("-")[2] for one in asked if one.traceparent}
    assert {span.span_id for span in requests} == told
    assert all(span.kind == "client" for span in requests)
    assert all("openstack.request_id" in span.attributes for span in requests)
    whole = next(span for span in spans if span.name == "call plug_vip")
    assert all(whole.began <= s.began <= s.ended <= whole.ended for s in spans)


def test_what_was_tried_again_and_taken_back_is_seen(cloud, neutron):
    """Each try has a span, and undoing has one."""
    cloud.fail("network", "GET", "/ports", status=503, retry_after=0)
    cloud.fail("compute", "POST", "os-interface", status=500, times=9)
    spans = plugged(neutron)
    first, second = [span for span in spans if span.name == "GET /ports"][:2]
    assert (first.error, first.attributes.get("http.request.resend_count")) == (
        "503",
        None,
    )
    assert (second.error, second.attributes["http.request.resend_count"]) == (None, 1)
    assert first.parent_id == second.parent_id
    found = names(spans)
    assert any(name.startswith("undo ") for _, name in found)
    assert any(
        above and above.startswith("undo ") and name.startswith("DELETE ")
        for above, name in found
    )
    whole, *_ = [span for span in spans if span.name == "call plug_vip"]
    attach = next(span for span in spans if span.name.startswith("task attach"))
    assert whole.error == "PlugVIPException"
    assert attach.error


def test_an_answer_that_is_lost_is_seen(cloud, neutron):
    """A request without an answer has the class of what was raised."""
    cloud.fail("network", "GET", "/networks/n", drop="after")
    _, client, replies = neutron
    with pytest.raises(exceptions.NetworkNotFound):
        client.get_network("n")
    errors = [s.error for s in replies[-1].spans if s.name == "GET /networks/{id}"]
    assert errors == ["ConnectFailure", "404"]


def test_the_command_prints_a_tree(run, neutron, tmp_path):
    """It goes to stderr, so that the answer can be read by programs."""
    network = CloudWorld("fake").vip_network_id
    arguments = ("call", "get_network", "--network-id", network, "--trace")
    code, out, err = run(*arguments, "-f", "json")
    assert (code, json.loads(out)["id"]) == (0, network)
    *_, call, wait, process, get = err.splitlines()
    times = r" +\d\.\d{3} s +\d\.\d{3} s  "
    assert re.fullmatch(rf"{times}call get_network  req-\S+", call)
    assert re.fullmatch(rf"{times}├─ wait get_network", wait)
    assert re.fullmatch(
        rf"{times}└─ process get_network  in \S+:{os.getpid()}", process
    )
    assert re.fullmatch(rf"{times}   └─ GET /networks/{{id}}  req-\S+", get)


def test_the_command_prints_a_tree_of_what_failed(run, neutron):
    """Then it is wanted most."""
    code, out, err = run("call", "get_network", "--network-id", "n", "--trace")
    assert (code, out) == (1, "")
    assert "call get_network" in err
    assert err.count("-> NetworkNotFound") == 2
    assert "-> 404" in err


def test_a_cast_has_no_answer_to_be_traced_by(run, config):
    """Both flags together are refused."""
    code, _, err = run("call", "get_port", "--port-id", "p", "--cast", "--trace")
    assert code == 2
    assert "--trace: not allowed with argument --cast" in err


def test_an_older_worker_is_asked_in_vain(old_worker, client):
    """It answers as ever; the call itself is there, and it is said what is not."""
    replies: list[rpc.Reply] = []
    asking = client.with_options(trace=True, observer=replies.append)
    assert asking.get_port("p") == Port(id="p")
    (span,) = replies[0].spans
    assert span.name == "call get_port"
    assert "older" in (tree.lacks(replies[0].spans) or "")


@pytest.mark.parametrize("junk", [7, [{"name": "x"}], {"span_id": []}])
def test_spans_that_are_none_do_not_spoil_an_answer(old_worker, client, junk):
    """Who looks into a trace wants the answer, too."""
    old_worker.more = {"spans": junk}
    replies: list[rpc.Reply] = []
    asking = client.with_options(trace=True, observer=replies.append)
    assert asking.get_port("p") == Port(id="p")
    assert tree.lacks(replies[0].spans)


def test_only_who_asks_gets_spans(conf):
    """Others get what they got before there were any, also from a caller that is traced."""
    driver, _ = echo(get_port=Port(id="p"))
    with serving(conf, driver):
        client = stock(conf)
        plain = client.call({"traceparent": MINE}, "get_port", port_id="p")
        traced = client.call({"wants_spans": True}, "get_port", port_id="p")
    assert plain.keys() == {"worker", "result", "error"}
    assert [span["name"] for span in traced["spans"]] == ["process get_port"]


def test_spans_are_left_out_where_the_answer_would_be_too_large(conf):
    """The answer matters more."""
    driver, _ = echo(get_port=lambda port_id: Port(id="p", name="x" * int(port_id)))
    serve = Dispatcher(driver, Tokens(conf), most=2**16).endpoint().get_port
    sizes = map(str, range(2**16, 2**15, -64))
    largest = next(size for size in sizes if serve({}, port_id=size)["result"])
    answer = serve({"wants_spans": True}, port_id=largest)
    assert len(answer["result"]["name"]) == int(largest)
    assert "spans" not in answer
    assert "spans" in serve({"wants_spans": True}, port_id="9")


def test_a_worker_that_traces_nothing_passes_the_trace_on(cloud, config):
    """The cloud's spans join the caller's trace all the same."""
    conf = processes.configuration(config)
    with (
        contextlib.closing(drivers.load(conf)) as driver,
        serving(conf, driver),
        cloud.recording() as asked,
    ):
        answer = stock(conf).call({"traceparent": MINE}, "get_network", network_id="n")
    assert answer["error"]["kinds"][0] == "NetworkNotFound"
    assert [one.traceparent for one in asked if one.service == "network"] == [MINE]


def test_an_application_sees_the_call_among_its_own(conf):
    """The caller's span is a part of what the application does, and the worker's of it."""
    conf.set_override("traces", True, "networker")
    driver, _ = echo(get_port=missing)
    context = Context(request_id="req-7")
    with (
        finished() as spans,
        serving(conf, driver, OpenTelemetry()),
        rpc.connect(conf) as client,
        started("create a load balancer"),
        pytest.raises(exceptions.PortNotFound),
    ):
        client.with_options(context=context).get_port("secret-port")
    found = {span.name: span for span in spans}
    call, process = found["call get_port"], found["process get_port"]
    above = {name: span.parent and span.parent.span_id for name, span in found.items()}
    assert above == {
        "create a load balancer": None,
        "call get_port": found["create a load balancer"].context.span_id,
        "wait get_port": call.context.span_id,
        "process get_port": call.context.span_id,
    }
    assert len({span.context.trace_id for span in spans}) == 1
    assert (call.kind.name, process.kind.name) == ("CLIENT", "SERVER")
    for span, name, kind in ((call, "call", "send"), (process, "process", "process")):
        about = dict(span.attributes or {})
        assert about.pop("messaging.message.conversation_id")
        assert (about["messaging.operation.name"], about["rpc.method"]) == (
            name,
            "get_port",
        )
        assert about["messaging.operation.type"] == kind
        assert about["openstack.request_id"] == "req-7"
        assert about["error.type"] == "PortNotFound"
        assert not span.status.is_ok
    assert "secret" not in json.dumps([json.loads(span.to_json()) for span in spans])


def missing(**_: object) -> None:
    raise exceptions.PortNotFound(port_id="secret-port")


@contextlib.contextmanager
def started(name):
    """Do something of the application's own."""
    from opentelemetry import trace

    with trace.get_tracer("application").start_as_current_span(name):
        yield


def test_a_cast_is_produced_and_consumed(conf):
    """Its caller's span ends when the bus has it."""
    conf.set_override("traces", True, "networker")
    driver, calls = echo()
    with finished() as spans, serving(conf, driver, OpenTelemetry()) as (client, _):
        client.cast.get_port("p")
        until(lambda: calls)
    kinds = {span.name: span.kind.name for span in spans}
    assert kinds == {
        "cast get_port": "PRODUCER",
        "wait get_port": "INTERNAL",
        "process get_port": "CONSUMER",
    }


def until(done):
    """Wait for something that another thread is about to do."""
    end = time.monotonic() + 20
    while not done() and time.monotonic() < end:
        time.sleep(0.01)
    assert done()


#: A caller and a worker, first as they are by default, then with spans; with the packages
#: for it or as if they were not installed.
_PROGRAM = """
import pathlib, sys
if sys.argv[2] == "bare":
    sys.modules["opentelemetry"] = None
from networker import service, rpc
from networker.drivers.sandbox.driver import SandboxDriver
from networker.testing import kit
conf = kit.configuration(pathlib.Path(sys.argv[1]))
replies = []
with kit.served(conf, SandboxDriver(conf)) as client:
    client.qos_enabled()
    client.with_options(trace=True, observer=replies.append).qos_enabled()
loaded = [name for name in sys.modules if name.startswith(("opentelemetry.", "google."))]
print(len(replies[0].spans), loaded)
conf.set_override("traces", True, "networker")
conf.set_override("driver", "sandbox", "networker")
for tried in (lambda: rpc.connect(conf).close(), lambda: service.check(conf)):
    try:
        tried()
    except (ValueError, service.Refused) as error:
        print(error)
    else:
        print("well")
"""


def program(tmp_path, how, **environment):
    """Run that; return how many spans there were, what was loaded, and what was refused."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM, tmp_path / "a.sqlite", how],
        env={k: v for k, v in os.environ.items() if "COVERAGE" not in k} | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.splitlines()


def test_nothing_is_loaded_before_it_is_wanted(tmp_path):
    """A caller can ask for spans without OpenTelemetry, and a worker tell them."""
    assert program(tmp_path, "installed") == ["3 []", "well", "well"]


def test_packages_that_are_not_there_are_named(tmp_path):
    """Whoever wants OpenTelemetry is told what to install, before a worker starts."""
    spans, caller, worker = program(tmp_path, "bare")
    assert spans == "3 []"
    for text in (caller, worker):
        assert text.startswith("[networker] traces: ")
        assert "install networker[traces]" in text
