# SPDX-License-Identifier: Apache-2.0
"""Ask the pool again and again, remember an hour of it, and tell whoever looks."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from anyio import to_thread

from networker import exceptions

#: Seconds between two questions.
EVERY = 2.0
#: Seconds that a sample is about, and that samples are kept.
_STEP, _KEPT = 10.0, 3600.0

State = Mapping[str, Any]


@dataclasses.dataclass
class Sample:
    """What ended in some seconds.

    :param at: when it ended, in seconds since the epoch
    :param seconds: that it lasted
    :param methods: by method, how many calls ended, how many of them with an error, and
        the seconds that they ran
    :param errors: by class, how many
    """

    at: float
    seconds: float = 0.0
    methods: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    errors: dict[str, int] = dataclasses.field(default_factory=dict)

    def add(
        self, method: str, ended: int, errors: Mapping[str, int], ran: float
    ) -> None:
        """Add calls of a method."""
        sums = self.methods.setdefault(method, [0, 0, 0.0])
        failed = sum(errors.values())
        for place, value in enumerate((ended, failed, ran)):
            sums[place] += value
        for name, count in errors.items():
            if count:
                self.errors[name] = self.errors.get(name, 0) + count


class Rates:
    """What ended within the last hour, from counters that grow.

    :param step: seconds that a sample is about
    """

    def __init__(self, step: float = _STEP) -> None:
        self._step = step
        #: By worker process: when it told them, and its counters by method.
        self._last: dict[str, tuple[float, dict[str, Any]]] = {}
        self._asked: float | None = None
        self._now: Sample | None = None
        #: The oldest first; the last one may still grow.
        self.samples: deque[Sample] = deque(maxlen=int(_KEPT / step))

    def note(self, state: State) -> None:
        """Note what workers have counted.

        A worker process counts from zero. What one that is seen for the first time had
        counted before anybody asked belongs to no sample.

        :param state: as the pool told it
        """
        at, workers = state["asked_at"], state["workers"]
        if self._now is None or self._now.seconds >= self._step:
            self._now = Sample(at)
            self.samples.append(self._now)
        if self._asked is not None:
            self._now.seconds += max(0.0, at - self._asked)
        self._now.at = at
        for worker in workers:
            self._note_worker(self._now, worker, at)
        gone = [name for name, (seen, _) in self._last.items() if at - seen > _KEPT]
        for name in gone:
            del self._last[name]
        self._asked = at

    def _note_worker(
        self, sample: Sample, worker: Mapping[str, Any], at: float
    ) -> None:
        if worker.get("hangs"):
            return  # it told nothing
        name = f"{worker['host']}:{worker['pid']}:{worker['since']}"
        _, known = self._last.get(name, (at, {}))
        is_new = self._asked is not None and (worker["since"] or 0.0) >= self._asked
        now = {each["method"]: each for each in worker["calls"]}
        if name in self._last or is_new:
            for method, each in now.items():
                _add_growth(sample, each, known.get(method))
        self._last[name] = at, now

    def summary(self) -> dict[str, Any]:
        """Return the sums of the last hour, for JSON."""
        methods: dict[str, list[float]] = {}
        errors: dict[str, int] = {}
        for sample in self.samples:
            for method, sums in sample.methods.items():
                known = methods.setdefault(method, [0, 0, 0.0])
                methods[method] = [a + b for a, b in zip(known, sums, strict=True)]
            for name, count in sample.errors.items():
                errors[name] = errors.get(name, 0) + count
        return {
            "seconds": sum(sample.seconds for sample in self.samples),
            "methods": methods,
            "errors": errors,
        }

    def curve(self) -> list[tuple[float, float, float]]:
        """Return when, and how many calls and errors ended a second, sample by sample."""
        return [
            (
                sample.at,
                _per_second(sample, 0),
                _per_second(sample, 1),
            )
            for sample in self.samples
            if sample.seconds
        ]


def _per_second(sample: Sample, place: int) -> float:
    count = sum(sums[place] for sums in sample.methods.values())
    return round(count / sample.seconds, 4)


def _add_growth(
    sample: Sample, now: Mapping[str, Any], before: Mapping[str, Any] | None
) -> None:
    known = before or {"ended": 0, "errors": {}, "seconds": 0.0}
    ended = max(0, now["ended"] - known["ended"])
    if not ended:
        return
    errors = {
        name: max(0, count - known["errors"].get(name, 0))
        for name, count in now["errors"].items()
    }
    ran = max(0.0, now["seconds"] - known["seconds"])
    sample.add(now["method"], ended, errors, ran)


class Watch:
    """Asks the pool while the console runs, and keeps what it said last.

    :param ask: asks the pool, which may take a second
    :param every: seconds between two questions
    """

    def __init__(self, ask: Callable[[], State], every: float = EVERY) -> None:
        self._ask = ask
        self._every = every
        self._rates = Rates()
        self._changed = asyncio.Condition()
        self._told: dict[str, Any] | None = None
        self._pool: State | None = None
        self._ended = False

    async def run(self) -> None:
        """Ask until it is cancelled; what else ends it ends :meth:`messages`, too."""
        try:
            await self._run()
        finally:
            self._ended = True
            async with self._changed:
                self._changed.notify_all()

    async def _run(self) -> None:
        while True:
            error = None
            try:
                self._pool = await to_thread.run_sync(self._ask)
                self._rates.note(self._pool)
            except exceptions.NetworkException as failed:
                error = f"{type(failed).__name__}: {failed}"
            async with self._changed:
                self._told = self._message(error)
                self._changed.notify_all()
            await asyncio.sleep(self._every)

    def _message(self, error: str | None) -> dict[str, Any]:
        return {
            "at": time.time(),
            # Of a pool that cannot be asked, what it said last stays to be seen.
            "error": error,
            "pool": self._pool,
            "rates": {**self._rates.summary(), "curve": self._rates.curve()},
        }

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Return what was said last, and all that is said from then on."""
        told = None
        while True:
            async with self._changed:
                while not self._ended and self._told is told:
                    await self._changed.wait()
                told = self._told
            if self._ended or told is None:
                return
            yield told
