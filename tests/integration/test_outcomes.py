# SPDX-License-Identifier: Apache-2.0
"""Outcomes of casts, from the worker to the controller."""

from __future__ import annotations

import inspect
import signal
import subprocess
import sys
import threading
import time
from concurrent import futures

import pytest
import tenacity
from kombu.connection import Connection
from oslo_messaging import transport as oslo_transport
from oslo_messaging._drivers import amqpdriver

from networker import exceptions, rpc
from networker.context import Context
from networker.drivers.sandbox.driver import SandboxDriver
from networker.models import VIP, LoadBalancer
from networker.rpc.outcomes import OutcomePublisher, Unpublished
from networker.rpc.rabbitmq.queues import outcomes_name
from networker.testing import kit, processes, rabbitmq
from tests.trees import workers_of

NOWHERE = "11111111-2222-4333-8444-555555555555"
NOTIFY: dict[str, object] = {"notify": "true"}


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (
            oslo_transport.Transport,
            "_send_notification",
            ["self", "target", "ctxt", "message", "version", "retry"],
        ),
        (
            oslo_transport.Transport,
            "_listen_for_notifications",
            ["self", "targets_and_priorities", "pool", "batch_size", "batch_timeout"],
        ),
        (
            amqpdriver.AMQPDriverBase,
            "_get_connection",
            ["self", "purpose", "retry"],
        ),
    ],
)
def test_private_names_are_where_they_were(owner, name, parameters):
    """A release of oslo.messaging that moves a name is found out here."""
    pinned = "networker.rpc.rabbitmq relies on it: mend it, or the range"
    method = getattr(owner, name, None)
    assert method is not None, f"{owner.__name__}.{name} is gone; {pinned}"
    assert list(inspect.signature(method).parameters) == parameters, pinned


@pytest.fixture
def conf(configured):
    """Return the configuration of a topic of its own on which outcomes are told."""
    return processes.configuration(configured(networker=NOTIFY))


@pytest.fixture
def tell(conf):
    """Tell outcomes as a worker does, by operation ids."""
    publisher = OutcomePublisher(conf)
    answer = {"worker": "w:1", "result": None, "error": None}

    def publish(*ids):
        for operation_id in ids:
            context = Context(operation_id, awaited=False)
            publisher.publish(context, "unplug_network", answer, 0.5)

    yield publish
    publisher.close()


def taken(conf, timeout=3.0):
    """Take all outcomes that there are; return their operation ids."""
    with rpc.outcomes(conf, timeout) as told:
        return [outcome.operation_id for outcome in told]


def fail_at_once(conf):
    """Take an outcome, fail, and return its operation id."""

    class Failure(Exception):
        pass

    def handle(outcome):
        raise Failure(outcome.operation_id)

    try:
        with rpc.outcomes(conf, timeout=20) as told:
            for outcome in told:
                handle(outcome)
    except Failure as failure:
        return str(failure)
    return None


def eventually(condition):
    """Wait until a condition holds, and fail if it does not in time."""
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda held: not held),
        wait=tenacity.wait_fixed(0.1),
        stop=tenacity.stop_after_delay(20),
    )(condition)


def vip_of(driver, lb_id):
    (network,) = [n for n in driver.backdoor.networks() if n.name == "vip-net"]
    return LoadBalancer(id=lb_id, vip=VIP(network_id=network.id))


def test_what_workers_tell_of_casts(configured):
    """Result and error of casts arrive decoded under their operation ids; no call's."""
    config = configured(networker=NOTIFY)
    conf = processes.configuration(config)
    driver = SandboxDriver(conf)
    with processes.serving(config) as (_, client):
        with pytest.raises(exceptions.PortNotFound):
            client.get_port(NOWHERE)
        context = Context(request_id="req-7")
        caster = client.with_options(context=context).cast
        good = caster.allocate_vip(vip_of(driver, "lb-1"))
        bad = caster.get_port(NOWHERE)
        with rpc.outcomes(conf, timeout=5) as told:
            found = {outcome.operation_id: outcome for outcome in told}
    assert found.keys() == {good, bad}
    (port,) = driver.backdoor.ports(name="octavia-lb-lb-1")
    assert isinstance(found[good].result, VIP)
    assert found[good].result.port_id == port.id
    assert found[good].error is None
    assert found[good].method == "allocate_vip"
    assert found[good].request_id == "req-7"
    assert found[good].worker
    assert found[good].seconds > 0
    error = found[bad].error
    assert isinstance(error, exceptions.PortNotFound)
    assert error.port_id == NOWHERE
    assert found[bad].result is None


