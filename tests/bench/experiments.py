# SPDX-License-Identifier: Apache-2.0
"""The experiments, and how each is shortened."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from tests.bench import codec, memory, operations, pairs, scale, start, tail
from tests.bench.conditions import Setup
from tests.bench.results import Row


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One experiment.

    :param run: the function; its further parameters are the sizes
    :param about: what it measures, for people
    :param short: sizes of the short form
    :param needs_cloud: whether it runs on the cloud that OS_CLOUD names
    """

    name: str
    run: Callable[..., list[Row]]
    about: str
    short: Mapping[str, Any]
    needs_cloud: bool = False

    def perform(self, setup: Setup, *, short: bool) -> list[Row]:
        """Run it."""
        return self.run(setup, **(self.short if short else {}))


ALL = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            "rate",
            pairs.rate,
            "calls per second, beside the stock driver on the same queues and the peers",
            {"seconds": 0.5},
        ),
        Experiment(
            "cpu",
            pairs.cpu,
            "processor time of a call: broker, worker and client, for the same",
            {"seconds": 0.5},
        ),
        Experiment(
            "scale",
            scale.scale,
            "reads of 100 ms: do more processes and threads answer more?",
            {"seconds": 2.0, "sizes": ((1, 4), (2, 8))},
        ),
        Experiment(
            "tail",
            tail.tail,
            "quick calls beside slow ones: does a busy worker hold them back?",
            {"seconds": 5.0},
        ),
        Experiment(
            "memory",
            memory.memory,
            "what a worker process has after many calls: memory, threads, connections",
            {"few": 2_000, "many": 10_000},
        ),
        Experiment(
            "start", start.start, "a worker's first answer; imports of a caller", {}
        ),
        Experiment(
            "codec",
            codec.codec,
            "the largest load balancer, encoded and decoded; bytes of every method",
            {},
        ),
        Experiment(
            "operations",
            operations.operations,
            "each operation on the cloud beside Octavia's own driver: requests, waves, time",
            {"most_rounds": 1},
            needs_cloud=True,
        ),
    )
}
