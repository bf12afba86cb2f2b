# SPDX-License-Identifier: Apache-2.0
"""Where the queue for calls is, and that callers use it on their own node alone."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import amqp
import pytest

from networker import exceptions, rpc
from networker.models import Network
from networker.rpc.rabbitmq.call_queue import arguments, node_of
from networker.rpc.rabbitmq.queues import calls_name
from networker.rpc.server import Server
from networker.testing import processes
from networker.testing.rabbitmq import Node
from tests.functional.test_bus import echo

pytestmark = pytest.mark.timeout(300)


@contextlib.contextmanager
def opened(node: Node) -> Iterator[Any]:
    """Open a channel of py-amqp."""
    with amqp.Connection(f"127.0.0.1:{node.port}") as connection:
        yield connection.channel()


@contextlib.contextmanager
def serving(conf: Any) -> Iterator[None]:
    """Serve in this process, in threads."""
    server = Server(conf, echo(get_network=lambda **_: Network(id="n"))[0])
    server.start()
    try:
        yield
    finally:
        server.stop()


@pytest.fixture
def conf(configured):
    """A configuration with a topic of its own, and calls = auto."""
    return processes.configuration(configured(networker={"threads": 2}))


def published(node: Node, queue: str) -> int:
    """Return how many messages a queue has taken, which nobody takes from it."""
    with opened(node) as channel:
        return int(channel.queue_declare(queue, passive=True).message_count)


def is_usable(client: Any) -> bool:
    """Make a call, and tell whether the next one goes to the queue in memory."""
    client.get_network("n")
    return bool(client._bus._caller._link.call_queue.usable)


def settled(client: Any, seconds: float = 3.0) -> bool:
    """Call until a client has found the queue, or has had the time for it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_usable(client):
            return True
        threading.Event().wait(0.1)
    return is_usable(client)


def queue_elsewhere(node: Node, queue: str) -> None:
    """Make the queue for calls as if on another node of a cluster."""
    with opened(node) as channel:
        made = {"x-expires": 600_000} | arguments("another@node", channel)
        options = {"durable": True, "auto_delete": False, "arguments": made}
        channel.queue_declare(queue, **options)


def test_all_connections_to_a_node_give_it_the_same_name_also_after_a_restart():
    with Node() as node:
        with opened(node) as one, opened(node) as other:
            before = node_of(one)
            assert before
            assert node_of(other) == node_of(one) == before
        node.stop(signal.SIGTERM)
        node.start()
        with opened(node) as channel:
            assert node_of(channel) == before


def test_asking_leaves_nothing_behind(broker):
    before = broker.control("list_queues", "name").split()
    with opened(broker) as channel:
        assert node_of(channel)
        assert broker.control("list_consumers") == ""
    # Those that other tests have left may go meanwhile.
    assert set(broker.control("list_queues", "name").split()) <= set(before)


def test_on_a_single_node_calls_wait_in_memory(broker, conf):
    calls = calls_name(conf.networker.topic)
    with rpc.connect(conf) as client:
        with serving(conf):
            assert settled(client, 30)
        # Without a worker it shows where the next one goes.
        with pytest.raises(exceptions.CallTimeout):
            client.with_options(timeout=1).get_network("n")
    assert published(broker, calls) == 1
    assert published(broker, conf.networker.topic) == 0


def test_where_the_queue_is_on_another_node_calls_are_durable(broker, conf):
    calls = calls_name(conf.networker.topic)
    queue_elsewhere(broker, calls)
    with rpc.connect(conf) as client:
        with serving(conf):
            assert not settled(client)
        with pytest.raises(exceptions.CallTimeout):
            client.with_options(timeout=1).get_network("n")
    assert published(broker, calls) == 0
    assert published(broker, conf.networker.topic) == 1


def test_workers_take_calls_from_the_queue_wherever_it_is(broker, conf):
    """A caller on that other node relies on it."""
    queue_elsewhere(broker, calls_name(conf.networker.topic))
    conf.set_override("calls", "transient", "networker")
    with serving(conf), rpc.connect(conf) as client:
        assert client.get_network("n").id == "n"
        listed = broker.control("list_queues", "name", "consumers")
    assert f"{calls_name(conf.networker.topic)}\t1" in listed.splitlines()


def test_callers_find_the_queue_when_workers_have_declared_it(broker, conf):
    """They began before any worker, and used the durable queue meanwhile."""
    calls = calls_name(conf.networker.topic)
    with rpc.connect(conf) as client:
        with serving(conf):
            assert settled(client, 30)
        with opened(broker) as channel:
            channel.queue_delete(calls)
        with serving(conf):
            assert settled(client, 30)