def test_the_last_one_is_acknowledged_at_the_end(conf, tell):
    """A loop that is left by break, in a block that ends, has taken what it saw."""
    tell("a", "b")
    with rpc.outcomes(conf) as told:
        for outcome in told:
            assert outcome.operation_id == "a"
            break
    assert taken(conf) == ["b"]
    assert taken(conf, 0.5) == []


def test_what_fails_comes_back(conf, tell):
    """An outcome whose handling fails is not lost, however often, and comes first."""
    tell("a", "b")
    for _ in range(25):
        assert fail_at_once(conf) == "a"
    assert taken(conf) == ["a", "b"]


def test_a_controller_that_dies_loses_nothing(conf, tell):
    """What was taken and not acknowledged comes back from a process that is killed."""
    tell("a")
    code = (
        "import os, sys, networker._threads\n"
        "from networker import rpc\n"
        "from networker.testing import processes\n"
        "with rpc.outcomes(processes.configuration(sys.argv[1])) as told:\n"
        "    print(next(iter(told)).operation_id, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    (path,) = conf.config_file
    command = [sys.executable, "-W", "ignore", "-c", code, path]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "a\n")
    assert taken(conf) == ["a"]


def test_waiting_ends_and_can_begin_again(conf, tell):
    """A loop ends when nothing came for so long; another one takes what comes later."""
    with rpc.outcomes(conf, timeout=0.2) as told:
        assert list(told) == []
        tell("a")
        eventually(lambda: [outcome.operation_id for outcome in told] == ["a"])


def test_controllers_share(conf, tell):
    """Of two controllers each takes some, and none takes what the other has."""
    ids = {f"op-{number}" for number in range(40)}
    with futures.ThreadPoolExecutor(2) as pool:
        both = [pool.submit(taken, conf) for _ in range(2)]
        tell(*ids)
        first, second = (set(each.result()) for each in both)
    assert first
    assert second
    assert first | second == ids
    assert not first & second


def test_acknowledging_does_not_wait(conf, tell):
    """Many outcomes are taken in a row, and not one in each polling interval."""
    tell(*(f"op-{number}" for number in range(100)))
    began = time.monotonic()
    with rpc.outcomes(conf) as told:
        for number, _ in enumerate(told, 1):
            if number == 100:
                break
    assert time.monotonic() - began < 20


def test_what_is_no_outcome_is_dropped(conf, tell, broker):
    """Junk on the queue does not end the loop."""
    with Connection(broker.url.replace("rabbit", "amqp", 1)) as connection:
        tell("a")
        producer = connection.Producer()
        for body in ({}, {"payload": {"method": 5}}, [1], "x"):
            producer.publish(
                body,
                exchange="networker",
                routing_key=outcomes_name(conf.networker.topic),
            )
    tell("b")
    assert taken(conf) == ["a", "b"]


def test_a_newer_workers_outcome(conf, broker):
    """The result of a method that this release does not know stays as it was sent."""
    publisher = OutcomePublisher(conf)
    context = Context("a", awaited=False)
    answer = {"worker": "w", "result": {"x": [1]}, "error": None}
    publisher.publish(context, "get_rich", answer, 1.0)
    wrong = {"worker": "w", "result": 5, "error": None}
    publisher.publish(context, "get_port", wrong, 1.0)
    publisher.close()
    with rpc.outcomes(conf, timeout=3) as told:
        newer, broken = told
    assert newer.result == {"x": [1]}
    assert isinstance(broken.error, exceptions.WorkerError)


def test_a_worker_that_is_killed(configured):
    """A cast whose worker dies in the middle is told by the one that repeats it."""
    config = configured(networker=NOTIFY, sandbox={"latency": 1.0})
    conf = processes.configuration(config)
    driver = SandboxDriver(conf)
    with processes.serving(config) as (workers, client):
        operation_id = client.cast.allocate_vip(vip_of(driver, "lb-1"))
        threading.Event().wait(0.5)  # now it runs in one of the two
        for child in workers_of(workers.process.pid):
            child.kill()
        with rpc.outcomes(conf, timeout=30) as told:
            outcome = next(iter(told))
    assert outcome.operation_id == operation_id
    assert outcome.error is None
    assert len(driver.backdoor.ports(name="octavia-lb-lb-1")) == 1


def test_a_worker_that_drains(configured):
    """A cast that runs when the worker is told to stop is told before it stops."""
    config = configured(networker=NOTIFY | {"workers": 1}, sandbox={"latency": 1.0})
    conf = processes.configuration(config)
    with processes.serving(config) as (workers, client):
        operation_id = client.cast.get_port(NOWHERE)
        threading.Event().wait(0.5)
        assert workers.terminate() == 0
        assert taken(conf) == [operation_id]


