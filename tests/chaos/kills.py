# SPDX-License-Identifier: Apache-2.0
"""Experiments: worker processes are killed, and are replaced, under load."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable

from networker.testing import processes
from tests.chaos.bench import Sandboxed, Setup, opened, served, until
from tests.chaos.killers import Killer, strike
from tests.chaos.load import Load, Tally, tally
from tests.chaos.results import Result

#: Seconds of a round trip to the pretended cloud; plugging takes two.
LATENCY = 0.05


def kill(
    setup: Setup,
    *,
    operations: int = 4000,
    callers: int = 32,
    every: float = 1.0,
    masters: int = 3,
    within: float = 5.0,
) -> Result:
    """Kill a random worker process again and again.

    :param operations: calls and casts, half of each
    :param every: seconds between two kills
    :param within: seconds that the slowest call may take
    """
    sizes = (operations, callers, every, masters)
    counted, kills = _under_kills(setup, "at-least-once", *sizes)
    result = counted.fill(Result()).note("kills", kills)
    return result.at_most("slowest call", counted.slowest, within, "s")


def kill_stock(
    setup: Setup, *, operations: int = 4000, callers: int = 32, every: float = 1.0
) -> Result:
    """Do the same with the stock driver, whose losses are shown and not judged."""
    sizes = (operations, callers, every, 3)
    counted, kills = _under_kills(setup, "at-most-once", *sizes)
    result = Result().note("kills", kills).note("slowest call", counted.slowest, "s")
    for figure in counted.fill(Result(remarks=result.remarks)).figures:
        result.note(figure.name, figure.value)
    return result


def _under_kills(
    setup: Setup,
    delivery: str,
    operations: int,
    callers: int,
    every: float,
    masters: int,
) -> tuple[Tally, int]:
    bench = Sandboxed(setup, "kill", latency=LATENCY, networker={"delivery": delivery})
    with opened(bench, masters):
        # Lost calls of the stock driver end at their timeout only.
        timeout = 10.0 if delivery == "at-most-once" else 60.0
        load = Load(bench, setup.seed, callers, timeout=timeout)
        setup.say(f"{operations} calls and casts, {delivery}")
        killer = Killer(bench.children, every, setup.seed)
        with killer, load.running(at_least=operations):
            pass
        setup.say("counting")
        return tally(load), killer.hits


def rolling(
    setup: Setup, *, rounds: int = 5, masters: int = 3, callers: int = 32
) -> Result:
    """Replace all workers and masters in turn, by each signal there is for it.

    :param rounds: how often each of them is replaced by each signal
    """
    bench = Sandboxed(setup, "rolling", latency=LATENCY)
    with opened(bench, masters):
        load = Load(bench, setup.seed, callers, pause=0.5)
        with load.running():
            for number in range(rounds):
                setup.say(f"round {number + 1} of {rounds}")
                for master in list(bench.masters):
                    _replace(bench, master)
        counted = tally(load)
        result = counted.fill(Result())
        result.note("restarts", rounds * masters * 4)
        return result.note("slowest call", counted.slowest, "s")


def _replace(bench: Sandboxed, master: processes.Workers) -> None:
    """Send each signal, and wait each time until somebody new serves."""
    for how in (signal.SIGTERM, signal.SIGHUP):
        (child,) = bench.children_of(master)
        _renewed(master, functools.partial(strike, child, how))
    _renewed(master, lambda: master.process.send_signal(signal.SIGHUP))
    if master.terminate() != 0:
        raise RuntimeError(f"a master ended badly: {master.log[-2000:]}")
    bench.masters.remove(master)
    bench.start_all(1)


def _renewed(master: processes.Workers, act: Callable[[], object]) -> None:
    before = served(master)
    act()
    until(lambda: served(master) > before, "the worker's successor to serve")
