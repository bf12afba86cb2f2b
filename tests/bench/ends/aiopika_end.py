# SPDX-License-Identifier: Apache-2.0
"""aio-pika's own pattern for RPC, with its defaults; callers are coroutines or threads."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import aio_pika
from aio_pika.patterns import RPC

from tests.bench.ends import loop


async def _echo(*, load_balancer: dict[str, Any], vip: dict[str, Any]) -> Any:
    return load_balancer["amphorae"]


async def _opened(settings: loop.Settings) -> RPC:
    connection = await aio_pika.connect_robust(settings.url)
    return await RPC.create(await connection.channel())


async def worker(settings: loop.Settings) -> None:
    """Echo."""
    rpc = await _opened(settings)
    await rpc.register(settings.name, _echo, auto_delete=True)
    loop.ready()
    await asyncio.Event().wait()


def client(role: str, settings: loop.Settings) -> None:
    """Make calls over one event loop, which a thread keeps running between orders.

    :param role: `client` for callers that are coroutines, `threads` for threads, as a
        threaded program has them
    """
    events = asyncio.new_event_loop()
    threading.Thread(target=events.run_forever, daemon=True).start()
    rpc = asyncio.run_coroutine_threadsafe(_opened(settings), events).result()

    async def call() -> None:
        await rpc.call(settings.name, kwargs=settings.arguments)

    async def measured(order: loop.Order) -> list[float]:
        taken: list[float] = []
        allowed = loop.until_done(order)

        async def call_on() -> None:
            for _ in allowed:
                began = time.perf_counter()
                await call()
                taken.append(time.perf_counter() - began)

        await asyncio.gather(*(call_on() for _ in range(order.callers)))
        return taken

    def coroutines(order: loop.Order) -> list[float]:
        return asyncio.run_coroutine_threadsafe(measured(order), events).result()

    def from_thread() -> None:
        asyncio.run_coroutine_threadsafe(call(), events).result()

    threads = loop.Callers(lambda: from_thread)
    loop.obey(threads.measure if role == "threads" else coroutines)


def main() -> None:
    """Be the end that the command line names."""
    role, settings = loop.role()
    if role == "worker":
        asyncio.run(worker(settings))
    else:
        client(role, settings)


main()
