# SPDX-License-Identifier: Apache-2.0
"""The client on RabbitMQ, and what networker uses of oslo.messaging's insides."""

from __future__ import annotations

import inspect
import threading
import time

import pytest
from oslo_messaging import server
from oslo_messaging._drivers import amqpdriver, base, impl_rabbit, pool

from networker import exceptions, rpc
from networker.rpc import rabbit, transport
from networker.testing import kit, processes

PINNED = (
    "networker.rpc.rabbit relies on it: mend that module, or the range in setup.cfg"
)


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (impl_rabbit.Connection, "consume", ["self", "timeout"]),
        (impl_rabbit.Connection, "stop_consuming", ["self"]),
        (impl_rabbit.Connection, "ensure_connection", ["self"]),
        (
            impl_rabbit.Connection,
            "__init__",
            ["self", "conf", "url", "purpose", "retry"],
        ),
        (impl_rabbit.Connection, "reset", ["self"]),
        (base.PollStyleListenerAdapter, "stop", ["self"]),
        (server.MessageHandlingServer, "_on_incoming", ["self", "incoming"]),
        (pool.ConnectionPool, "create", ["self", "purpose", "retry"]),
    ],
)
def test_private_names_are_where_they_were(owner, name, parameters):
    """A release of oslo.messaging that moves a name is found out here."""
    method = getattr(owner, name, None)
    assert method is not None, f"{owner.__name__}.{name} is gone; {PINNED}"
    assert list(inspect.signature(method).parameters) == parameters, PINNED
    assert issubclass(impl_rabbit.RabbitDriver, amqpdriver.AMQPDriverBase), PINNED


def test_rabbit_urls_get_our_driver(tmp_path, broker):
    """The operator's URL says rabbit, and the connections are ours."""
    conf = kit.configuration(tmp_path / "unused.sqlite")
    conf.set_override("transport_url", broker.url)
    opened = transport.open_transport(conf)
    driver = opened._driver
    assert isinstance(driver, rabbit.Driver)
    assert driver._connection_pool.connection_cls is rabbit.Connection, PINNED
    transport.probe(opened)
    opened.cleanup()


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
