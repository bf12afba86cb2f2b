# SPDX-License-Identifier: Apache-2.0
"""Experiment: whether a worker that is busy holds back what an idle one could answer."""

from __future__ import annotations

import contextlib
import statistics

from tests.bench.conditions import Setup
from tests.bench.contestants import End, settings
from tests.bench.driver import SLOW
from tests.bench.ends.loop import Done, Order
from tests.bench.results import Limit, Row, ratios

#: Workers, threads of each, and callers that keep all threads but two with slow calls.
_WORKERS, _THREADS, _SLOW_CALLERS = 2, 4, 6
#: Callers of quick calls, and seconds between those of each. A steady stream, since
#: callers that wait for each other would make few calls while one is held back.
_QUICK_CALLERS, _EVERY = 8, 0.2
#: A quick call that waits for a slow one takes its seconds; this one did not.
_LIMIT = 1000 * SLOW / 4
#: Seconds of calls before those that are measured.
_WARM = 2.0


class _Side:
    """Workers, and clients that make slow calls and quick ones."""

    def __init__(
        self, setup: Setup, delivery: str, stack: contextlib.ExitStack
    ) -> None:
        options = {"networker": {"delivery": delivery, "threads": _THREADS}}
        file = settings(setup, delivery, options)

        def started(role: str) -> End:
            end = End("networker_end", role, file)
            stack.callback(end.close)
            return end

        self._workers = [started("worker") for _ in range(_WORKERS)]
        self._slow, self._quick = started("slow"), started("client")

    def measure(self, seconds: float) -> Done:
        """Return how the quick calls went."""
        slow = Order(_SLOW_CALLERS, seconds=seconds)
        quick = Order(_QUICK_CALLERS, seconds=seconds, every=_EVERY)
        self._slow.send(slow)
        self._quick.send(quick)
        done = self._quick.answer(quick)
        self._slow.answer(slow)
        return done


def tail(setup: Setup, *, seconds: float = 10.0) -> list[Row]:
    """Measure the 99th percentile of quick calls, and the stock driver's.

    :param seconds: for each measurement
    """
    names = {"networker": "at-least-once", "stock driver": "at-most-once"}
    found: dict[str, list[Done]] = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        sides = {name: _Side(setup, names[name], stack) for name in names}
        for side in sides.values():
            side.measure(_WARM)  # the first calls open the connections
        for number in range(setup.rounds):
            setup.say(f"round {number + 1} of {setup.rounds}")
            for name, side in sides.items():
                found[name].append(side.measure(seconds))
    p99 = {name: [1000 * d.p99 for d in done] for name, done in found.items()}
    notes = {name: _note(done) for name, done in found.items()}
    return [
        Row(
            "p99 of quick calls: networker",
            "ms",
            p99["networker"],
            limit=Limit(most=_LIMIT),
            note=notes["networker"],
        ),
        Row(
            "p99 of quick calls: stock driver",
            "ms",
            p99["stock driver"],
            against="networker / stock driver",
            ratios=ratios(p99["networker"], p99["stock driver"]),
            note=notes["stock driver"],
        ),
    ]


def _note(done: list[Done]) -> str:
    median = statistics.median(1000 * d.median for d in done)
    rate = statistics.median(d.calls / d.seconds for d in done)
    return f"median {median:.1f} ms, {rate:.0f}/s"
