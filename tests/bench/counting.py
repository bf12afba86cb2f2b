# SPDX-License-Identifier: Apache-2.0
"""What an operation asked of a cloud, out of what it did in several rounds."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from tests.bench.ends.lives import Taken
from tests.contract.meter import Cost, Request


@dataclasses.dataclass(frozen=True)
class Counted:
    """What one operation asked.

    :param requests: without polls
    :param waves: of requests that had to wait for each other
    :param polls: further looks for the end of a detach
    :param kinds: the requests without ids, wave by wave
    """

    requests: int
    waves: int
    polls: int
    kinds: str


def counted(rounds: Sequence[Taken]) -> Counted:
    """Count: of requests the median, of waves the least.

    Requests that wait for each other do so in every round; that one happens to begin when
    another one has ended is a busy machine's doing.
    """
    costs = [Cost(without_polls(taken.requests)) for taken in rounds]
    least = min(costs, key=lambda cost: cost.waves)
    return Counted(
        requests=statistics.median_low(len(cost.requests) for cost in costs),
        waves=least.waves,
        polls=statistics.median_low(
            len(taken.requests) - len(cost.requests)
            for taken, cost in zip(rounds, costs, strict=True)
        ),
        kinds=least.kinds,
    )


def without_polls(made: Sequence[Request]) -> list[Request]:
    """Leave out requests that repeat the one before, in a row that follows a detach."""
    kept: list[Request] = []
    last = Request("", 0.0, 0.0)
    waiting = False
    for request in sorted(made, key=lambda one: one.began):
        if waiting and request.what == last.what:
            continue
        waiting = _detaches(last.what) if last.what else False
        kept.append(request)
        last = request
    return kept


def _detaches(what: str) -> bool:
    return what.startswith("DELETE ") and "/os-interface/" in what
