# SPDX-License-Identifier: Apache-2.0
"""Client, codec, dispatcher and server over the in-memory bus."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import time
import uuid
from typing import Any

import oslo_messaging
import pytest
import tenacity
from oslo_context import context as oslo_context

from networker import exceptions, rpc
from networker.context import Context
from networker.drivers import base
from networker.models import VIP, Amphora, LoadBalancer, Port
from networker.rpc import contract
from networker.rpc.dispatcher import Dispatcher
from networker.rpc.oslo_caller import translate
from networker.rpc.request import Request
from networker.rpc.tokens import Tokens
from networker.rpc.transport import NOT_TAKEN, open_transport
from networker.testing import kit

NOWHERE = "11111111-2222-4333-8444-555555555555"


def stock(conf, version="1.0"):
    """Return oslo.messaging's own client, for requests that networker would not make."""
    where = contract.target(conf, namespace=contract.NAMESPACE)
    client = oslo_messaging.get_rpc_client(open_transport(conf), where)
    return client.prepare(version=version, timeout=5)


class Echo(base.NetworkDriver):
    """A driver that keeps what it was called with and answers from a table."""

    answers: dict[str, object]


def echo(**answers):
    """Return an Echo; an answer that is callable is called with the arguments."""
    calls: list[tuple[str, dict[str, object]]] = []

    def method(name):
        def call(self, *args, **kwargs):
            bound = contract.methods()[name].signature.bind(*args, **kwargs).arguments
            calls.append((name, bound))
            answer = answers.get(name)
            return answer(**bound) if callable(answer) else answer

        return call

    driver = type("Echo", (Echo,), {name: method(name) for name in base.operations()})()
    return driver, calls


@pytest.fixture
def serve(tmp_path):
    """Serve an Echo with the given answers; yield its client, driver calls and conf."""
    opened = []

    def start(**answers):
        conf = kit.configuration(tmp_path / "unused.sqlite")
        driver, calls = echo(**answers)
        served = kit.served(conf, driver)
        opened.append(served)
        return served.__enter__(), calls, conf

    yield start
    for served in opened:
        served.__exit__(None, None, None)


def test_the_proxy_is_a_driver(serve):
    """A client is a NetworkDriver with the interface's signatures and docstrings."""
    client, _, _ = serve()
    assert isinstance(client, base.NetworkDriver)
    assert isinstance(client, rpc.Client)
    for name in base.operations():
        method, declared = (
            getattr(type(client), name),
            getattr(base.NetworkDriver, name),
        )
        assert method.__doc__ == declared.__doc__
        assert method.__wrapped__.__wrapped__ is declared


def test_arguments_arrive_as_models(serve):
    """The driver gets equal objects, and none of the caller's own."""
    client, calls, _ = serve(plug_vip=[])
    lb = LoadBalancer(id="lb", amphorae=[Amphora(id="a", compute_id="c")])
    client.plug_vip(lb, VIP(port_id="p"))
    ((name, arguments),) = calls
    assert name == "plug_vip"
    assert arguments["load_balancer"] == lb
    assert arguments["load_balancer"] is not lb
    assert arguments["load_balancer"].amphorae[0] is not lb.amphorae[0]


def test_results_arrive_as_models(serve):
    """The caller gets an equal object, not the driver's own."""
    port = Port(id="p", name="web")
    client, _, _ = serve(get_port=port)
    assert client.get_port("p") == port
    assert client.get_port("p") is not port


