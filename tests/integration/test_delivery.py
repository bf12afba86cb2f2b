# SPDX-License-Identifier: Apache-2.0
"""A request is the broker's until it is answered, and one worker's at a time."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import psutil
import pytest
from oslo_context import context as oslo_context

from networker import exceptions, rpc
from networker.context import is_ours
from networker.models import VIP
from networker.rpc.server import Server
from networker.rpc.transport import open_transport
from networker.testing import processes
from tests.functional.test_bus import echo
from tests.integration.test_worker import eventually
from tests.rabbitmq import QUORUM, strict
from tests.trees import workers_of

NOWHERE = "11111111-2222-4333-8444-555555555555"
#: Options of oslo.messaging's own driver; its defaults need what RabbitMQ 4 can refuse.
STOCK: dict[str, dict[str, object]] = {"quorum": {**QUORUM}, "defaults": {}}
if strict():
    del STOCK["defaults"]


def unacknowledged(broker, topic):
    """Return how many requests of a topic the broker has given away and still keeps.

    RabbitMQ counts those of a quorum queue every 5 s.
    """
    rows = broker.control("list_queues", "name", "messages_unacknowledged")
    return dict(line.split("\t") for line in rows.splitlines())[topic]


@pytest.fixture
def serve(configured):
    """Serve a driver that answers from functions, on RabbitMQ and in this process."""

    @contextlib.contextmanager
    def serving(threads=1, **answers: Any) -> Iterator[tuple[rpc.Client, str]]:
        conf = processes.configuration(configured(networker={"threads": threads}))
        server = Server(conf, echo(**answers)[0])
        server.start()
        try:
            with rpc.connect(conf) as client:
                yield client, conf.networker.topic
        finally:
            server.stop()

    return serving


def test_a_request_stays_until_it_is_answered(serve, broker):
    """While a request runs the broker keeps it, and forgets it afterwards."""
    begun, go_on = threading.Event(), threading.Event()

    def run(**_: object) -> None:
        begun.set()
        go_on.wait(30)

    with serve(deallocate_vip=run) as (client, topic):
        client.cast.deallocate_vip(VIP(port_id="p"))
        assert begun.wait(10)
        eventually(lambda: unacknowledged(broker, topic) == "1")
        go_on.set()
        eventually(lambda: unacknowledged(broker, topic) == "0")


def test_an_acknowledgement_does_not_wait(serve):
    """A thread that is free takes the next request at once, however long the last took."""
    times: list[float] = []
    done = threading.Event()

    def run(**_: object) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            # Long enough for a consumer that polls to poll seldom.
            threading.Event().wait(3)
            times.append(time.monotonic())
        else:
            done.set()

    with serve(deallocate_vip=run) as (client, _):
        for _ in range(2):
            client.cast.deallocate_vip(VIP(port_id="p"))
        assert done.wait(30)
    _, ended, began = times
    assert began - ended < 0.5


def test_a_worker_holds_no_more_than_it_can_run(serve, broker):
    """What a busy worker has no thread for is left to others."""
    go_on = threading.Event()
    runs: list[bool] = []

    def run(**_: object) -> None:
        runs.append(go_on.wait(30))

    with serve(threads=2, deallocate_vip=run) as (client, topic):
        for _ in range(5):
            client.cast.deallocate_vip(VIP(port_id="p"))
        eventually(lambda: unacknowledged(broker, topic) == "2")
        go_on.set()
        eventually(lambda: len(runs) == 5)
    assert all(runs)


def test_what_is_cut_off_runs_elsewhere(configured):
    """A call that a stopping worker does not finish in time is answered by another."""
    config = configured(
        DEFAULT={"graceful_shutdown_timeout": 1},
        networker={"workers": 1},
        sandbox={"latency": 4.0},
    )
    with processes.serving(config) as (workers, client):
        before = len(workers.log)
        (child,) = workers_of(workers.process.pid)
        idle = child.num_threads()
        with futures.ThreadPoolExecutor(1) as pool:
            call = pool.submit(client.get_port, NOWHERE)
            eventually(lambda: child.num_threads() > idle)
            workers.terminate()
            assert "PortNotFound" not in workers.log[before:], "it was finished"
            with processes.serving(config), pytest.raises(exceptions.PortNotFound):
                call.result()


def test_who_has_lost_a_request_knows(serve, broker):
    """When the connection ends, the request runs again, and the first run can tell."""
    begun, cut, ended = threading.Semaphore(0), threading.Event(), threading.Event()
    first: list[bool] = []
    others: list[bool] = []

    def run(**_: object) -> None:
        runs = others if first else first
        runs.append(is_ours())
        begun.release()
        if runs is first:
            cut.wait(90)  # rabbitmqctl can take long beside other work
            first.append(is_ours())
            ended.set()

    with serve(threads=2, unplug_network=run) as (client, _):
        with futures.ThreadPoolExecutor(1) as pool:
            call = pool.submit(client.unplug_network, "c", "n")
            assert begun.acquire(timeout=10)
            broker.control("close_all_connections", "test")
            assert begun.acquire(timeout=30), "it was not run again"
            cut.set()
            assert call.result() is None
        assert ended.wait(20)
    assert first == [True, False]
    # The caller sends it again, and the broker delivers the first one again.
    assert others in ([True], [True, True])


def test_a_request_runs_once_where_nothing_breaks(serve):
    """Nothing is run twice without a reason, casts included."""
    runs: list[str] = []

    def run(**_: object) -> None:
        current: Any = oslo_context.get_current()
        runs.append(current.operation_id)

    with serve(threads=4, deallocate_vip=run) as (client, _):
        sent = [client.cast.deallocate_vip(VIP(port_id="p")) for _ in range(50)]
        eventually(lambda: len(runs) >= len(sent))
    assert sorted(runs) == sorted(sent)


def test_a_pool_that_is_gone(configured):
    """Where all workers have died, callers are told long before their timeout."""
    config = configured(networker={"pool_timeout": 2, "workers": 1})
    with processes.serving(config) as (workers, client):
        master = psutil.Process(workers.process.pid)
        for process in [master, *master.children(recursive=True)]:
            process.send_signal(signal.SIGKILL)
        began = time.monotonic()
        with pytest.raises(exceptions.CallTimeout, match="no worker listens") as told:
            client.with_options(timeout=60).get_port(NOWHERE)
        assert time.monotonic() - began < 30
        assert told.value.maybe_executed is True
        assert isinstance(told.value, exceptions.Retriable)


def test_a_caller_that_is_impatient(configured):
    """A client may wait less long for a pool than others do, on the same connection."""
    config = configured()
    with processes.serving(config):
        pass
    with rpc.connect(processes.configuration(config)) as client:
        hurried = client.with_options(timeout=60, pool_timeout=0.5)
        for caller in (hurried, hurried.with_options(timeout=50)):
            began = time.monotonic()
            with pytest.raises(exceptions.CallTimeout, match="no worker listens"):
                caller.get_port(NOWHERE)
            assert time.monotonic() - began < 15  # 30 where nobody says so
        with pytest.raises(exceptions.CallTimeout) as told:
            client.with_options(timeout=3).get_port(NOWHERE)
        assert "no worker listens" not in str(told.value)


def test_an_impatient_caller_outlasts_a_short_restart(configured):
    """A pool that is gone for less than a caller waits is no error."""
    config = configured()
    with processes.serving(config) as (workers, client):
        workers.terminate()
        with futures.ThreadPoolExecutor(1) as pool:
            hurried = client.with_options(timeout=60, pool_timeout=30)
            asked = pool.submit(hurried.get_port, NOWHERE)
            with processes.serving(config), pytest.raises(exceptions.PortNotFound):
                asked.result()


def test_classic_queues_by_option(configured, broker):
    """An operator who wants classic queues gets durable ones, and the same service."""
    options = {"rabbit_quorum_queue": False, "rabbit_transient_quorum_queue": False}
    config = configured(oslo_messaging_rabbit=options)
    with processes.serving(config) as (_, client):
        with pytest.raises(exceptions.PortNotFound):
            client.get_port(NOWHERE)
        rows = broker.control("list_queues", "name", "type", "durable").splitlines()
    topic = processes.configuration(config).networker.topic
    assert {f"{topic}\tclassic\ttrue", f"{topic}.dead\tclassic\ttrue"} <= set(rows)


@pytest.mark.parametrize("kind", STOCK)
def test_the_stock_driver_is_one_option_away(configured, kind):
    """With at-most-once, URL and interface are the same, and oslo's own driver serves."""
    # The exchange of the other tests is durable, which oslo's own is not.
    options = {"delivery": "at-most-once", "exchange": f"stock-{uuid.uuid4()}"}
    config = configured(networker=options, oslo_messaging_rabbit=STOCK[kind])
    opened = open_transport(processes.configuration(config))
    assert type(opened._driver).__module__ == "oslo_messaging._drivers.impl_rabbit"
    with (
        processes.serving(config) as (_, client),
        pytest.raises(exceptions.PortNotFound),
    ):
        client.get_port(NOWHERE)


def test_a_topic_changes_its_delivery(configured):
    """A queue of the other kind of delivery is refused, not half used."""
    config = configured()
    with processes.serving(config):
        conf = processes.configuration(config)
    conf.set_override("delivery", "at-most-once", "networker")
    conf.set_override("exchange", f"stock-{uuid.uuid4()}", "networker")
    with pytest.raises(exceptions.BusUnavailable, match="delete_queue") as told:
        Server(conf, echo()[0]).probe()
    assert told.value.refused is True
