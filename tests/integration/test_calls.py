# SPDX-License-Identifier: Apache-2.0
"""Where calls and answers wait, and that neither is missed when it is lost."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kombu.connection import Connection
from kombu.entity import Exchange, Queue

from networker import exceptions, rpc
from networker.models import Network
from networker.rpc.rabbitmq.queues import calls_name
from networker.rpc.server import Server
from networker.testing import processes
from tests.chaos.tcpproxy import TcpProxy
from tests.functional.test_bus import echo
from tests.integration.test_worker import eventually


@pytest.fixture
def channel(broker) -> Iterator[Any]:
    """A channel of kombu's."""
    with Connection(broker.url.replace("rabbit", "amqp", 1)) as connection:
        yield connection.default_channel


@pytest.fixture
def conf_of(configured):
    """Return a configuration for one way of keeping calls, of one topic for all."""
    topic = f"t-{uuid.uuid4()}"

    def make(calls: str) -> Any:
        options = {"topic": topic, "calls": calls, "threads": 2}
        return processes.configuration(configured(networker=options))

    return make


@contextlib.contextmanager
def serving(conf, **answers: Any) -> Iterator[str]:
    server = Server(conf, echo(**answers)[0])
    server.start()
    try:
        yield conf.networker.topic
    finally:
        server.stop()


def answer(**_: object) -> Network:
    return Network(id="n")


def waiting(channel, name: str, **arguments: Any) -> Any:
    """Declare a queue as workers do, and return what takes a message from it."""
    exchange = Exchange("networker", type="topic", durable=True)
    queue = Queue(name, exchange, routing_key=name, durable=True, **arguments)(channel)
    queue.declare()
    return lambda: queue.get(no_ack=True)


@pytest.mark.parametrize(("calls", "mode"), [("transient", 1), ("durable", 2)])
def test_calls_are_written_to_disk_only_if_they_must(conf_of, channel, calls, mode):
    """A call in memory is not, a durable one is, and neither is in an envelope twice."""
    conf = conf_of(calls)
    topic = conf.networker.topic
    take = waiting(channel, calls_name(topic) if calls == "transient" else topic)
    with rpc.connect(conf) as client:
        hasty = client.with_options(timeout=2)
        for _ in range(
            2
        ):  # the first one opens the connection that the second one uses
            with pytest.raises(exceptions.CallTimeout):
                hasty.get_network("n")
        found = [take(), take()]
    assert [message.properties["delivery_mode"] for message in found] == [mode, mode]
    assert found[1].payload["method"] == "get_network"


def test_casts_are_written_to_disk(conf_of, channel):
    """A cast outlives the broker, however calls are kept."""
    conf = conf_of("transient")
    take = waiting(channel, conf.networker.topic)
    with rpc.connect(conf) as client:
        client.cast.get_network("n")
    assert take().properties["delivery_mode"] == 2


def test_a_topic_may_be_named_like_a_queue_for_calls(configured, channel):
    """What is sent to it is a cast all the same, and outlives the broker."""
    topic = calls_name(f"t-{uuid.uuid4()}")
    conf = processes.configuration(configured(networker={"topic": topic}))
    take = waiting(channel, topic)
    with rpc.connect(conf) as client:
        client.cast.get_network("n")
    assert take().properties["delivery_mode"] == 2


def test_workers_that_keep_calls_elsewhere_are_found(conf_of):
    """A caller that finds no queue for calls in memory uses the casts', each time."""
    there, here = conf_of("durable"), conf_of("transient")
    with serving(there, get_network=answer), rpc.connect(here) as client:
        found = [client.get_network("n").id for _ in range(3)]
    assert found == ["n"] * 3


def test_callers_that_keep_calls_elsewhere_are_served(conf_of):
    """Workers with a queue for calls in memory take durable ones as well."""
    there, here = conf_of("transient"), conf_of("durable")
    with serving(there, get_network=answer), rpc.connect(here) as client:
        found = [client.get_network("n").id for _ in range(3)]
    assert found == ["n"] * 3


