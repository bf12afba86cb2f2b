# SPDX-License-Identifier: Apache-2.0
"""What all ends have in common: settings, orders from the benchmark, and callers."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pathlib
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

#: The file descriptor on which the benchmark listens: one that nobody else has.
_ANSWERS = 100
#: Makes one call, and waits for its answer.
Call = Callable[[], object]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What an end is told; a file of JSON.

    :param url: of the broker, as py-amqp spells it
    :param name: of the contestant's queues
    :param threads: of the worker; 0 for as many as the contestant itself would take
    :param arguments: of the call: what networker would send of a real one
    :param config: a configuration file of oslo.config, for those who read one
    :param network_id: of a network that can be looked up
    :param profile: where profiles are written, or nothing
    :param place: for those that drive a cloud: a :class:`tests.bench.ends.lives.Place`
    """

    url: str
    name: str
    threads: int
    arguments: dict[str, Any]
    config: str = ""
    network_id: str = ""
    profile: str = ""
    place: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Order:
    """Calls to be made, until either limit is reached.

    :param callers: that make calls at the same time
    :param every: seconds after which a caller is due to make its next call. One that
        waits for an answer meanwhile makes it late, and that counts. With 0 it is due
        when the answer to the one before is there.
    """

    callers: int
    seconds: float = 86400.0
    calls: int = sys.maxsize
    every: float = 0.0


@dataclasses.dataclass(frozen=True)
class Done:
    """How an order went.

    :param calls: that were answered
    :param seconds: from the first call to the last answer
    :param median: seconds that a call took
    :param p99: seconds within which 99 of 100 were answered
    """

    calls: int
    seconds: float
    median: float
    p99: float


#: Carries out an order, and returns the seconds that each call took.
Measure = Callable[[Order], Sequence[float]]


def role() -> tuple[str, Settings]:
    """Return what the command line says: the role, and the settings in a file.

    From now on, what libraries print goes to the log: nobody empties the pipe of it.
    """
    os.dup2(1, _ANSWERS)
    os.dup2(2, 1)
    _, name, path = sys.argv
    return name, Settings(**json.loads(pathlib.Path(path).read_text()))


def say(line: str) -> None:
    """Tell the benchmark something."""
    os.write(_ANSWERS, f"{line}\n".encode())


def ready() -> None:
    """Tell the benchmark that this worker serves, or that this client takes orders."""
    say("ready")


def obey(measure: Measure) -> None:
    """Carry out the orders on standard input until it ends."""
    ready()
    for line in sys.stdin:
        began = time.perf_counter()
        taken = sorted(measure(Order(**json.loads(line))))
        seconds = time.perf_counter() - began
        count = len(taken)
        done = Done(count, seconds, taken[count // 2], taken[int(count * 0.99)])
        say(json.dumps(dataclasses.asdict(done)))


def until_done(order: Order) -> Iterator[int]:
    """Yield once for each call to be made, with its number from 1."""
    end = time.perf_counter() + order.seconds
    for number in itertools.count(1):
        yield number
        if number >= order.calls or time.perf_counter() >= end:
            return


class Callers:
    """Threads that make calls, the same ones for all orders.

    Contestants keep connections by thread, so each caller keeps its own.

    :param make: called once in each thread; returns what makes a call there
    """

    def __init__(self, make: Callable[[], Call]) -> None:
        self._make = make
        self._queues: list[queue.SimpleQueue[Order]] = []
        self._answers: queue.SimpleQueue[list[float] | BaseException] = (
            queue.SimpleQueue()
        )

    def measure(self, order: Order) -> list[float]:
        """Carry out an order.

        :raises BaseException: what a caller raised
        """
        while len(self._queues) < order.callers:
            self._queues.append(queue.SimpleQueue())
            threading.Thread(
                target=self._run, args=(self._queues[-1],), daemon=True
            ).start()
        shares = _shares(order)
        for waiting, share in zip(self._queues, shares, strict=False):
            waiting.put(share)
        taken: list[float] = []
        for _ in shares:
            answer = self._answers.get()
            if isinstance(answer, BaseException):
                raise answer
            taken += answer
        return taken

    def _run(self, orders: queue.SimpleQueue[Order]) -> None:
        try:
            call = self._make()
            while True:
                self._answers.put(list(_timed(call, orders.get())))
        except BaseException as error:  # noqa: BLE001 - raised where the order was given
            self._answers.put(error)


def _shares(order: Order) -> list[Order]:
    """Divide an order among its callers."""
    each, rest = divmod(order.calls, order.callers)
    counts = [each + (number < rest) for number in range(order.callers)]
    return [dataclasses.replace(order, callers=1, calls=n) for n in counts if n]


def _timed(call: Call, order: Order) -> Iterator[float]:
    due = time.perf_counter()
    for _ in until_done(order):
        call()
        now = time.perf_counter()
        yield now - due
        due = due + order.every if order.every else now
        if due > now:
            time.sleep(due - now)
