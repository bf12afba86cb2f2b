# SPDX-License-Identifier: Apache-2.0
"""Calls that end after their deadline, and calls that another worker has by now."""

from __future__ import annotations

import time

import pytest

from networker.context import Context
from networker.exceptions import CloudUnavailable, NetworkException
from tests.faults import deltas
from tests.faults.bench import benches
from tests.faults.scenarios import REMOVALS, SCENES
from tests.faults.stage import Stage, difference
from tests.faults.wire import Fault

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A cloud with a driver."""
    with benches(tmp_path_factory.mktemp("deadlines"), 1) as made:
        yield made[0]


def late(bench, stage, last):
    """Run a scene's call whose deadline passes during a request."""
    context = Context(deadline=time.time() + 60)

    def pass_away():
        if len(bench.wire.sent) == last + 1:
            context.deadline = time.time() - 1

    bench.restore(stage.start)
    bench.wire.after_each = pass_away
    with context.entered():
        stage.scene.call(bench.driver)


ONE_WAY = [make for make in SCENES if make is not deltas.apply_delta_both]


@pytest.mark.parametrize("make", ONE_WAY, ids=lambda make: make.__name__)
def test_done_after_the_deadline_is_undone(bench, make):
    """A deadline that passes during the last request leaves all as it was before.

    Where things are removed, they stay removed.
    """
    stage = Stage(bench, make)
    last = len(stage.requests) - 1
    if stage.scene.undone:
        with pytest.raises(CloudUnavailable):
            late(bench, stage, last)
        assert not difference(stage.before, bench.picture())
    else:
        late(bench, stage, last)
        assert not difference(stage.done, bench.picture())


def test_what_was_added_late_is_undone_and_what_was_removed_stays_removed(bench):
    """A call that does both takes back what its caller does not know to be there."""
    stage = Stage(bench, deltas.apply_delta_both)
    with pytest.raises(CloudUnavailable):
        late(bench, stage, len(stage.requests) - 1)
    assert not difference(stage.nothing, bench.picture())


def things(bench, start):
    """Name what a rollback could take back: resources, marks, ports of servers."""
    state = bench.cloud.save()
    rules = state.rules.keys() - start.rules.keys()
    described = {i + port["description"][:9] for i, port in state.ports.items()}
    attached = {
        (s.id, port_id) for s in state.servers.values() for port_id in s.port_ids
    }
    return {*state.ports, *state.groups, *rules, *described, *attached}


UNDONE = [make for make in SCENES if make not in REMOVALS]


@pytest.mark.parametrize("make", UNDONE, ids=lambda make: make.__name__)
def test_nothing_is_rolled_back_that_another_worker_has(bench, make):
    """After a failure a copy that has lost its request takes nothing back."""
    stage = Stage(bench, make)
    asked, then = [], set()

    def lost():
        asked.append(1)
        then.update(things(bench, stage.start))
        return False

    changes = [n for n, (method, _) in enumerate(stage.requests) if method != "GET"]
    for number in changes:
        bench.restore(stage.start)
        bench.wire.begin(Fault(number, "status", status=403))
        with Context(lease=lost).entered(), pytest.raises(NetworkException):
            stage.scene.call(bench.driver)
        assert not then - things(bench, stage.start)
        # Once for a step that failed half-way, and once for those before it.
        assert len(asked) <= 2
        asked.clear()
        then.clear()
