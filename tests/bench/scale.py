# SPDX-License-Identifier: Apache-2.0
"""Experiment: whether more workers do more, as long as there are cores."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
from collections.abc import Sequence

import psutil

from tests.bench.conditions import Setup
from tests.bench.contestants import End, settings, spent, tree
from tests.bench.ends.loop import Order
from tests.bench.results import Limit, Row, ratios
from tests.chaos.bench import Sandboxed, opened

#: Seconds that a read takes.
LATENCY = 0.1
#: Callers of one client process.
_CALLERS = 32
#: The least that is allowed, as a share of what linear growth from the first size gives.
_LIMIT = 0.9
#: Percent of all cores above which they are the limit, not networker.
_BUSY = 90.0


@dataclasses.dataclass(frozen=True)
class Sample:
    """What one measurement gave.

    :param rate: calls per second
    :param busy: percent of all cores, whoever used them
    :param costs: milliseconds of processor time of a call: broker, workers, clients
    """

    rate: float
    busy: float
    costs: Sequence[float]


class Size:
    """Workers of one size, and two callers for each of their threads.

    So a thread that has answered finds the next request waiting.
    """

    def __init__(
        self, setup: Setup, processes: int, threads: int, stack: contextlib.ExitStack
    ) -> None:
        self.name = f"{processes} x {threads}"
        self.threads = processes * threads
        workers: dict[str, object] = {"workers": processes, "threads": threads}
        bench = Sandboxed(setup, "scale", latency=LATENCY, networker=workers)
        stack.enter_context(opened(bench, 1))
        callers = 2 * self.threads
        self._clients = readers(setup, bench, stack, -(-callers // _CALLERS))
        self._callers = callers // len(self._clients)
        self._bench, self._setup = bench, setup

    def measure(self, seconds: float) -> Sample:
        """Make calls."""
        ends = [
            tree(self._setup.node.pid or 0),
            [p for master in self._bench.masters for p in tree(master.process.pid)],
            [p for client in self._clients for p in client.tree()],
        ]
        psutil.cpu_percent()
        before = [spent(end) for end in ends]
        calls, rate = together(self._clients, Order(self._callers, seconds=seconds))
        busy = psutil.cpu_percent()
        after = [spent(end) for end in ends]
        costs = [1000 * (a - b) / calls for a, b in zip(after, before, strict=True)]
        return Sample(rate, busy, costs)


def scale(
    setup: Setup,
    *,
    seconds: float = 5.0,
    sizes: Sequence[tuple[int, int]] = ((1, 4), (1, 16), (2, 16), (4, 16)),
) -> list[Row]:
    """Read from workers of several sizes, in turn.

    :param seconds: for each measurement
    :param sizes: worker processes, and threads of each
    """
    with contextlib.ExitStack() as stack:
        setup.say("starting all workers")
        running = [Size(setup, *size, stack) for size in sizes]
        for size in running:
            size.measure(1.0)
        found: list[list[Sample]] = [[] for _ in running]
        for number in range(setup.rounds):
            setup.say(f"round {number + 1} of {setup.rounds}")
            for size, samples in zip(running, found, strict=True):
                samples.append(size.measure(seconds))
    return [
        _row(size, samples, running[0], found[0])
        for size, samples in zip(running, found, strict=True)
    ]


def _row(
    size: Size, samples: Sequence[Sample], first: Size, least: Sequence[Sample]
) -> Row:
    rates = [sample.rate for sample in samples]
    used = statistics.median(sample.busy for sample in samples)
    parts = [
        statistics.median(costs)
        for costs in zip(*(s.costs for s in samples), strict=True)
    ]
    ideal = size.threads / LATENCY
    row = Row(
        size.name,
        "/s",
        rates,
        note=f"{statistics.median(rates) / ideal:.0%} of {ideal:.0f}/s; ms a call: "
        "broker {:.1f}, worker {:.1f}, client {:.1f}; ".format(*parts)
        + f"cores {used:.0f} % busy",
    )
    if size is first:
        return row
    linear = [sample.rate * size.threads / first.threads for sample in least]
    row = dataclasses.replace(
        row, against=f"of {first.name}, in proportion", ratios=ratios(rates, linear)
    )
    if used >= _BUSY and (row.ratio or 0.0) < _LIMIT:
        return dataclasses.replace(row, note=f"{row.note}: they are the limit")
    return dataclasses.replace(row, limit=Limit(least=_LIMIT, of_ratio=True))


def readers(
    setup: Setup, bench: Sandboxed, stack: contextlib.ExitStack, count: int
) -> list[End]:
    """Start client processes that look a network up, until the stack is closed."""
    network_id = bench.sandbox.networks()[0].id
    file = settings(
        setup, "reader", {}, config=str(bench.config), network_id=network_id
    )
    clients = [End("networker_end", "reader", file) for _ in range(count)]
    for client in clients:
        stack.callback(client.close)
    return clients


def together(clients: Sequence[End], order: Order) -> tuple[int, float]:
    """Let several clients carry out an order; return calls, and calls per second."""
    for client in clients:
        client.send(order)
    done = [client.answer(order) for client in clients]
    return sum(d.calls for d in done), sum(d.calls / d.seconds for d in done)
