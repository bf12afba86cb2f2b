# SPDX-License-Identifier: Apache-2.0
"""Experiment: what a worker process holds after many calls at full concurrency."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import psutil

from tests.bench.conditions import Setup
from tests.bench.contestants import THREADS, Contestant, End, settings
from tests.bench.ends.loop import Order
from tests.bench.results import Limit, Row
from tests.bench.site import workers
from tests.chaos.bench import Bench, Sandboxed, opened
from tests.fakecloud import FakeCloud

#: Callers that make calls at the same time: more than networker's workers have threads,
#: and as many as the stock server has.
_CALLERS = 64
#: The most MB, of the sandbox and of the neutron driver.
_SANDBOX, _NEUTRON = 80.0, 140.0
#: The most that memory may grow from few calls to many.
_GROWTH = 1.05
#: How much less is asked of a fake cloud, which is slower, and of the stock driver.
_SHARE = 5


def memory(setup: Setup, *, few: int = 10_000, many: int = 100_000) -> list[Row]:
    """Measure after some calls, and after many.

    :param few: calls before the first look
    :param many: calls before the second look; of networker with the sandbox, and a share
        of them of the others
    """
    fewer = max(many // _SHARE, 2 * few)
    return [
        *_stock(setup, few, fewer),
        *_sandbox(setup, few, many),
        *_neutron(setup, few, fewer),
    ]


def _stock(setup: Setup, few: int, many: int) -> list[Row]:
    echo = Contestant("oslo.messaging", "oslo_end")
    with echo.running(setup, threads=0) as running:
        (worker,) = running.worker.tree()
        return _looked(setup, "stock echo", worker, running.client, few, many, None)


def _sandbox(setup: Setup, few: int, many: int) -> list[Row]:
    size: dict[str, object] = {"workers": 1, "threads": THREADS}
    bench = Sandboxed(setup, "memory", networker=size)
    return _worker(setup, "sandbox", bench, few, many, _SANDBOX)


def _neutron(setup: Setup, few: int, many: int) -> list[Row]:
    with FakeCloud() as cloud:
        told = cloud.clouds()["clouds"]["fake"]
        access = {"auth_type": told["auth_type"], **told["auth"]}
        bench = workers(setup, "memory", access, threads=THREADS)
        return _worker(setup, "neutron driver", bench, few, many, _NEUTRON)


def _worker(
    setup: Setup, name: str, bench: Bench, few: int, many: int, most: float
) -> list[Row]:
    with contextlib.ExitStack() as stack:
        stack.enter_context(opened(bench, 1))
        network = bench.connect().get_network_by_name("vip-net")
        told = {"config": str(bench.config), "network_id": network.id}
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
        found.append(_held(setup, worker))
    return rows(name, (few, many), found, most)


def rows(
    name: str,
    calls: tuple[int, int],
    found: Sequence[dict[str, float]],
    most: float | None,
) -> list[Row]:
    """Return what a worker holds after few calls and many: no more, if it is ours.

    :param found: by unit, of both
    :param most: the most MB after few calls; None for a worker that is not ours
    """
    few, many = calls
    first, second = found
    limit = Limit(most=most) if most else None
    made = [Row(f"{name}, {few} calls", "MB", [first["MB"]], limit=limit)]
    for unit in first:
        growth = _GROWTH if unit == "MB" else 1.0
        made.append(
            Row(
                f"{name}, {many} calls",
                unit,
                [second[unit]],
                against=f"to {few} calls",
                ratios=[second[unit] / first[unit]],
                limit=Limit(most=growth, of_ratio=True) if most else None,
            )
        )
    return made


def _held(setup: Setup, worker: psutil.Process) -> dict[str, float]:
    connections = [
        connection
        for connection in worker.net_connections("tcp")
        if connection.raddr and connection.raddr.port == setup.node.port
    ]
    return {
        "MB": worker.memory_info().rss / 1e6,
        "threads": worker.num_threads(),
        "connections": len(connections),
    }
