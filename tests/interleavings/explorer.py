# SPDX-License-Identifier: Apache-2.0
"""Which schedules of a meeting are tried, and how one that fails is shortened."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from tests.interleavings.scheduler import Chance
from tests.interleavings.schedules import Schedule
from tests.interleavings.stage import Played

#: How many findings of a rule are kept of one meeting.
_KEPT = 3


#: Of an id the end is shown, which differs.
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")


class Playable(Protocol):
    """What can play schedules."""

    def play(
        self, schedule: Schedule, chance: Chance | None = None, *, telling: bool = False
    ) -> Played:
        """Play one schedule, and look what came of it."""
        ...


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Which schedules are tried one by one.

    :param switches: how often somebody is interrupted where nothing fails
    :param with_event: how often where something fails
    :param events: how many steps fail
    :param random: how many schedules are tried at random after that
    """

    switches: int = 2
    with_event: int = 1
    events: int = 1
    random: int = 0

    def allow(self, switches: int, events: int) -> bool:
        """Tell whether a schedule with that many differences is to be tried."""
        if events:
            return switches <= self.with_event and events <= self.events
        return switches <= self.switches


@dataclasses.dataclass
class Finding:
    """A schedule after which a rule does not hold.

    :param rule: its name
    :param wrong: what is wrong
    """

    schedule: str
    rule: str
    wrong: str


@dataclasses.dataclass
class Report:
    """What came of a meeting's schedules.

    :param schedules: how many were run to the end, all of them different
    :param states: the different pictures of what existed at the end
    :param findings: some of each rule's
    :param broken: how many schedules ended with a rule broken, by rules
    :param gaps: after how many something had come between the halves of a deletion
    :param finished: whether all within the bounds were run
    """

    schedules: int = 0
    states: set[str] = dataclasses.field(default_factory=set)
    findings: list[Finding] = dataclasses.field(default_factory=list)
    broken: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    gaps: int = 0
    finished: bool = True

    def count(self, played: Played) -> None:
        """Count a schedule that was run to the end."""
        self.schedules += 1
        self.states.add(hashlib.sha256(played.picture.encode()).hexdigest()[:16])
        self.gaps += bool(played.run.gaps)
        if played.wrong is None:
            return
        rule, wrong = played.wrong
        self.broken[rule] += 1
        kept = sum(one.rule == rule for one in self.findings)
        if kept < _KEPT:
            text = " ".join(played.run.words)
            self.findings.append(Finding(text, rule, wrong))

    def add(self, other: Report) -> None:
        """Add what another part of the same meeting's schedules came to."""
        self.schedules += other.schedules
        self.states |= other.states
        self.findings += other.findings
        self.broken += other.broken
        self.gaps += other.gaps
        self.finished = self.finished and other.finished


@dataclasses.dataclass(frozen=True)
class Share:
    """A part of all schedules, so that several processes can try them.

    :param number: which part, from 0 on
    :param of: how many parts there are
    :param until: by the machine's clock, when to stop
    """

    number: int = 0
    of: int = 1
    until: float = float("inf")


def explore(
    stage: Playable,
    bounds: Bounds,
    share: Share = Share(),
    now: Callable[[], float] = time.perf_counter,
    enough: float = float("inf"),
    root: Schedule | None = None,
) -> Report:
    """Try all schedules within bounds, those with the fewest differences first.

    :param enough: with how many findings to stop
    :param root: what all schedules begin with, see :func:`rooted`
    """
    report = Report()
    waiting = collections.deque([root or Schedule()])
    while waiting:
        if now() > share.until or len(report.findings) >= enough:
            report.finished = False
            return report
        schedule = waiting.popleft()
        played = stage.play(schedule)
        mine = bool(schedule.words) or share.number == 0
        if (not played.run.pruned or played.wrong) and mine:
            report.count(played)
        more = played.run.alternatives
        if not schedule.words:
            more = [m for n, m in enumerate(more) if n % share.of == share.number]
        for word, place, switches, events in more:
            if bounds.allow(schedule.switches + switches, schedule.events + events):
                waiting.append(schedule.then(word, place, switches, events))
    for played in _at_random(stage, bounds, share, now):
        report.count(played)
    return report


def rooted(stage: Playable, text: str) -> Schedule:
    """Return a schedule that others are to begin with."""
    schedule = Schedule.read(text)
    return dataclasses.replace(schedule, place=stage.play(schedule).run.last)


def _at_random(
    stage: Playable, bounds: Bounds, share: Share, now: Callable[[], float]
) -> Iterator[Played]:
    known: set[str] = set()
    for seed in range(share.number, bounds.random, share.of):
        if now() > share.until:
            return
        played = stage.play(Schedule(), Chance(seed))
        words = played.run.words
        text = " ".join(words)
        within = _counted(words) and text not in known
        known.add(text)
        if within and (not played.run.pruned or played.wrong):
            yield played


def _counted(words: list[str]) -> bool:
    """Tell whether a schedule has more differences than those that were tried."""
    return len(words) > 2


def shrink(stage: Playable, finding: Finding) -> Finding:
    """Leave out of a schedule whatever the finding does not need."""
    best = Schedule.read(finding.schedule)
    shorter = True
    while shorter:
        shorter = False
        for index in reversed(range(len(best.words))):
            played = stage.play(best.without(index))
            if played.wrong and played.wrong[0] == finding.rule:
                best = Schedule(tuple(played.run.words))
                finding = Finding(str(best), *played.wrong)
                shorter = True
                break
    return finding


def story(stage: Playable, finding: Finding) -> str:
    """Return what happens in a schedule, step by step, and what is wrong at its end."""
    played = stage.play(Schedule.read(finding.schedule), telling=True)
    lines = []
    for one in played.story:
        lines.append(f"{one.who:>3}  {one.what}")
        lines += [f"       -> {one.answer}"] if one.answer else []
    for actor in played.run.actors:
        error = actor.error
        ended = f"raised {error!r}" if error is not None else "returned"
        lines.append(f"{actor.name:>3}  {ended}")
    rule, wrong = played.wrong or ("nothing", "")
    text = "\n".join([*lines, f"{rule}: {wrong}"])
    return _UUID.sub(lambda found: found[0][-6:], text)
