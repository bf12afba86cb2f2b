# SPDX-License-Identifier: Apache-2.0
"""Experiment: what a worker process holds after many calls at full concurrency."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable

import openstack
import psutil

from tests.bench.conditions import Setup
from tests.bench.contestants import THREADS, Contestant, End, settings
from tests.bench.ends.loop import Order
from tests.bench.results import Limit, Row
from tests.chaos.bench import Bench, Sandboxed, opened

#: Callers that make calls at the same time: more than networker's workers have threads,
#: and as many as the stock server has.
_CALLERS = 64
#: The most MB, of the sandbox and of the neutron driver.
_SANDBOX, _NEUTRON = 80.0, 140.0
#: The most that memory may grow from few calls to many.
_GROWTH = 1.05
#: A look-up on a cloud takes much longer than one on a sandbox.
_CLOUD_SHARE = 5


def memory(setup: Setup, *, few: int = 10_000, many: int = 100_000) -> list[Row]:
    """Measure after some calls, and after many.

    :param few: calls before the first look
    :param many: calls before the second look; a fifth of them on a cloud
    """
    rows = _stock(setup, few, many) + _sandbox(setup, few, many)
    cloud = os.environ.get("OS_CLOUD")
    if cloud:
        rows += _neutron(setup, cloud, few, max(many // _CLOUD_SHARE, 2 * few))
    return rows


def _stock(setup: Setup, few: int, many: int) -> list[Row]:
    echo = Contestant("oslo.messaging", "oslo_end")
    with echo.running(setup, threads=0) as running:
        (worker,) = running.worker.tree()
        return _looked(setup, "stock echo", worker, running.client, few, many, None)


def _sandbox(setup: Setup, few: int, many: int) -> list[Row]:
    workers: dict[str, object] = {"workers": 1, "threads": THREADS}
    bench = Sandboxed(setup, "memory", networker=workers)

    def found() -> str:
        return bench.sandbox.networks()[0].id or ""

    return _worker(setup, "sandbox", bench, found, few, many, _SANDBOX)


def _neutron(setup: Setup, cloud: str, few: int, many: int) -> list[Row]:
    name = f"memory-{uuid.uuid4().hex[:8]}"
    options: dict[str, dict[str, object]] = {
        "DEFAULT": {"transport_url": setup.node.url},
        "networker": {
            "driver": "neutron",
            "workers": 1,
            "threads": THREADS,
            "topic": name,
            "exchange": name,
        },
        "neutron": {"cloud": cloud},
    }
    bench = Bench(setup.directory / name, options)

    def found() -> str:
        with openstack.connect(cloud=cloud) as connection:
            return str(next(connection.network.networks()).id)

    return _worker(setup, "neutron driver", bench, found, few, many, _NEUTRON)


def _worker(
    setup: Setup,
    name: str,
    bench: Bench,
    network_id: Callable[[], str],
    few: int,
    many: int,
    most: float,
) -> list[Row]:
    with contextlib.ExitStack() as stack:
        stack.enter_context(opened(bench, 1))
        told = {"config": str(bench.config), "network_id": network_id()}
        reader = End("networker_end", "reader", settings(setup, "reader", {}, **told))
        stack.callback(reader.close)
        (worker,) = bench.children()
        return _looked(setup, name, worker, reader, few, many, most)


def _looked(
    setup: Setup,
    name: str,
    worker: psutil.Process,
    client: End,
    few: int,
    many: int,
    most: float | None,
) -> list[Row]:
    found = []
    for calls, more in ((few, few), (many, many - few)):
        setup.say(f"{name}: {calls} calls")
        order = Order(_CALLERS, calls=more)
        client.send(order)
        client.answer(order)
        megabytes = worker.memory_info().rss / 1e6
        found.append((f"{name}, {calls} calls", megabytes, _held(setup, worker)))
    (first, before, note), (second, after, later) = found
    return [
        Row(first, "MB", [before], limit=Limit(most=most) if most else None, note=note),
        Row(
            second,
            "MB",
            [after],
            against=f"to {few} calls",
            ratios=[after / before],
            limit=Limit(most=_GROWTH, of_ratio=True) if most else None,
            note=later,
        ),
    ]


def _held(setup: Setup, worker: psutil.Process) -> str:
    connections = [
        connection
        for connection in worker.net_connections("tcp")
        if connection.raddr and connection.raddr.port == setup.node.port
    ]
    return f"{worker.num_threads()} threads, {len(connections)} connections"
