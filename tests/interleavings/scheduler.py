# SPDX-License-Identifier: Apache-2.0
"""Runs calls in threads of which one at a time goes on, as a schedule says."""

from __future__ import annotations

import dataclasses
import functools
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from tests.interleavings.clock import Clock, Seat
from tests.interleavings.footprints import NOTHING, Footprint
from tests.interleavings.schedules import Schedule

#: Seconds that a step takes.
_STEP = 0.02
#: Steps after which a run is taken to be endless.
_ENDLESS = 1500
#: Real seconds after which a run is taken to be stuck.
_STUCK = 120.0


class Ended(BaseException):
    """The thread is to end here: its process was killed, or the run is not needed."""


class Endless(Exception):
    """A run took more steps than any that ends."""


@dataclasses.dataclass(slots=True)
class Step:
    """What somebody is about to do.

    :param footprint: what it touches
    :param events: what can happen to it
    :param until: for a sleep, when it ends
    """

    footprint: Footprint = NOTHING
    events: Sequence[str] = ()
    until: float | None = None


@dataclasses.dataclass(slots=True, eq=False)
class Errand:
    """Something that the cloud has taken on and does by itself.

    :param due: when it is done at the latest
    :param free: whether it may come at any time, or only by an interruption
    :param same: a step that equals it waits for its end
    """

    name: str
    due: float
    step: Step
    do: Callable[[], None]
    free: bool
    same: object = None
    over: bool = False


class Actor:
    """One call, run in a thread.

    :param name: one letter
    :param seed: of its ids and its chance
    """

    def __init__(self, name: str, seed: int, run: Run) -> None:
        self.name = name
        self.run = run
        self.go = threading.Lock()
        self.go.acquire()
        self.step = Step()
        self.steps = 0
        self.errands = 0
        self.over = False
        self.events: list[str] = []
        #: Of the requests that are refused for good, the method.
        self.refused = ""
        self.result: Any = None
        self.error: BaseException | None = None
        self.seat = Seat(seed, self._sleep)

    def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.run.gate(self, Step(until=self.run.clock.now + seconds))

    def settle(self, call: Callable[[], Any]) -> None:
        """Make the call, and keep what came of it."""
        try:
            self.result = call()
        except Ended as ended:
            self.error = ended
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the result
            self.error = error


