# SPDX-License-Identifier: Apache-2.0
"""The experiments, what each has to show, and how it is shortened for ``make test``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from tests.chaos import (
    broker,
    clusters,
    cpu,
    kills,
    lifecycles,
    poison,
    quiet,
    seen,
    stopped,
    twins,
)
from tests.chaos.bench import Setup
from tests.chaos.results import Result


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One experiment.

    :param run: the function; its further parameters are the sizes
    :param must: what it has to show, for people
    :param short: sizes of the short form
    :param needs_cloud: whether it runs on the cloud that OS_CLOUD names
    """

    name: str
    run: Callable[..., Result]
    must: str
    short: Mapping[str, Any]
    needs_cloud: bool = False

    def perform(self, setup: Setup, *, short: bool = False) -> Result:
        """Run it; the short form judges no times, since other tests run beside it."""
        if short:
            return self.run(setup, **self.short).untimed()
        return self.run(setup)


ALL = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            "kill",
            kills.kill,
            "a worker is killed every second: 0 errors, lost, doubled; slowest call < 5 s",
            {"operations": 300, "every": 0.5, "masters": 2},
        ),
        Experiment(
            "kill-stock",
            kills.kill_stock,
            "the same with the stock driver, for comparison",
            {"operations": 200, "every": 0.7},
        ),
        Experiment(
            "broker",
            broker.restart,
            "the broker is killed: 0 lost, doubled; first success < 1 s after it opens",
            {"restarts": 1, "callers": 16, "masters": 2, "between": 30},
        ),
        Experiment(
            "cluster",
            clusters.cluster,
            "nodes of a cluster killed, and stopped for 30 s: 0 errors, lost, doubled",
            {
                "names": ("one",),
                "victims": ("leader",),
                "callers": 8,
                "masters": 2,
                "between": 30,
                "down_for": 2.0,
                "stop_for": 3.0,
            },
        ),
        Experiment(
            "cut",
            broker.cut,
            "cut off, then stalled: every call ends in time, 0 lost, workers come back",
            {
                "cut_for": 1.0,
                "stall_for": 3.0,
                "timeout": 2.0,
                "between": 30,
                "callers": 16,
                "masters": 2,
            },
        ),
        Experiment(
            "seen",
            seen.seen,
            "kill, stop, cut, poison, alarm, bad reload: seen in status, the console and an alert; "
            "four within 15 s; beside the metric and rabbitmqctl",
            {"causes": ("stop", "reload"), "alerts": False},
        ),
        Experiment(
            "quiet",
            quiet.quiet,
            "the broker does all but die: 0 lost, doubled, late; all serve 2 s afterwards",
            {"rounds": 1, "callers": 8},
        ),
        Experiment(
            "rolling",
            kills.rolling,
            "all workers and masters replaced by SIGTERM and SIGHUP: 0 errors, 0 lost",
            {"rounds": 1, "masters": 2, "callers": 8},
        ),
        Experiment(
            "poison",
            poison.poison,
            "it is put aside after 10 deliveries, others are unaffected, replay works",
            {"callers": 8, "masters": 2},
        ),
        Experiment(
            "stopped",
            stopped.stopped,
            "a worker stopped for 60 s: its call is done elsewhere, its copy changes nothing",
            {"stop_for": 12.0, "heartbeat": 2, "timeout": 40.0},
        ),
        Experiment(
            "lifecycles",
            lifecycles.on_sandbox,
            "100 lives under kills: everything as before, to the last item",
            {"lifecycles": 8, "every": 0.5, "masters": 2},
        ),
        Experiment(
            "lifecycles-fake",
            lifecycles.on_fake_cloud,
            "20 lives under kills and lost answers, on the tests' fake cloud: the same",
            {"lifecycles": 4, "every": 1.0},
        ),
        Experiment(
            "lifecycles-lab",
            lifecycles.on_lab,
            "20 lives under kills and lost answers, on the lab: the same",
            {"lifecycles": 3, "controllers": 2, "every": 5.0},
            needs_cloud=True,
        ),
        Experiment(
            "twins",
            twins.on_sandbox,
            "every mutator twice at once: one result, equal for both",
            {"rounds": 10},
        ),
        Experiment(
            "twins-lab",
            twins.on_lab,
            "the same on the lab",
            {"rounds": 3},
            needs_cloud=True,
        ),
        Experiment(
            "cpu",
            cpu.cpu,
            "a call costs at most 5 % more processor time than the stock driver's",
            {"rounds": 3, "calls": 200},
        ),
    )
}