def test_what_cannot_be_told_is_run_again(conf, broker):
    """The broker keeps a request whose outcome it refuses until the worker stops."""
    driver = SandboxDriver(conf)
    with Connection(broker.url.replace("rabbit", "amqp", 1)) as connection:
        channel = connection.default_channel
        # Not a quorum queue, as it should be.
        channel.queue_declare(
            outcomes_name(conf.networker.topic), durable=True, auto_delete=False
        )
        with kit.served(conf, driver) as client:
            operation_id = client.cast.allocate_vip(vip_of(driver, "lb-1"))
            eventually(lambda: driver.backdoor.ports(name="octavia-lb-lb-1"))
        topic = conf.networker.topic
        eventually(lambda: channel.queue_declare(topic, passive=True)[1] == 1)
        channel.queue_delete(outcomes_name(conf.networker.topic))
    with kit.served(conf, driver):
        assert taken(conf) == [operation_id]
    assert len(driver.backdoor.ports(name="octavia-lb-lb-1")) == 1


def test_a_broker_that_is_restarted(tmp_path):
    """What ends while the broker is down is told afterwards, in the same loop."""
    with rabbitmq.Node() as node:
        settings: processes.Settings = {
            "DEFAULT": {"transport_url": node.url},
            "networker": {
                "driver": "sandbox",
                "workers": 1,
                "threads": 2,
                "notify": "true",
            },
            "sandbox": {"database": tmp_path / "sandbox.sqlite", "latency": 1.0},
        }
        config = processes.write(tmp_path / "networker.conf", settings)
        conf = processes.configuration(config)
        with (
            processes.serving(config) as (_, client),
            rpc.outcomes(conf, timeout=60) as told,
        ):
            first = client.cast.get_port(NOWHERE)
            assert next(iter(told)).operation_id == first
            second = client.cast.get_port(NOWHERE)
            node.stop(signal.SIGKILL)
            threading.Event().wait(2)  # it has ended, and cannot be told
            node.start()
            # The first may come again: its acknowledgement can be lost with the broker.
            ids = (outcome.operation_id for outcome in told)
            assert next(found for found in ids if found != first) == second


def test_a_broker_that_is_away(conf):
    """A controller that cannot reach the broker is told so, in time."""
    conf.set_override("transport_url", "rabbit://127.0.0.1:1/")
    with (
        pytest.raises(exceptions.BusUnavailable, match="cannot be reached"),
        rpc.outcomes(conf),
    ):
        pytest.fail("there is no broker")


def test_the_end_needs_no_broker(tmp_path):
    """While the broker is down, a worker that stops gives up, and a block ends."""
    context = Context("a", awaited=False)
    answer = {"worker": "w", "result": None, "error": None}
    with rabbitmq.Node() as node:
        settings = {"DEFAULT": {"transport_url": node.url}}
        config = processes.write(tmp_path / "networker.conf", settings)
        conf = processes.configuration(config)
        publisher = OutcomePublisher(conf)
        with futures.ThreadPoolExecutor(1) as pool, rpc.outcomes(conf, 1) as told:
            publisher.publish(context, "unplug_network", answer, 1.0)
            assert [outcome.operation_id for outcome in told] == ["a"]
            node.stop(signal.SIGKILL)
            arguments = (context, "unplug_network", answer, 1.0)
            telling = pool.submit(publisher.publish, *arguments)
            assert list(told) == []
            with pytest.raises(futures.TimeoutError):
                telling.result(timeout=3)
            publisher.hurry()
            assert isinstance(telling.exception(timeout=20), Unpublished)
            began = time.monotonic()
        assert time.monotonic() - began < 15
        node.start()
        publisher.close()


def test_in_memory(tmp_path):
    """A controller's tests on the in-memory bus see outcomes, too."""
    conf = kit.configuration(tmp_path / "sandbox.sqlite")
    conf.set_override("notify", True, "networker")
    driver = kit.FallibleSandbox(conf)
    with kit.served(conf, driver) as client:
        operation_id = client.cast.get_port(NOWHERE)
        assert fail_at_once(conf) == operation_id
        with rpc.outcomes(conf, timeout=10) as told:
            outcome = next(iter(told))
        assert outcome.operation_id == operation_id
        assert isinstance(outcome.error, exceptions.PortNotFound)
        assert taken(conf, 0.5) == []
