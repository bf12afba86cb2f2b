# SPDX-License-Identifier: Apache-2.0
"""Calls that run at the same time, one request after the other in a random order."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

from networker.drivers.neutron.driver import NeutronDriver
from networker.exceptions import NetworkException
from tests.faults.wire import Wire

#: Seconds after which who sends no request is taken to wait for something else.
_IDLE = 0.02

Outcome = Any
"""What a call returned or raised."""


class Turns:
    """Lets one of several drivers send a request at a time, chosen by chance.

    :param seed: the same choices for the same seed, but for waits by the clock
    """

    def __init__(self, seed: int, drivers: int) -> None:
        self._chance = random.Random(seed)
        self._change = threading.Condition()
        self._busy = drivers
        self._waiting: set[int] = set()
        self._turn: int | None = None

    def take(self, who: int) -> None:
        """Wait for one's turn."""
        with self._change:
            self._waiting.add(who)
            self._change.notify_all()
            while self._turn != who:
                everybody = len(self._waiting) == self._busy
                if self._turn is None and (everybody or not self._change.wait(_IDLE)):
                    self._turn = self._chance.choice(sorted(self._waiting))
                    self._change.notify_all()
                elif self._turn not in (None, who):
                    self._change.wait(_IDLE)
            self._waiting.remove(who)

    def give(self) -> None:
        """End one's turn."""
        with self._change:
            self._turn = None
            self._change.notify_all()

    def leave(self) -> None:
        """Take no part any more."""
        with self._change:
            self._busy -= 1
            self._change.notify_all()


def at_once(
    seed: int,
    call: Callable[[NeutronDriver], Any],
    *drivers: tuple[NeutronDriver, Wire],
) -> list[Outcome]:
    """Make the same call by several drivers at once.

    :returns: what each returned, or the exception of the interface that it raised
    """
    turns = Turns(seed, len(drivers))

    def run(who: int, driver: NeutronDriver, wire: Wire) -> Outcome:
        wire.before_each = lambda: turns.take(who)
        wire.after_each = turns.give
        try:
            return call(driver)
        except NetworkException as error:
            return error
        finally:
            turns.leave()
            wire.before_each = wire.after_each = _nothing

    with futures.ThreadPoolExecutor(len(drivers)) as threads:
        running = [threads.submit(run, n, *one) for n, one in enumerate(drivers)]
        return [one.result() for one in running]


def _nothing() -> None:
    """Do nothing before and after a request."""
