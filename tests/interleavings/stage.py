# SPDX-License-Identifier: Apache-2.0
"""A meeting on a cloud, played again and again from where it begins."""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import logging
import pathlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

from networker.context import Context
from networker.drivers.neutron.driver import NeutronDriver
from networker.drivers.neutron.resources import cloud as driver_cloud
from networker.testing import kit
from tests.faults.bench import Bench, benches
from tests.faults.picture import picture
from tests.faults.scene import Call
from tests.interleavings.clock import Clock, repeatable
from tests.interleavings.flows import SerialFlows
from tests.interleavings.gate import GatedSession, Line
from tests.interleavings.grounds import CloudGround, Ground, Menu
from tests.interleavings.meetings import Meeting, Pair
from tests.interleavings.rules import Ending, broken, things
from tests.interleavings.scheduler import Actor, Chance, Endless, Run, Threads
from tests.interleavings.schedules import LASTING, Schedule

#: Seconds that a call may take.
_DEADLINE = 3600.0
#: Of the ids in a run, which are others than those of what was there before.
_SEED = 1000
#: Seconds between a meeting and the calls that are made after it.
_AFTERWARDS = 5.0

#: What can happen to whatever a call does.
_TO_CALLS = ("kill", "deadline", "lease")
#: Nothing happens.
CALM: Menu = dict.fromkeys(("GET", "POST", "insert", "PUT", "DELETE", "half"), ())


def _menu(reading: Sequence[str], writing: Sequence[str], half: Sequence[str]) -> Menu:
    later = dict.fromkeys(("POST", "PUT", "DELETE"), (*writing, "later"))
    return {"GET": reading, **later, "insert": (*writing, "late"), "half": half}


#: What shows whether a call that fails takes something from another one.
FEW = _menu((), ("409*",), ())
#: What makes the most difference.
SOME = _menu(
    ("500*",), ("409*", "500*", "lost", "timeout", "kill", "lease", "deadline"), ()
)
_STATUSES = tuple(map(str, (400, 401, 403, 404, 409, 413, 429, 500, 503)))
_LASTING = tuple(f"{status}{LASTING}" for status in (400, 409, 500, 503))
#: Everything.
ALL = _menu(
    (*_STATUSES, *_LASTING, "reset", "timeout", *_TO_CALLS),
    (*_STATUSES, *_LASTING, "reset", "lost", "timeout", *_TO_CALLS),
    _TO_CALLS,
)


class Played:
    """What came of a schedule.

    :param wrong: the rule that does not hold, and why
    """

    def __init__(
        self, run: Run, picture: str, wrong: tuple[str, str] | None, story: list[Line]
    ) -> None:
        self.run = run
        self.picture = picture
        self.wrong = wrong
        self.story = story


