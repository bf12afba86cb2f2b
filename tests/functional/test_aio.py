# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio: its methods are those of the interface, as coroutines."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import cast

import pytest
from oslo_context import context as oslo_context

from networker import exceptions, rpc
from networker.drivers import NetworkDriver
from networker.drivers.base import operations
from networker.models import VIP, Port
from networker.rpc import aio
from networker.testing import kit
from tests.functional.test_bus import echo


@pytest.fixture
def serve(tmp_path):
    """Serve an echo with answers; yield a client for asyncio and the driver's calls."""
    opened = []

    def start(**answers):
        driver, calls = echo(**answers)
        served = kit.served(kit.configuration(tmp_path / "unused.sqlite"), driver)
        opened.append(served)
        return aio.AsyncClient(served.__enter__()), calls

    yield start
    for served in opened:
        served.__exit__(None, None, None)


def test_methods_are_those_of_the_interface():
    """Each is a coroutine with the parameters and the docstring that it has there."""
    names = {name for name in dir(aio.AsyncClient) if not name.startswith("_")}
    assert names - set(operations()) == {
        "cast",
        "close",
        "send",
        "tokens",
        "with_options",
    }
    assert set(operations()) <= names
    client = aio.AsyncClient(cast("rpc.Client", None))
    for name in operations():
        declared, made = getattr(NetworkDriver, name), getattr(client, name)
        assert inspect.iscoroutinefunction(made)
        assert inspect.getdoc(made) == inspect.getdoc(declared)
        wanted = list(inspect.signature(declared).parameters)[1:]
        assert list(inspect.signature(made).parameters) == wanted


def test_results_and_errors(serve):
    """What the driver returns or raises comes from awaiting it."""

    def refuse(**_):
        raise exceptions.PortNotFound("no", port_id="q")

    network, calls = serve(get_port=Port(id="p", name="x"), delete_port=refuse)

    async def ask():
        assert await network.get_port("p") == Port(id="p", name="x")
        with pytest.raises(exceptions.InvalidRequest):
            await network.get_port("")
        with pytest.raises(exceptions.InvalidRequest, match="nmae"):
            await network.deallocate_vip({"load_balancer_id": "l", "nmae": "x"})
        with pytest.raises(exceptions.PortNotFound) as told:
            await network.delete_port("q")
        assert told.value.port_id == "q"
        return await network.get_port(port_id="p")

    assert asyncio.run(ask()) == Port(id="p", name="x")
    assert [name for name, _ in calls] == ["get_port", "delete_port", "get_port"]


def test_calls_that_wait_at_once(serve):
    """One does not wait for another one; all of them are answered."""
    gate = threading.Barrier(4)

    def get_port(port_id):
        gate.wait(20)
        return Port(id=port_id)

    network, _ = serve(get_port=get_port)

    async def ask():
        return await asyncio.gather(*map(network.get_port, "abcd"))

    assert [port.id for port in asyncio.run(ask())] == list("abcd")


def test_options(serve):
    """The observer, the context and the deadline are as with the other client."""
    ended = threading.Event()
    replies: list[rpc.Reply] = []
    network, _ = serve(get_port=lambda port_id: ended.wait(20) and Port(id=port_id))
    context = oslo_context.RequestContext(request_id="req-7", overwrite=False)
    options = {"context": context, "observer": replies.append, "timeout": 0.5}

    async def ask():
        await network.with_options(**options).get_port("p")

    with pytest.raises(exceptions.CallTimeout):
        asyncio.run(ask())
    ended.set()
    (reply,) = replies
    assert (reply.method, reply.request_id) == ("get_port", "req-7")
    assert isinstance(reply.error, exceptions.CallTimeout)
    with pytest.raises(ValueError, match="timeout=0"):
        network.with_options(timeout=0)


def test_a_cancelled_call_is_not_told_as_a_success(serve):
    """Nobody knows how it ends, so the observer does not hear of it."""
    begun, ended = threading.Event(), threading.Event()
    replies: list[rpc.Reply] = []

    def get_port(port_id):
        begun.set()
        ended.wait(20)
        return Port(id=port_id)

    network, _ = serve(get_port=get_port)

    async def ask():
        waits = asyncio.ensure_future(
            network.with_options(observer=replies.append).get_port("p")
        )
        assert await asyncio.to_thread(begun.wait, 20)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        ended.set()

    asyncio.run(ask())
    assert replies == []


def test_cast(serve):
    """A cast returns its operation's id, and refuses what a call refuses."""
    done = threading.Event()
    network, calls = serve(deallocate_vip=lambda **_: done.set())

    async def send():
        with pytest.raises(exceptions.InvalidRequest):
            await network.cast(NetworkDriver.get_port, "")
        return await network.cast(
            NetworkDriver.deallocate_vip, VIP(load_balancer_id="l")
        )

    assert len(asyncio.run(send())) == 36
    assert done.wait(20)
    assert [name for name, _ in calls] == ["deallocate_vip"]


def test_connect(tmp_path):
    """It is made like the other one, and closes its connection."""
    conf = kit.configuration(tmp_path / "unused.sqlite")

    async def ask():
        async with aio.connect(conf) as network:
            assert isinstance(network, aio.AsyncClient)
        with pytest.raises(exceptions.BusUnavailable, match="closed"):
            await network.get_port("p")

    asyncio.run(ask())
    assert not isinstance(rpc.connect(conf), aio.AsyncClient)