class Run:
    """One run.

    :param schedule: what happens
    :param chance: chooses what the schedule leaves open, with a bound on both kinds of
        differences; None for the default
    """

    def __init__(
        self, clock: Clock, schedule: Schedule, chance: Chance | None = None
    ) -> None:
        self.clock = clock
        self.schedule = schedule
        self.alternatives: list[tuple[str, int, int, int]] = []
        self.actors: list[Actor] = []
        self.errands: list[Errand] = []
        self.pruned = False
        self.words: list[str] = []
        #: The number of the decision that the last of them changed.
        self.last = -1
        #: What came between the two halves of a request so that nobody can see it.
        self.gaps: list[str] = []
        #: Ports that were put into one group between the halves of a change that puts them
        #: into another one.
        self.overtaken: list[str] = []
        self._choices = schedule.choices()
        self._chance = chance
        self._place = 0
        self._seen: defaultdict[str, int] = defaultdict(int)
        self._asleep: list[Actor] = []
        self._begun = False
        self._main = threading.Lock()
        self._main.acquire()

    def play(
        self, threads: Threads, calls: Sequence[Callable[[Actor], Any]], seed: int
    ) -> None:
        """Run calls to their ends.

        :param seed: of ids, which must not come again in the same network
        """
        self.clock.now = self.clock.start
        names = "ABC"
        self.actors = [Actor(names[n], seed + n, self) for n in range(len(calls))]
        for actor, call in zip(self.actors, calls, strict=True):
            threads.start(actor, call)
            self._wait()
        self._begun = True
        first = self._choose(None)
        if first:
            first.go.release()
            self._wait()

    def _wait(self) -> None:
        if not self._main.acquire(timeout=_STUCK):
            raise TimeoutError(f"stuck: {self.schedule}")

    def gate(self, actor: Actor, step: Step) -> str:
        """Wait until it is the actor's turn, and return what happens to its step.

        :returns: an event of the step's, or an empty text
        """
        if self.pruned or "kill" in actor.events:
            raise Ended
        actor.step = step
        actor.steps += 1
        if self._begun:
            self._hand_over(actor)
        else:
            self._main.release()
            actor.go.acquire()
        if self.pruned:
            raise Ended
        return self._arrive(actor)

    def finish(self, actor: Actor) -> None:
        """End an actor's part."""
        actor.over = True
        if not self._begun:
            self._main.release()
            return
        after = None if self.pruned else self._choose(actor)
        if after is None and self.pruned:
            after = next((one for one in self.actors if not one.over), None)
        (after.go if after else self._main).release()

    def _hand_over(self, actor: Actor) -> None:
        after = self._choose(actor)
        if after is None:
            # Not needed; the others end when this one does.
            raise Ended
        if after is not actor:
            after.go.release()
            actor.go.acquire()

    def _arrive(self, actor: Actor) -> str:
        """Begin a step."""
        step, clock = actor.step, self.clock
        if actor.steps > _ENDLESS:
            self.pruned = True
            raise Endless(f"{actor.name} takes more than {_ENDLESS} steps")
        clock.now = max(clock.now + _STEP, step.until or 0.0)
        event = self._event(actor)
        if event:
            actor.events.append(event)
        if not event or event in ("lost", "timeout", "lease", "deadline"):
            self._wake(step.footprint)
        if event == "kill":
            raise Ended
        return event

    def _event(self, actor: Actor) -> str:
        place = self._place = self._place + 1
        where = f"{actor.name}{actor.steps}!"
        chosen = self._choices.get(where, "")
        if self._chance and not chosen:
            chosen = self._chance.event(actor.step.events)
        if chosen:
            self.words.append(where + chosen)
            self.last = place
        elif place > self.schedule.place:
            for event in actor.step.events:
                self.alternatives.append((where + event, place, 0, 1))
        return chosen

    def _wake(self, footprint: Footprint) -> None:
        self._asleep = [
            one for one in self._asleep if not one.step.footprint.meets(footprint)
        ]

    def _choose(self, current: Actor | None) -> Actor | None:
        """Let errands end that are due, and return who goes on.

        :returns: None if nobody is left, or if the run is the same as another one
        """
        while True:
            options = self._options(current)
            if not options:
                self.pruned = any(not actor.over for actor in self.actors)
                return None
            after = self._decide(current, options)
            if isinstance(after, Actor):
                if current and after is not current and options[0] is current:
                    # Its next step first, and then the interruption, is tried as well.
                    self._asleep.append(current)
                return after
            self.end(after)

    def end(self, errand: Errand) -> None:
        """Let an errand be done now."""
        errand.over = True
        self._wake(errand.step.footprint)
        self.clock.now += _STEP
        errand.do()

    def _options(self, current: Actor | None) -> list[Actor | Errand]:
        """Return who can go on, the one that does by default first."""
        actors = [one for one in self.actors if not one.over]
        awake = [one for one in actors if one not in self._asleep]
        errands = sorted(
            [one for one in self.errands if not one.over], key=lambda one: one.due
        )
        if actors and not awake:
            return []
        order: list[Actor | Errand] = []
        order += [one for one in errands if one.due <= self.clock.now]
        if current and self._runs(current) and current in awake:
            order.append(current)
        behind = self.actors.index(current) + 1 if current else 0
        turn = self.actors[behind:] + self.actors[:behind]
        order += [one for one in turn if one in awake and one.step.until is None]
        waiting: list[tuple[float, int, Actor | Errand]]
        waiting = [(one.due, 0, one) for one in errands]
        waiting += [(one.step.until or 0, 1, one) for one in awake if one.step.until]
        order += [one for *_, one in sorted(waiting, key=lambda one: one[:2])]
        return _unique(order)

    def _runs(self, actor: Actor) -> bool:
        return not actor.over and actor.step.until is None

    def _decide(
        self, current: Actor | None, options: list[Actor | Errand]
    ) -> Actor | Errand:
        place = self._place = self._place + 1
        here = f"{current.name}{current.steps}" if current else "-0"
        again, self._seen[here] = self._seen[here], self._seen[here] + 1
        where = f"{here}.{again}>" if again else f"{here}>"
        named = {one.name: one for one in options}
        default, *others = options
        costs = {one.name: self._cost(current, one) for one in others}
        chosen = self._choices.get(where, "")
        if self._chance and not chosen:
            chosen = self._chance.switch(costs)
        if chosen and chosen in named:
            self.words.append(where + chosen)
            self.last = place
            return named[chosen]
        if place > self.schedule.place:
            for name, cost in costs.items():
                self.alternatives.append((where + name, place, cost, 0))
        return default

    def _cost(self, current: Actor | None, other: Actor | Errand) -> int:
        """Return whether it is an interruption that another one goes on."""
        if isinstance(other, Errand):
            return 0 if other.free else 1
        if other.step.until is not None:
            # Who wakes before the others is in front of them.
            return 1
        return 1 if current and self._runs(current) else 0


def _unique(order: Sequence[Actor | Errand]) -> list[Actor | Errand]:
    found: list[Actor | Errand] = []
    for one in order:
        if not any(one is other for other in found):
            found.append(one)
    return found


class Chance:
    """Chooses at random, beyond what is tried one by one.

    :param seed: the same choices for the same seed
    :param events: how many steps may fail
    """

    def __init__(self, seed: int, events: int = 2) -> None:
        self._random = random.Random(seed)
        self._rate = self._random.choice((0.05, 0.15, 0.4))
        self._events = self._random.randrange(events + 1)

    def switch(self, costs: dict[str, int]) -> str:
        """Return who goes on instead of who would, or nothing."""
        if not costs or self._random.random() > self._rate:
            return ""
        return self._random.choice(sorted(costs))

    def event(self, events: Sequence[str]) -> str:
        """Return what happens to a step, or nothing."""
        if not (events and self._events) or self._random.random() > 0.06:
            return ""
        self._events -= 1
        return self._random.choice(list(events))


class Threads:
    """Threads that are used again by one run after the other.

    :param clock: whose time they have
    """

    def __init__(self, clock: Clock, count: int = 3) -> None:
        self._clock = clock
        self._jobs: list[tuple[Actor, Callable[[Actor], Any]] | None] = [None] * count
        self._locks = [threading.Lock() for _ in range(count)]
        for number, lock in enumerate(self._locks):
            lock.acquire()
            threading.Thread(target=self._work, args=[number], daemon=True).start()

    def start(self, actor: Actor, call: Callable[[Actor], Any]) -> None:
        """Run a call in the actor's thread."""
        number = ord(actor.name) - ord("A")
        self._jobs[number] = actor, call
        self._locks[number].release()

    def close(self) -> None:
        """End the threads."""
        for number, lock in enumerate(self._locks):
            self._jobs[number] = None
            lock.release()

    def _work(self, number: int) -> None:
        while True:
            self._locks[number].acquire()
            job = self._jobs[number]
            if job is None:
                return
            actor, call = job
            self._clock.take(actor.seat)
            actor.settle(functools.partial(call, actor))
            # Before its seat is left: what is still to be done is done in this thread.
            actor.run.finish(actor)
            self._clock.leave()