class Stage:
    """What exists before a meeting, and what is expected after it.

    :param place: where it is played
    :param ground: has what exists at the beginning
    :param empty: what exists before anything that the inverse takes back, in words
    :param menu: what can happen to requests
    """

    def __init__(
        self, place: Theatre, meeting: Meeting, ground: Ground, empty: str, menu: Menu
    ) -> None:
        self.meeting = meeting
        self.menu = menu
        self._place = place
        self._ground = ground
        self._empty = empty
        self._start = ground.save()
        self._known: dict[tuple[str, str], str] = {}
        self._serial: dict[tuple[int, ...], set[str]] = {}
        self._untouched = things(ground.contents())
        for count in range(1, len(meeting.calls) + 1):
            for numbers in itertools.combinations(range(len(meeting.calls)), count):
                self.serial(numbers)

    @classmethod
    def of(cls, place: Theatre, pair: Pair, menu: Menu) -> Stage:
        """Arrange a pair on a fake cloud."""
        bench = place.bench
        bench.restore(bench.bare)
        bench.empty = bench.bare
        with repeatable(1):
            meeting = pair.arrange(bench)
        ground = CloudGround(bench, place.conf)
        calm = pair.calm
        return cls(place, meeting, ground, picture(bench.empty), CALM if calm else menu)

    def play(
        self, schedule: Schedule, chance: Chance | None = None, *, telling: bool = False
    ) -> Played:
        """Play the meeting, and look what came of it; not where the run was pruned."""
        ground = self._ground
        ground.restore(self._start)
        ground.story, ground.telling = [], telling
        run = self._run(self.meeting.calls, schedule, chance, self.menu)
        ground.telling = False
        story = list(ground.story)
        endless = any(isinstance(one.error, Endless) for one in run.actors)
        if run.pruned and not endless:
            return Played(run, "", None, story)
        seen = ground.picture()
        return Played(run, seen, broken(self._ending(run, seen)), story)

    def _ending(self, run: Run, seen: str) -> Ending:
        after, now = self._ground.save(), self._ground.contents()
        return Ending(
            meeting=self.meeting,
            actors=run.actors,
            gaps=run.gaps,
            overtaken=run.overtaken,
            untouched=self._untouched,
            after=now,
            picture=seen,
            serial=self.serial,
            then=functools.partial(self._then, seen, after),
            again=functools.partial(self._again, seen, after),
        )

    def _run(
        self,
        calls: Sequence[Call],
        schedule: Schedule,
        chance: Chance | None = None,
        menu: Menu = CALM,
        seed: int = _SEED,
    ) -> Run:
        run = Run(self._place.clock, schedule, chance)
        bodies = [functools.partial(self._call, run, call, menu) for call in calls]
        run.play(self._place.threads, bodies, seed)
        return run

    def _call(self, run: Run, call: Call, menu: Menu, actor: Actor) -> Any:
        same = self.meeting.same
        operation = "call" if same else f"call-{actor.name}"
        context = Context(operation, deadline=time.time() + _DEADLINE)
        with context.entered():
            return call(self._ground.driver(run, actor, menu, context))

    def serial(self, numbers: Sequence[int]) -> set[str]:
        """Return what calls leave that are made one after the other, in any order.

        :param numbers: of the calls; -1 is what is left after the inverse
        """
        key = tuple(numbers)
        if -1 in key:
            return {self._empty}
        if self.meeting.same:
            key = key[:1]
        if key not in self._serial:
            orders = itertools.permutations(key)
            self._serial[key] = {self._after(order) for order in orders}
        return self._serial[key]

    def _after(self, order: Sequence[int]) -> str:
        self._ground.restore(self._start)
        for place, number in enumerate(order):
            seed = _SEED + 10 * place
            self._run([self.meeting.calls[number]], Schedule(), seed=seed)
        now = things(self._ground.contents())
        kept = self._untouched.items()
        self._untouched = {key: one for key, one in kept if now.get(key) == one}
        return self._ground.picture()

    def _then(self, seen: str, after: Any, what: str) -> str:
        """Return what exists after the calls are repeated, or taken back."""
        key = (what, seen)
        if key not in self._known:
            repeated = what == "repeated"
            call = self.meeting.calls[0] if repeated else self.meeting.inverse
            self._known[key] = self._alone(after, [call])
        return self._known[key]

    def _again(self, seen: str, after: Any, numbers: Sequence[int]) -> str:
        """Return what exists after calls are run again, given their numbers."""
        key = (f"again {numbers}", seen)
        if key not in self._known:
            calls = [self.meeting.calls[number] for number in numbers]
            self._known[key] = self._alone(after, calls)
        return self._known[key]

    def _alone(self, after: Any, calls: Sequence[Call]) -> str:
        """Return what exists after some calls more, one after the other."""
        self._ground.restore(after)
        errors = []
        with self._place.later(_AFTERWARDS):
            for place, call in enumerate(calls):
                seed = _SEED + 100 + 10 * place
                errors.append(self._run([call], Schedule(), seed=seed).actors[0].error)
        end = self._ground.picture()
        raised = [repr(error) for error in errors if error]
        return f"raised {', '.join(raised)}\n{end}" if raised else end


class Theatre:
    """Where meetings are played: a bench, threads, a clock, and drivers.

    :param bench: on which meetings are arranged
    :param directory: for files
    """

    def __init__(self, bench: Bench, directory: str) -> None:
        self.bench = bench
        self.directory = directory
        self.clock = Clock(float(int(time.time()) + 2))
        self.threads = Threads(self.clock)
        self.conf = kit.configuration(pathlib.Path("/dev/null"))
        NeutronDriver(self.conf)

    @contextlib.contextmanager
    def later(self, seconds: float) -> Iterator[None]:
        """Let runs begin later than now."""
        start = self.clock.start
        self.clock.start = self.clock.now + seconds
        try:
            yield
        finally:
            self.clock.start = start


@contextlib.contextmanager
def theatre() -> Iterator[Theatre]:
    """Open a place for meetings in this process."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, logging.NOTSET)
        with repeatable(0):
            (bench,) = stack.enter_context(benches(pathlib.Path(directory), 1))
        made = Theatre(bench, directory)
        stack.callback(made.threads.close)
        for name, ours in (("Session", GatedSession), ("Flows", SerialFlows)):
            stack.enter_context(mock.patch.object(driver_cloud, name, ours))
        stack.enter_context(made.clock.govern())
        with _rarely_collecting():
            yield made


@contextlib.contextmanager
def _rarely_collecting() -> Iterator[None]:
    """Keep the interpreter from looking for cycles in all modules again and again."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
