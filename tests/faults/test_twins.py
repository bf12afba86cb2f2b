# SPDX-License-Identifier: Apache-2.0
"""Two copies of every method at the same time, both well, or one of them failing.

A few orders of requests are tried; with NETWORKER_FAULTS=all in the environment, many.
"""

from __future__ import annotations

import operator
import os

import pytest

from tests.faults.bench import Bench, benches
from tests.faults.scenarios import PRINCIPAL, SCENES
from tests.faults.scene import Maker
from tests.faults.stage import Stage, difference
from tests.faults.turns import Outcome, at_once
from tests.faults.wire import Fault

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
EVERY = os.environ.get("NETWORKER_FAULTS") == "all"
NAME = operator.attrgetter("__name__")
#: Orders of requests that are tried.
SEEDS = range(50 if EVERY else 3)
#: How many requests more than alone a copy may send that meets another.
MORE = 4


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A cloud with a driver."""
    with benches(tmp_path_factory.mktemp("twins"), 1) as made:
        yield made[0]


class Twins:
    """A scene with two drivers that play it at the same time."""

    def __init__(self, bench: Bench, make: Maker) -> None:
        self.stage = Stage(bench, make)
        self.one = bench.another()
        self.other = bench.another(patience=5.0)

    def run(self, seed: int, fault: Fault | None = None) -> list[Outcome]:
        """Play it in one order."""
        self.stage.bench.restore(self.stage.start)
        self.one[1].begin(fault)
        self.other[1].begin()
        found = at_once(seed, self.stage.scene.call, self.one, self.other)
        self.one[1].begin()
        return found

    def trouble(self, outcome: Outcome) -> str:
        """Say what is wrong with what the copy that was well made of it, if anything."""
        if isinstance(outcome, Exception):
            return f"the other copy raised {outcome!r}"
        now = self.stage.bench.picture()
        if now != self.stage.done:
            return difference(self.stage.done, now)
        return self.stage.afterwards()


@pytest.mark.parametrize("make", SCENES, ids=NAME)
def test_both_end_with_one_result(bench, make):
    """Two copies return the same, and leave what one would have left."""
    twins = Twins(bench, make)
    for seed in SEEDS:
        one, other = twins.run(seed)
        assert one == other, f"seed {seed}"
        assert not twins.trouble(other), f"seed {seed}"


@pytest.mark.parametrize("make", SCENES if EVERY else PRINCIPAL, ids=NAME)
def test_a_failing_copy_takes_nothing_from_the_other(bench, make):
    """Whichever request of one copy fails, the other copy's result is intact."""
    twins = Twins(bench, make)
    found = []
    for number in range(len(twins.stage.requests) + MORE):
        for seed in range(number, number + (10 if EVERY else 1)):
            for fault in faults(number, seed):
                _, other = twins.run(seed, fault)
                trouble = twins.trouble(other)
                if trouble and not is_excused(fault):
                    found.append(f"seed {seed}, {fault}: {trouble}")
    assert not found, f"{len(found)} cells\n" + "\n\n".join(found[:3])


def faults(number: int, seed: int) -> list[Fault]:
    """Return the faults that a request is to meet: a lasting refusal, a lost answer."""
    both = [Fault(number, "status", 500, lasting=True), Fault(number, "timeout after")]
    return both if EVERY else [both[seed % 2]]


def is_excused(fault: Fault) -> bool:
    """Tell whether something may be left over.

    A call whose group has lost cannot delete it when the cloud refuses that for good: the
    group stays, unused, until the VIP is deallocated.
    """
    return bool(fault.hit and fault.hit[0] == "DELETE" and fault.lasting)
