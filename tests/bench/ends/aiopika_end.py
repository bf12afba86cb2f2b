# SPDX-License-Identifier: Apache-2.0
"""aio-pika's own pattern for RPC, with its defaults; callers are coroutines or threads."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import aio_pika
from aio_pika.patterns import RPC

from tests.bench.ends import loop
from tests.bench.ends.coroutines import Coroutines


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
    coroutines = Coroutines()
    rpc = coroutines.run(_opened(settings))

    async def call() -> None:
        await rpc.call(settings.name, kwargs=settings.arguments)

    threads = loop.Callers(lambda: lambda: coroutines.run(call()))
    loop.obey(
        threads.measure
        if role == "threads"
        else functools.partial(coroutines.measure, call)
    )


def main() -> None:
    """Be the end that the command line names."""
    role, settings = loop.role()
    if role == "worker":
        asyncio.run(worker(settings))
    else:
        client(role, settings)


main()
