# SPDX-License-Identifier: Apache-2.0
"""The client on RabbitMQ, and what networker uses of oslo.messaging's insides."""

from __future__ import annotations

import functools
import inspect
import re
import shlex
import threading
import time
import types
import uuid

import pytest
from kombu.connection import Connection
from oslo_messaging._drivers import amqpdriver, base, impl_rabbit, pool
from oslo_messaging.rpc import server as rpc_server

from networker import exceptions, rpc, service
from networker.rpc import contract, transport
from networker.rpc.rabbitmq.connection import Connection as OurConnection
from networker.rpc.rabbitmq.listener import Delivery
from networker.rpc.rabbitmq.messaging_driver import Driver
from networker.testing import kit, processes
from tests.rabbitmq import strict

PINNED = "networker.rpc.rabbitmq relies on it: mend it, or the range in setup.cfg"
#: What left-over queues can be.
DURABLE = [True] if strict() else [True, False]
#: What methods of ours override or call, with the parameters that they rely on.
METHODS = [
    (impl_rabbit.Connection, "__init__", ["self", "conf", "url", "purpose", "retry"]),
    (impl_rabbit.Connection, "_heartbeat_check", ["self"]),
    (impl_rabbit.Connection, "_set_current_channel", ["self", "new_channel"]),
    (impl_rabbit.Connection, "close", ["self"]),
    (impl_rabbit.Connection, "consume", ["self", "timeout"]),
    (impl_rabbit.Connection, "declare_consumer", ["self", "consumer"]),
    (impl_rabbit.Connection, "ensure_connection", ["self"]),
    (impl_rabbit.Connection, "stop_consuming", ["self"]),
    (impl_rabbit.Connection, "declare_direct_consumer", ["self", "topic", "callback"]),
    (impl_rabbit.Consumer, "_callback", ["self", "message"]),
    (impl_rabbit.Consumer, "cancel", ["self", "tag"]),
    (impl_rabbit.Consumer, "consume", ["self", "conn", "tag"]),
    (impl_rabbit.Consumer, "declare", ["self", "conn"]),
    (amqpdriver.AMQPDriverBase, "_get_connection", ["self", "purpose", "retry"]),
    (amqpdriver.AMQPDriverBase, "_get_exchange", ["self", "target"]),
    (amqpdriver.AMQPDriverBase, "_get_reply_queue_name", ["self"]),
    (amqpdriver.AMQPIncomingMessage, "reply", ["self", "reply", "failure"]),
    (amqpdriver.AMQPListener, "__init__", ["self", "driver", "conn"]),
    (amqpdriver.AMQPListener, "__call__", ["self", "message"]),
    (amqpdriver.AMQPListener, "stop", ["self"]),
    (amqpdriver.MessageOperationsHandler, "_process_in_background", ["self"]),
    (amqpdriver.MessageOperationsHandler, "do", ["self", "task"]),
    (amqpdriver.MessageOperationsHandler, "process", ["self"]),
    (amqpdriver.MessageOperationsHandler, "stop", ["self"]),
    (base.PollStyleListenerAdapter, "stop", ["self"]),
    (pool.ConnectionPool, "create", ["self", "purpose", "retry"]),
    (rpc_server.RPCServer, "_process_incoming", ["self", "incoming"]),
]


@pytest.mark.parametrize(("owner", "name", "parameters"), METHODS)
def test_private_names_are_where_they_were(owner, name, parameters):
    """A release of oslo.messaging that moves a name is found out here."""
    method = getattr(owner, name, None)
    assert method is not None, f"{owner.__name__}.{name} is gone; {PINNED}"
    assert list(inspect.signature(method).parameters) == parameters, PINNED


@pytest.mark.parametrize("name", ["_publish", "_ensure_publishing"])
def test_publishing_takes_what_it_took(name):
    """What is sent, and how, is passed on in the same order."""
    found = list(inspect.signature(getattr(impl_rabbit.Connection, name)).parameters)
    wanted = list(inspect.signature(getattr(OurConnection, name)).parameters)
    assert found[: len(wanted)] == wanted or wanted[3:] == ["args", "options"], PINNED


@pytest.fixture
def listener(configured, broker):
    """A worker's listener, whose messages nobody takes."""
    conf = processes.configuration(configured())
    driver = transport.open_transport(conf)._driver
    assert isinstance(driver, Driver), "rabbit:// does not get our driver"
    target = contract.target(conf, server="here")
    yield driver.listen(target, 1, None)._poll_style_listener
    driver.cleanup()


def test_private_state_is_where_it_was(listener):
    """A release of oslo.messaging that keeps its state elsewhere is found out here."""
    driver, connection = listener.driver, listener.conn.connection
    assert driver._connection_pool.connection_cls is OurConnection, PINNED
    for name in (
        "_declared_queues",
        "_consumers",
        "_poll_timeout",
        "_declared_exchanges",
    ):
        assert hasattr(connection, name), f"Connection.{name} is gone; {PINNED}"
    wire = connection.channel.connection.transport
    for name in ("_quick_recv", "_read_buffer", "_write", "sock"):
        assert hasattr(wire, name), f"py-amqp's transport has no {name}; {PINNED}"
    operations = listener._message_operations_handler
    for name in ("_shutdown", "_shutdown_thread"):
        assert hasattr(operations, name), f"Operations.{name} is gone; {PINNED}"
    threads = driver.conf.networker.threads
    assert connection.rabbit_qos_prefetch_count == threads, PINNED
    assert listener.message_cls is Delivery, PINNED