def test_defaults_are_the_workers(serve):
    """An optional argument that was not given is not sent."""
    client, calls, _ = serve(unplug_network=None)
    client.unplug_network("c", "n")
    client.unplug_network("c", network_id="n", ip_address="192.0.2.1")
    assert calls[0][1] == {"compute_id": "c", "network_id": "n"}
    assert calls[1][1]["ip_address"] == "192.0.2.1"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda c: c.get_port(), TypeError),
        (lambda c: c.get_port("a", None, "c"), TypeError),
        (lambda c: c.get_port(colour="blue"), TypeError),
        (lambda c: c.get_port("a", "b"), exceptions.InvalidRequest),
        (lambda c: c.get_port(5), exceptions.InvalidRequest),
        (lambda c: c.get_port(None), exceptions.InvalidRequest),
        (lambda c: c.get_port(object()), exceptions.InvalidRequest),
        (lambda c: c.get_port(b"abc"), exceptions.InvalidRequest),
        (
            lambda c: c.failover_preparation({"compute_id": {1}}),
            exceptions.InvalidRequest,
        ),
        (lambda c: c.cast.get_port(""), exceptions.InvalidRequest),
        (lambda c: c.cast.get_port(), TypeError),
        (lambda c: c.plug_vip(LoadBalancer(id="x"), VIP()), exceptions.InvalidRequest),
    ],
)
def test_wrong_calls_do_not_leave_the_caller(serve, call, error):
    """Wrong arguments are refused before anything is sent."""
    client, calls, _ = serve()
    with pytest.raises(error):
        call(client)
    assert calls == []


def test_a_wrong_type_is_named_with_its_path(serve):
    """The message says which field of which argument is wrong."""
    client, _, _ = serve()
    lb = LoadBalancer(id="x", amphorae=[Amphora(compute_id=5)])  # type: ignore[arg-type]
    with pytest.raises(exceptions.InvalidRequest) as caught:
        client.plug_vip(lb, VIP(port_id="p"))
    assert "$.load_balancer.amphorae[0].compute_id" in str(caught.value)


def test_errors_arrive_with_everything(serve):
    """Class, text and attributes of a driver's error are the caller's."""
    raised = exceptions.VIPInUse(
        load_balancer_id="x", ip_address="192.0.2.1", orig_msg="taken", orig_code=409
    )

    def fail(**_):
        raise raised

    client, _, _ = serve(allocate_vip=fail)
    with pytest.raises(exceptions.VIPInUse) as caught:
        client.allocate_vip(LoadBalancer(id="x", vip=VIP()))
    assert caught.value is not raised
    assert str(caught.value) == str(raised)
    assert caught.value.attributes() == raised.attributes()


@pytest.mark.parametrize(
    "error", [ValueError("secret"), SystemExit(3), KeyboardInterrupt()]
)
def test_an_unforeseen_error_is_answered(serve, caplog, error):
    """The caller gets WorkerError with an id and no traceback; the log has both."""

    def fail(**_):
        raise error

    client, _, _ = serve(get_port=fail)
    with pytest.raises(exceptions.WorkerError) as caught:
        client.get_port("p")
    assert caught.value.error_id in caplog.text
    assert "Traceback" in caplog.text
    assert "secret" not in str(caught.value)


def test_a_result_that_cannot_be_sent_is_answered(serve):
    """A driver that returns what JSON cannot carry does not make the caller wait."""
    client, _, _ = serve(get_port=object())
    began = time.monotonic()
    with pytest.raises(exceptions.WorkerError):
        client.get_port("p")
    assert time.monotonic() - began < 10


def test_a_wrong_result_is_not_passed_on(serve):
    """A driver that returns the wrong type is found out."""
    client, _, _ = serve(get_port=[1, 2])
    with pytest.raises(exceptions.WorkerError, match="get_port"):
        client.get_port("p")


def test_a_call_ends_at_its_timeout(serve):
    """No answer in time is CallTimeout, which says that it may have been executed."""
    go_on = threading.Event()
    client, calls, _ = serve(get_port=lambda **_: go_on.wait(10) and None)
    began = time.monotonic()
    with pytest.raises(exceptions.CallTimeout) as caught:
        client.with_options(timeout=0.5).get_port("p")
    assert time.monotonic() - began < 5
    assert caught.value.maybe_executed is True
    assert isinstance(caught.value, exceptions.Retriable)
    go_on.set()
    assert len(calls) == 1


