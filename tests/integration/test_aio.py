# SPDX-License-Identifier: Apache-2.0
"""Calls of coroutines over RabbitMQ: many at once, cancelled, and through a restart."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
import uuid

import pytest

from networker import exceptions
from networker.drivers import NetworkDriver
from networker.models import VIP, Network
from networker.rpc import aio
from tests.integration.test_calls import conf_of, serving  # noqa: F401

NOWHERE = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def conf(conf_of):  # noqa: F811
    return conf_of("transient")


def test_many_wait_without_a_thread_each(conf):
    """Two hundred calls at once: one connection, and no thread more than for a few."""

    def answer(network_id):
        time.sleep(0.01)
        return Network(id=network_id)

    async def ask():
        async with aio.connect(conf) as network:
            await asyncio.gather(*(network.get_network("few") for _ in range(5)))
            few = threading.active_count()
            waiting = [
                asyncio.ensure_future(network.get_network(str(n))) for n in range(200)
            ]
            await waiting[20]
            assert threading.active_count() <= few + 1  # one that counts workers
            return [found.id for found in await asyncio.gather(*waiting)]

    with serving(conf, get_network=answer):
        assert asyncio.run(ask()) == [str(n) for n in range(200)]


def test_a_deadline(conf):
    """A call that is not answered in time ends then, and others go on meanwhile."""
    ended = threading.Event()

    def answer(network_id):
        if network_id == "slow":
            ended.wait(30)
        return Network(id=network_id)

    async def ask():
        async with aio.connect(conf) as network:
            hurried = network.with_options(timeout=1)
            slow = asyncio.ensure_future(hurried.get_network("slow"))
            assert (await network.get_network("quick")).id == "quick"
            with pytest.raises(exceptions.CallTimeout):
                await slow

    with serving(conf, get_network=answer):
        asyncio.run(ask())
        ended.set()


def test_a_cancelled_call_sends_nothing_any_more(conf, broker):
    """What was not sent yet when it was cancelled never is, and other calls go on."""
    ran = []

    def answer(network_id):
        ran.append(network_id)
        return Network(id=network_id)

    async def ask():
        async with aio.connect(conf) as network:
            await network.get_network("first")
            await asyncio.to_thread(broker.stop, signal.SIGKILL)
            waits = asyncio.ensure_future(network.get_network("cancelled"))
            await asyncio.sleep(0.5)
            waits.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits
            await asyncio.to_thread(broker.start)
            await network.with_options(timeout=90).get_network("last")

    with serving(conf, get_network=answer):
        asyncio.run(ask())
    assert ran == ["first", "last"]


def test_a_cast_is_confirmed(conf):
    """It returns when the broker has it."""
    done = threading.Event()

    async def send():
        async with aio.connect(conf) as network:
            return await network.cast(
                NetworkDriver.deallocate_vip, VIP(load_balancer_id=str(uuid.uuid4()))
            )

    with serving(conf, deallocate_vip=lambda **_: done.set()):
        assert asyncio.run(send())
        assert done.wait(20)


def test_nobody_listens(conf):
    """That is said without the loop standing still."""
    ticks = []

    async def tick():
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.02)

    async def ask():
        ticking = asyncio.ensure_future(tick())
        async with aio.connect(conf) as network:
            with pytest.raises(exceptions.BusUnavailable, match="is one running"):
                await network.with_options(timeout=10).get_network(NOWHERE)
        ticking.cancel()

    asyncio.run(ask())
    assert len(ticks) > 1


def test_a_broker_that_restarts(conf, broker):
    """A call that was on its way is sent again when the broker is back."""

    def answer(network_id):
        return Network(id=network_id)

    def restart():
        broker.stop(signal.SIGKILL)
        broker.start()

    async def ask():
        async with aio.connect(conf) as network:
            await network.get_network("before")
            restarted = asyncio.create_task(asyncio.to_thread(restart))
            await asyncio.sleep(0.2)
            found = await network.with_options(timeout=90).get_network("after")
            await restarted
            return found.id

    with serving(conf, get_network=answer):
        assert asyncio.run(ask()) == "after"
