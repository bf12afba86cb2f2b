# SPDX-License-Identifier: Apache-2.0
"""Several processes that share the schedules of many pairs."""

from __future__ import annotations

import dataclasses
import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.interleavings.explorer import Bounds, Report, Share, explore, shrink
from tests.interleavings.pairs import all_pairs, named
from tests.interleavings.sandbox import PREFIX, sandbox_pairs, sandbox_stage
from tests.interleavings.stage import ALL, SOME, Stage, Theatre, theatre


@dataclasses.dataclass(frozen=True)
class Form:
    """How much is tried.

    :param bounds: of pairs, and of three copies
    :param shares: into how many parts a pair is divided
    :param everything: whether all kinds of events are tried, or those that matter most
    """

    two: Bounds
    three: Bounds
    shares: int
    everything: bool

    def bounds(self, pair: str) -> Bounds:
        """Return the bounds of a pair."""
        return self.three if pair.endswith("x 3") else self.two

    def parts(self, pair: str) -> int:
        """Return into how many parts the schedules of a pair are divided."""
        few = pair.endswith("x 1") or pair.startswith(PREFIX)
        return 1 if few else self.shares


#: All of it.
FULL = Form(
    two=Bounds(switches=3, with_event=1, events=1, random=1500),
    three=Bounds(switches=2, with_event=0, events=1, random=300),
    shares=3,
    everything=True,
)
#: What fits into a test.
SHORT = Form(
    two=Bounds(switches=2, with_event=0, events=1),
    three=Bounds(switches=1, with_event=0, events=0),
    shares=1,
    everything=False,
)


def names() -> list[str]:
    """Return the names of all pairs, those on a sandbox included."""
    return [pair.name for pair in all_pairs()] + [pair.name for pair in sandbox_pairs()]


def short_names() -> list[str]:
    """Return the names of the pairs that the tests try.

    One call alone is tried by the rollback matrix, too.
    """
    return [
        name
        for name in names()
        if not name.endswith("x 1")
        and not (name.startswith(PREFIX) and name.endswith("x 3"))
    ]


def stage_of(place: Theatre, name: str, form: Form) -> Stage:
    """Return the stage of a pair."""
    if name.startswith(PREFIX):
        return sandbox_stage(place, name)
    return Stage.of(place, named(name), ALL if form.everything else SOME)


Task = tuple[str, int]


def run(
    form: Form, wanted: Sequence[str], seconds: float, processes: int
) -> Iterator[tuple[str, Report]]:
    """Try the schedules of pairs, and yield the report of each when it is complete.

    :param seconds: how long all of it may take
    """
    context = multiprocessing.get_context("spawn")
    tasks: Any = context.Queue()
    answers: Any = context.Queue()
    todo = [(name, part) for name in wanted for part in range(form.parts(name))]
    for task in todo:
        tasks.put(task)
    for _ in range(processes):
        tasks.put(None)
    left = context.Value("i", len(todo))
    end = time.monotonic() + seconds
    arguments = (form, tasks, answers, left, end, processes)
    workers = [
        context.Process(target=_work, args=arguments, daemon=True)
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    yield from _gathered(len(todo), form, answers.get)
    for worker in workers:
        worker.join()


def _gathered(
    count: int, form: Form, get: Callable[[], tuple[str, Report | str]]
) -> Iterator[tuple[str, Report]]:
    reports: dict[str, Report] = {}
    parts: dict[str, int] = {}
    for _ in range(count):
        name, report = get()
        assert isinstance(report, Report), f"{name}: {report}"
        reports.setdefault(name, Report()).add(report)
        parts[name] = parts.get(name, 0) + 1
        if parts[name] == form.parts(name):
            yield name, reports.pop(name)


def _work(
    form: Form, tasks: Any, answers: Any, left: Any, end: float, processes: int
) -> None:
    warnings.simplefilter("ignore")
    with theatre() as place:
        while (task := tasks.get()) is not None:
            name, number = task
            now = time.monotonic()
            share = (end - now) * processes / max(left.value, 1)
            left.value -= 1
            part = Share(number, form.parts(name), now + max(share, 1.0))
            try:
                stage = stage_of(place, name, form)
                report = explore(stage, form.bounds(name), part, time.monotonic)
                report.findings = [shrink(stage, one) for one in report.findings[:3]]
                answers.put((name, report))
            except Exception as error:  # noqa: BLE001 - it ends the other process
                answers.put((name, repr(error)))