def test_a_request_that_comes_too_late_is_not_started(serve):
    """A worker answers an expired request without running it."""
    _, calls, conf = serve()
    prepared = stock(conf)
    late = Context(deadline=time.time() - 1).to_wire()
    answer = prepared.call(late, "get_port", port_id="p")
    assert answer["error"]["kinds"][0] == "CallTimeout"
    assert answer["error"]["attributes"]["maybe_executed"] is False
    assert calls == []


@pytest.mark.parametrize("ahead", [-50.0, 50.0])
def test_a_caller_with_another_clock(serve, ahead):
    """However wrong a caller's clock is, a request gets no more time than it was given."""
    left = []

    def look(**_: object) -> None:
        current: Any = oslo_context.get_current()
        left.append(current.deadline - time.time())

    _, _, conf = serve(unplug_network=look)
    prepared = stock(conf)
    sent = time.time() + ahead
    context = Context(sent=sent, deadline=sent + 60).to_wire()
    prepared.call(context, "unplug_network", compute_id="c", network_id="n")
    assert left[0] <= 60


def test_a_cast_returns_at_once_and_runs(serve):
    """A cast is carried out although nobody waits."""
    done = threading.Event()
    client, calls, _ = serve(deallocate_vip=lambda **_: done.set())
    operation_id = client.cast.deallocate_vip(VIP(port_id="p"))
    assert str(uuid.UUID(operation_id)) == operation_id
    assert done.wait(10)
    assert calls[0][0] == "deallocate_vip"


def test_request_ids_are_the_callers(serve):
    """The worker works under the ids of the controller's context."""
    seen = []

    def look(**_: object) -> None:
        current: Any = oslo_context.get_current()
        seen.append((current.request_id, current.global_request_id, current.deadline))

    client, _, _ = serve(unplug_network=look)
    context = Context(request_id="req-a", global_request_id="req-b")
    client.with_options(context=context, timeout=30).unplug_network("c", "n")
    ((request_id, global_id, deadline),) = seen
    assert (request_id, global_id) == ("req-a", "req-b")
    assert 0 < deadline - time.time() < 31


def missing(**arguments):
    raise exceptions.PortNotFound(**arguments)


def test_every_call_is_logged_once(serve, caplog):
    """One line says method, operation, caller, duration and outcome; so do its fields."""
    caplog.set_level(logging.INFO, "networker.rpc.dispatcher")
    client, _, _ = serve(get_port=missing)
    with pytest.raises(exceptions.PortNotFound):
        client.get_port("p")
    operation = client.cast.get_port("p")
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda held: not held),
        wait=tenacity.wait_fixed(0.02),
        stop=tenacity.stop_after_delay(20),
    )(lambda: len(caplog.records) == 2)
    for record in caplog.records:
        fields = record.extra
        assert re.fullmatch(
            rf"get_port operation={fields['operation_id']} caller={fields['caller']} "
            r"0\.\d{3} s PortNotFound: port p does not exist",
            record.getMessage(),
        )
        assert fields["caller"].startswith(f"{socket.gethostname()}:")
        assert fields["caller"].endswith(f":{os.getpid()}")
        assert (fields["method"], fields["outcome"]) == ("get_port", "PortNotFound")
    assert caplog.records[1].extra["operation_id"] == operation


