# SPDX-License-Identifier: Apache-2.0
"""Experiments: how fast calls are and what they cost, beside stock driver and peers."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence

from tests.bench import observing
from tests.bench.conditions import Setup
from tests.bench.contestants import PEERS, Contestant, Cost
from tests.bench.ends.loop import Order
from tests.bench.results import Limit, Row, ratios

_GROUP = "oslo_messaging_rabbit"
#: Callers that make calls at the same time.
_CALLERS = (1, 16)


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of queues that networker supports.

    :param name: for people
    :param rabbit: options that choose it, for networker and the stock driver alike
    :param networker: further options that networker needs for it
    """

    name: str
    rabbit: Mapping[str, object]
    networker: Mapping[str, object] = dataclasses.field(default_factory=dict)


#: The kinds that outlive the broker; calls in memory are in the default configuration.
KINDS = (
    Kind(
        "quorum",
        {
            "amqp_durable_queues": True,
            "rabbit_quorum_queue": True,
            "rabbit_transient_quorum_queue": True,
        },
        {"calls": "durable"},
    ),
    Kind(
        "durable classic",
        {
            "amqp_durable_queues": True,
            "rabbit_quorum_queue": False,
            "rabbit_transient_quorum_queue": False,
        },
        {"calls": "durable"},
    ),
)
#: Each in its default configuration but one, which says what calls in memory save: on one
#: node they are the default of networker, and of all others but nameko and Celery.
_DEFAULT = (
    Contestant("networker", "networker_end"),
    Contestant(
        "networker, durable calls",
        "networker_end",
        {"networker": {"calls": "durable"}},
    ),
    Contestant("networker, asyncio", "networker_end", client="coroutines"),
    Contestant("oslo.messaging", "oslo_end"),
    Contestant("nameko", "nameko_end"),
    Contestant("Celery", "celery_end"),
    Contestant("aio-pika", "aiopika_end"),
    Contestant("aio-pika, threads", "aiopika_end", client="threads"),
    Contestant("pika", "pika_end"),
)
#: Those that networker has to be at least as fast as.
_BEATEN = {"oslo.messaging", "nameko", "Celery", "aio-pika", "aio-pika, threads"}


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured in one group, with one number of callers.

    :param group: the kind of queues, or `default`
    :param costs: round by round, of each contestant; networker is the first
    """

    group: str
    callers: int
    costs: Mapping[str, Sequence[Cost]]


def groups() -> dict[str, list[Contestant]]:
    """Return who is measured beside whom; networker is the first of each group."""
    found = {
        kind.name: [
            Contestant(
                "networker",
                "networker_end",
                {_GROUP: kind.rabbit, "networker": kind.networker},
            ),
            Contestant("oslo.messaging", "oslo_end", {_GROUP: kind.rabbit}),
        ]
        for kind in KINDS
    }
    return found | {"default": list(_DEFAULT)}


def rate(setup: Setup, *, seconds: float = 2.0) -> list[Row]:
    """Measure calls per second.

    :param seconds: for each measurement
    """
    return _rows(setup, seconds, "/s", lambda cost: cost.rate, _latency, limited=True)


def cpu(setup: Setup, *, seconds: float = 2.0) -> list[Row]:
    """Measure the processor time of a call: of broker, worker and client together.

    :param seconds: for each measurement
    """
    rows = _rows(setup, seconds, "ms", _total, _parts)
    totals = [
        statistics.median(_total(cost) for cost in found.costs["networker"])
        for found in _measured(setup, seconds)
    ]
    return rows + observing.observing(setup, min(totals))


def _total(cost: Cost) -> float:
    return cost.broker + cost.worker + cost.client


def _latency(costs: Sequence[Cost]) -> str:
    median = statistics.median(cost.done.median for cost in costs)
    p99 = statistics.median(cost.done.p99 for cost in costs)
    return f"median {1000 * median:.1f} ms, p99 {1000 * p99:.1f} ms"


def _parts(costs: Sequence[Cost]) -> str:
    parts = ("broker", "worker", "client")
    medians = [
        statistics.median(getattr(cost, part) for cost in costs) for part in parts
    ]
    return ", ".join(f"{p} {ms:.2f}" for p, ms in zip(parts, medians, strict=True))


def _rows(
    setup: Setup,
    seconds: float,
    unit: str,
    value: Callable[[Cost], float],
    note: Callable[[Sequence[Cost]], str],
    *,
    limited: bool = False,
) -> list[Row]:
    rows = []
    for found in _measured(setup, seconds):
        where = f"{found.group}, {found.callers} caller{'s'[: found.callers - 1]}"
        ours = [value(cost) for cost in found.costs["networker"]]
        for name, costs in found.costs.items():
            theirs = [value(cost) for cost in costs]
            row = Row(f"{where}: {name}", unit, theirs, note=note(costs))
            if name != "networker":
                beaten = limited and name in _BEATEN
                row = dataclasses.replace(
                    row,
                    against=f"networker / {name}",
                    ratios=ratios(ours, theirs),
                    limit=Limit(least=1.0, of_ratio=True) if beaten else None,
                )
            rows.append(row)
    return rows


def _measured(setup: Setup, seconds: float) -> list[Measured]:
    """Measure all groups, once for all experiments that ask for it."""
    if "pairs" not in setup.shared:
        found = []
        for name, contestants in groups().items():
            if name == "default" and not PEERS.exists():
                setup.say(f"the peers are skipped: {PEERS} does not exist")
                continue
            found += _group(setup, seconds, name, contestants)
        setup.shared["pairs"] = found
    measured: list[Measured] = setup.shared["pairs"]
    return measured


def _group(
    setup: Setup, seconds: float, name: str, contestants: Sequence[Contestant]
) -> list[Measured]:
    found: dict[int, dict[str, list[Cost]]] = {
        callers: {c.name: [] for c in contestants} for callers in _CALLERS
    }
    with contextlib.ExitStack() as stack:
        setup.say(f"{name}: starting {', '.join(c.name for c in contestants)}")
        running = [
            stack.enter_context(contestant.running(setup)).warmed(max(_CALLERS))
            for contestant in contestants
        ]
        for number in range(setup.rounds):
            setup.say(f"{name}: round {number + 1} of {setup.rounds}")
            for callers in _CALLERS:
                for one in running:
                    cost = one.measure(Order(callers, seconds=seconds))
                    found[callers][one.name].append(cost)
    return [Measured(name, callers, costs) for callers, costs in found.items()]
