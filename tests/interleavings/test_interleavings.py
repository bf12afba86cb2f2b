# SPDX-License-Identifier: Apache-2.0
"""The short form of `make interleavings`, and what makes its findings believable."""

from __future__ import annotations

import time

import pytest

from tests.interleavings import mutations
from tests.interleavings.company import FULL, SHORT, short_names, stage_of
from tests.interleavings.explorer import (
    Bounds,
    Finding,
    Share,
    explore,
    rooted,
    shrink,
    story,
)
from tests.interleavings.pairs import named
from tests.interleavings.schedules import Schedule
from tests.interleavings.stage import Stage, theatre

pytestmark = [
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.timeout(600),
]

#: Seconds that one pair may take; the rest is left to `make interleavings`.
PATIENCE = 1.0


#: Found once, beyond what is tried one by one, and mended since.
MENDED = (
    # The group of a call that fails stays if its deletion is refused once.
    ("plug_vip_no_amphora x 2", "A3>B B3>A B8!409* B11!401"),
    ("plug_vip_no_amphora x 2", "A3>B B3>A B8!409* B11!409"),
    # A call without an answer takes the VIP's port out of the group of another one.
    ("plug_vip_no_amphora x 2", "-0>B B6>A A3!timeout A4>B"),
    # A call that took the VIP's port from another one, and fails, does not give it back.
    ("plug_vip_no_amphora x 2", "-0>B B3>A A5!timeout A6>B"),
    ("plug_vip_no_amphora x 2", "A3>B B3>A A4>B B6>A A6>B A10!409*"),
    ("amphorae.update_vip_sg x 2", "-0>B B3>A A6>B B6>A B7!401"),
    # A call gives the VIP's port to a third one's group, although the one that it took it
    # from had put it into the same group.
    ("amphorae.update_vip_sg x 3", "A3>C C4>A A4>B B2>C C6>B"),
    # A group stays that a call found and did not need, when the one that made it failed.
    ("amphorae.update_vip_sg x 3", "-0>B B3>A A4>C C4>A A6>B B6.1>A A10!409*"),
    # A call takes the VIP's port out of a group that was made after it had looked for it.
    ("plug_vip_no_amphora x 3", "A3>B B3>A A5>C C2>B"),
    # A call returns what it saw of a port before another one changed it.
    ("plug_vip_moved x 2", "A18>B B5>A"),
    # A group stays from which the call with amphorae took the VIP's port at the same time.
    ("plug_vip + update_vip_sg", "-0>B B3>A A8>B"),
    # A call does not know its own group any more after it marked it again.
    ("plug_vip + update_vip_sg", "A3>B B4>A A8>B A12!409"),
)


@pytest.fixture(scope="module")
def place():
    """A place for meetings."""
    with theatre() as made:
        yield made


@pytest.mark.parametrize("name", short_names())
def test_every_schedule_ends_well(place, name):
    """Whatever the order of requests, and whatever fails, all rules hold at the end."""
    stage = stage_of(place, name, SHORT)
    share = Share(until=time.perf_counter() + PATIENCE)
    report = explore(stage, SHORT.bounds(name), share)
    assert report.schedules
    if report.findings:
        one = shrink(stage, report.findings[0])
        again = f"make interleavings PAIR='{name}' SCHEDULE='{one.schedule}'"
        pytest.fail(f"{one.rule}: {one.wrong}\n{again}\n{story(stage, one)}")


@pytest.mark.parametrize(("name", "schedule"), MENDED)
def test_a_schedule_ends_well_that_did_not(place, name, schedule):
    """A finding that was mended stays mended."""
    stage = stage_of(place, name, FULL)
    played = stage.play(Schedule.read(schedule))
    # Else it is another schedule by now.
    assert " ".join(played.run.words) == schedule
    assert played.wrong is None, story(stage, Finding(schedule, *played.wrong))


@pytest.mark.long
@pytest.mark.parametrize("one", mutations.FOUND, ids=lambda one: one.mutation.__name__)
def test_a_fault_is_found(place, one):
    """A fault that was mended is found when it is made again, told, and played again."""
    mended = Stage.of(place, named(one.pair), one.menu)
    with one.mutation():
        stage = Stage.of(place, named(one.pair), one.menu)
    for text in one.roots():
        with one.mutation():
            found = findings(stage, one, text)
        # Not what is found in the mended driver, too.
        new = [short for short in found if not is_broken(mended, short.schedule)]
        if new:
            with one.mutation():
                told = story(stage, new[0])
                assert f"{new[0].rule}: " in told
                assert told == story(stage, new[0])
            return
    pytest.fail("it was not found")


def findings(stage, one, text):
    """Return some findings of schedules that begin alike, shortened."""
    bounds = Bounds(one.switches, one.switches)
    report = explore(stage, bounds, enough=2, root=rooted(stage, text))
    return [shrink(stage, found) for found in report.findings]


def is_broken(stage, schedule):
    """Tell whether a rule does not hold after a schedule."""
    return stage.play(Schedule.read(schedule)).wrong is not None