def test_no_text_of_a_caller_ends_a_line(serve, caplog):
    """Line ends and commands to terminals in ids, names and errors are escaped."""
    caplog.set_level(logging.INFO, "networker.rpc.dispatcher")
    seen: list[Any] = []

    def look(**arguments):
        seen.append(oslo_context.get_current())
        raise exceptions.PortNotFound(**arguments)

    client, _, _ = serve(get_port=look)
    forged = "req-1\n2026-01-01 INFO \u2028\x1b[2K" + "x" * 1000
    asked = Context(request_id=forged, global_request_id=forged)
    with pytest.raises(exceptions.PortNotFound):
        client.with_options(context=asked).get_port(f"p{forged}")
    (record,) = caplog.records
    (context,) = seen
    texts = [context.request_id, context.global_request_id, context.trace_id]
    for text in [record.getMessage(), *texts]:
        assert text.isprintable()
        assert r"req-1\n2026-01-01 INFO \u2028\x1b[2Kxxx" in text
    assert all(len(text) < 300 for text in texts)


def test_an_observer_sees_every_call(serve):
    """Method, time, worker and error of a call can be counted by the controller."""
    client, _, _ = serve(get_port=missing)
    replies: list[rpc.Reply] = []
    observed = client.with_options(observer=replies.append)
    observed.unplug_network("c", "n")
    with pytest.raises(exceptions.PortNotFound):
        observed.get_port("p")
    assert [reply.method for reply in replies] == ["unplug_network", "get_port"]
    assert replies[0].error is None
    assert isinstance(replies[1].error, exceptions.PortNotFound)
    assert all(reply.worker and reply.seconds > 0 for reply in replies)


def test_older_workers_are_told_from_broken_ones(serve):
    """A version that the workers do not have is UnsupportedVersion, at once."""
    _, _, conf = serve()
    request = Request(Context(), "get_port", {}, "t", 5, time.monotonic() + 5)
    for version, method in (("1.99", "get_port"), ("1.0", "close")):
        with pytest.raises(oslo_messaging.MessagingException) as refused:
            stock(conf, version).call({}, method)
        found = translate(request, refused.value, NOT_TAKEN)
        assert isinstance(found, exceptions.UnsupportedVersion)


def test_only_the_interface_is_reachable(serve):
    """The server offers no method besides the interface's."""
    driver, _ = echo()
    _, _, conf = serve()
    endpoint = Dispatcher(driver, Tokens(conf)).endpoint()
    exposed = {n for n in dir(endpoint) if getattr(getattr(endpoint, n), "exposed", 0)}
    assert exposed == set(base.operations())


@pytest.mark.parametrize("url", ["nonsense", "carrier-pigeon://coop/", "rabbit://[::1"])
def test_a_wrong_transport_url_is_named(tmp_path, url):
    """A URL that is malformed or of an unknown transport is a ValueError."""
    conf = kit.configuration(tmp_path / "unused.sqlite")
    conf.set_override("transport_url", url)
    with pytest.raises(ValueError, match="transport_url"):
        rpc.connect(conf)


def test_works_over_kombus_memory_transport(tmp_path):
    """Any of oslo.messaging's transports will do."""
    conf = kit.configuration(tmp_path / "sandbox.sqlite")
    conf.set_override("transport_url", "kombu+memory:////")
    driver = kit.FallibleSandbox(conf)
    with kit.served(conf, driver) as client:
        (network,) = [n for n in driver.backdoor.networks() if n.name == "vip-net"]
        assert client.get_network(str(network.id)) == network
        with pytest.raises(exceptions.PortNotFound):
            client.get_port(NOWHERE)


def test_a_closed_client_says_so(serve):
    """After close nothing is sent, and the error names the reason."""
    client, calls, _ = serve()
    client.close()
    with pytest.raises(exceptions.BusUnavailable, match="closed"):
        client.get_port("p")
    assert calls == []


def test_contexts_do_not_leak():
    """Making a context leaves the thread's own; entering one ends."""
    assert oslo_context.get_current() is None
    context = Context()
    assert oslo_context.get_current() is None
    with context.entered():
        assert oslo_context.get_current() is context
        assert Context.of_caller(None).request_id == context.request_id
    assert oslo_context.get_current() is None
    assert Context.from_wire("junk").operation_id
    assert Context.from_wire({"deadline": "soon"}).deadline is None
