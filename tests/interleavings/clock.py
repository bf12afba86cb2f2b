# SPDX-License-Identifier: Apache-2.0
"""Time, ids and chance of the threads that a scheduler runs: the same in every run."""

from __future__ import annotations

import contextlib
import datetime
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Self
from unittest import mock


class Seat:
    """What a thread that is scheduled has instead of the machine's clock and chance.

    Each thread has ids and chance of its own, so that they do not depend on the order in
    which threads run.

    :param seed: the same ids for the same seed
    :param sleep: is called instead of sleeping, with the seconds
    """

    def __init__(self, seed: int, sleep: Callable[[float], None]) -> None:
        self.chance = random.Random(seed)
        self.sleep = sleep

    def new_id(self) -> uuid.UUID:
        """Return another id."""
        return uuid.UUID(int=self.chance.getrandbits(128), version=4)


class Clock:
    """The time that passes in runs.

    :param start: seconds since the epoch at which each run begins
    """

    def __init__(self, start: float) -> None:
        self.start = self.now = start
        self._seats: dict[int, Seat] = {}

    def take(self, seat: Seat) -> None:
        """Give a seat to the thread that calls this."""
        self._seats[threading.get_ident()] = seat

    def leave(self) -> None:
        """Give back the seat of the thread that calls this."""
        self._seats.pop(threading.get_ident(), None)

    def seat(self) -> Seat | None:
        """Return the seat of the thread that calls this, None if it is not scheduled."""
        return self._seats.get(threading.get_ident())

    @contextlib.contextmanager
    def govern(self) -> Iterator[Self]:
        """Let the process's scheduled threads have this time, these ids, this chance."""
        with contextlib.ExitStack() as stack:
            for owner, name, substitute in self._substitutes():
                stack.enter_context(mock.patch.object(owner, name, substitute))
            yield self

    def _substitutes(self) -> Iterator[tuple[Any, str, Any]]:
        seats, ident = self._seats, threading.get_ident

        def or_real(real: Callable[..., Any], ours: Callable[..., Any]) -> Any:
            def chosen(*args: Any) -> Any:
                seat = seats.get(ident())
                return real(*args) if seat is None else ours(seat, *args)

            return chosen

        now = or_real(time.time, lambda _: self.now)
        yield time, "time", now
        yield time, "monotonic", or_real(time.monotonic, lambda _: self.now)
        yield time, "sleep", or_real(time.sleep, lambda seat, s: seat.sleep(s))
        yield uuid, "uuid4", or_real(uuid.uuid4, Seat.new_id)
        for name in ("uniform", "randrange", "choice"):
            yield random, name, or_real(getattr(random, name), _of_chance(name))
        yield datetime, "datetime", _datetime(now)


def _of_chance(name: str) -> Callable[..., Any]:
    def choose(seat: Seat, *args: Any) -> Any:
        return getattr(seat.chance, name)(*args)

    return choose


def _datetime(now: Callable[[], float]) -> type[datetime.datetime]:
    class Governed(datetime.datetime):
        """The standard library's, but for what time it is."""

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(now(), tz)

    return Governed


@contextlib.contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """Give what is made in the block, by any thread, the same ids in every process."""
    chance = random.Random(seed)

    def new_id() -> uuid.UUID:
        return uuid.UUID(int=chance.getrandbits(128), version=4)

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(uuid, "uuid4", new_id))
        for name in ("uniform", "randrange", "choice"):
            choose = getattr(chance, name)
            stack.enter_context(mock.patch.object(random, name, choose))
        yield