def test_what_is_done_together_is_sent_at_once(listener, monkeypatch):
    """Posts of one round are one write, which goes out before an answer is waited for."""
    connection = listener.conn.connection
    connection.stop_consuming()
    wire, sent, got = connection.channel.connection.transport, [], []
    counted = types.SimpleNamespace(write=lambda data: sent.append(wire.write(data)))
    monkeypatch.setattr(connection._io, "_transport", counted)
    name, _, _ = connection.channel.queue_declare(exclusive=True)

    def post(body: bytes) -> None:
        connection.post(name, body, durable=False)

    def get() -> None:
        got.append(connection.channel.basic_get(name, no_ack=True).body)

    later = functools.partial
    for task in (later(post, b"1"), later(post, b"2"), get, later(post, b"3")):
        connection.do(task)
    connection.process()
    # The posts with the question behind them, and the last post.
    assert len(sent) == 2
    get()
    get()
    assert got == [b"1", b"2", b"3"]


def mended(configured, broker, spoil, **groups):
    """Start workers where something is wrong; return what they said, and whether they
    start after the commands that they named."""
    config = configured(**groups)
    conf = processes.configuration(config)
    with Connection(broker.url.replace("rabbit", "amqp", 1)) as connection:
        spoil(connection.channel(), conf.networker.exchange, conf.networker.topic)
    with pytest.raises(service.Refused) as refused:
        service.check(conf)
    return conf, str(refused.value)


@pytest.mark.parametrize("durable", DURABLE)
def test_a_queue_that_would_lose_requests(configured, broker, durable):
    """A queue of another kind is refused with the command that mends it."""

    def spoil(channel, _, topic):
        channel.queue_declare(topic, durable=durable, auto_delete=False)

    conf, text = mended(configured, broker, spoil)
    (command,) = re.findall(r"rabbitmqctl (delete_queue .*?) \(", text)
    broker.control(*shlex.split(command))
    service.check(conf)


def test_an_exchange_that_would_lose_requests(configured, broker):
    """An exchange that is not durable is refused with the command that mends it."""

    def spoil(channel, exchange, _):
        channel.exchange_declare(exchange, "topic", durable=False, auto_delete=False)

    names = {"exchange": f"x-{uuid.uuid4()}"}
    conf, text = mended(configured, broker, spoil, networker=names)
    with rpc.connect(conf) as client, pytest.raises(exceptions.BusUnavailable) as told:
        client.with_options(timeout=5).get_port("p")
    assert f"the exchange {names['exchange']!r} exists" in str(told.value)
    (command,) = re.findall(r"rabbitmqctl (eval .*?) \(req", text)
    broker.control(*shlex.split(command))
    service.check(conf)


def test_a_check_makes_nothing(configured, broker):
    """Looking at the configuration declares no queue, so callers are still told."""
    conf = processes.configuration(configured())
    service.check(conf)
    assert conf.networker.topic not in broker.control("list_queues", "name")


@pytest.fixture
def client(tmp_path):
    """Return clients for any URL, which are closed afterwards."""
    made = []

    def connect(url: str) -> rpc.Client:
        conf = kit.configuration(tmp_path / "unused.sqlite")
        conf.set_override("transport_url", url)
        made.append(rpc.connect(conf))
        return made[-1].with_options(timeout=5)

    yield connect
    for each in made:
        each.close()


def test_nobody_listens(client, broker):
    """Where no worker ever was, the caller is told at once, not at the timeout."""
    for caller in (client(broker.url), client(broker.url).cast):
        began = time.monotonic()
        with pytest.raises(exceptions.BusUnavailable, match="no worker has declared"):
            caller.get_port("p")
        assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    ("vhost", "login"), [("nope", "guest:guest"), ("", "guest:no")]
)
def test_a_broker_that_refuses(client, broker, vhost, login):
    """A wrong virtual host or password is BusUnavailable, marked as refused."""
    with pytest.raises(exceptions.BusUnavailable, match="refused") as caught:
        client(broker.url_of(vhost, login)).get_port("p")
    assert caught.value.refused is True


def test_a_broker_that_is_not_there(client):
    """A broker that is down is BusUnavailable within the timeout, and Retriable."""
    began = time.monotonic()
    with pytest.raises(exceptions.BusUnavailable) as caught:
        client("rabbit://guest:guest@127.0.0.1:1/").get_port("p")
    assert time.monotonic() - began < 6
    assert caught.value.refused is False
    assert isinstance(caught.value, exceptions.Retriable)


def test_a_client_that_was_closed_connects_no_more(client):
    """Who closed it before its first call is told that, and not that there is no broker."""
    before = set(threading.enumerate())
    closed = client("rabbit://guest:guest@127.0.0.1:1/")
    closed.close()
    for caller in (closed, closed.cast):
        with pytest.raises(exceptions.BusUnavailable, match="this client is closed"):
            caller.get_port("p")
    made = set(threading.enumerate()) - before
    assert "link" not in {thread.name for thread in made}


def test_a_lost_virtual_host_does_not_flood_the_log(configured, broker):
    """While the broker refuses a running worker, it logs a little, and then resumes."""
    broker.control("add_vhost", "lost")
    broker.control("set_permissions", "-p", "lost", "guest", ".*", ".*", ".*")
    config = configured(DEFAULT={"transport_url": broker.url_of("lost")})
    with processes.serving(config) as (workers, client):
        before = workers.log.count("\n")
        broker.control("delete_vhost", "lost")
        with pytest.raises(exceptions.NetworkException):
            client.with_options(timeout=5).get_port("p")
        threading.Event().wait(5)  # long enough for thousands of attempts
        assert workers.log.count("\n") - before < 400
        broker.control("add_vhost", "lost")
        broker.control("set_permissions", "-p", "lost", "guest", ".*", ".*", ".*")
        processes.until_served(client)
    broker.control("delete_vhost", "lost")