def test_no_queue_at_all_is_said_at_once(conf_of, channel):
    """When the queues are gone, a call on a connection that works ends at once."""
    conf = conf_of("transient")
    with rpc.connect(conf) as client:
        with serving(conf, get_network=answer) as topic:
            assert client.get_network("n").id == "n"
        for name in (topic, calls_name(topic)):
            channel.queue_delete(name)
        with pytest.raises(exceptions.BusUnavailable, match="no worker has declared"):
            client.with_options(timeout=30).get_network("n")


@pytest.mark.parametrize("calls", ["transient", "durable"])
def test_a_call_whose_connection_is_lost_is_made_again(conf_of, broker, calls):
    """It ends well, long before its timeout, and each run is the same operation."""
    begun, cut = threading.Semaphore(0), threading.Event()

    def run(**_: object) -> Network:
        begun.release()
        cut.wait(30)
        return Network(id="n")

    conf = conf_of(calls)
    ended: list[str | None] = []
    with serving(conf, get_network=run), rpc.connect(conf) as client:
        caller = threading.Thread(
            target=lambda: ended.append(client.get_network("n").id)
        )
        caller.start()
        assert begun.acquire(timeout=10)
        broker.control("close_all_connections", "test")
        assert begun.acquire(timeout=30), "it was not run again"
        cut.set()
        caller.join(20)
    assert ended == ["n"]


def test_an_answer_that_is_refused_is_given_again(conf_of, channel):
    """In a cluster a request is kept until the broker has confirmed its answer."""
    full = {"x-max-length": 0, "x-overflow": "reject-publish"}
    replies = Queue(
        f"reply_{uuid.uuid4().hex}", durable=True, queue_arguments=full, channel=channel
    )
    replies.declare()
    runs: list[bool] = []
    again = threading.Event()

    def run(**_: object) -> Network:
        runs.append(True)
        if len(runs) > 1:
            again.set()
        return Network(id="n")

    request = {
        "method": "get_network",
        "args": {"network_id": "n"},
        "namespace": "network",
        "version": "1.0",
        "_msg_id": "m",
        "_reply_q": replies.name,
    }
    with serving(conf_of("durable"), get_network=run) as topic:
        with channel.Producer() as producer:
            producer.publish(request, exchange="", routing_key=topic)
        assert again.wait(20), "the answer was lost"
        replies.delete()  # who waited is gone, and so is the answer
        eventually(lambda: not channel.queue_declare(topic, passive=True).message_count)


def test_connections_do_not_grow_with_calls(conf_of, broker):
    """Calls and answers need one connection at each end, however many there are."""

    def count() -> int:
        return len(broker.control("list_connections", "pid").split()) - 1

    conf = conf_of("transient")
    with serving(conf, get_network=answer), rpc.connect(conf) as client:
        client.get_network("n")
        before = count()
        threads = [
            threading.Thread(target=client.get_network, args=("n",)) for _ in range(32)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert count() == before


def test_a_call_that_is_made_again_keeps_its_deadline(broker, tmp_path):
    """While the broker takes connections and says nothing, calls end in their time."""
    with TcpProxy(broker.port) as proxy:
        url = broker.url.replace(str(broker.port), str(proxy.port))
        options: dict[str, dict[str, object]] = {"DEFAULT": {"transport_url": url}}
        options["networker"] = {"topic": f"t-{uuid.uuid4()}"}
        conf = processes.configuration(processes.write(tmp_path / "c.conf", options))
        with serving(conf, get_network=answer), rpc.connect(conf) as client:
            assert client.get_network("n").id == "n"
            proxy.stall()
            for timeout in (1, 6):  # the second one looks for the broker first
                began = time.monotonic()
                with pytest.raises(exceptions.BusError) as told:
                    client.with_options(timeout=timeout).get_network("n")
                assert time.monotonic() - began < timeout + 2
                errors = {exceptions.CallTimeout, exceptions.BusUnavailable}
                assert type(told.value) in errors
            proxy.resume()
