# SPDX-License-Identifier: Apache-2.0
"""Rules whose adding is carried out after its answer was given up."""

from __future__ import annotations

import time

import pytest

from networker.context import Context
from networker.exceptions import CloudUnavailable
from tests.faults import vips
from tests.faults.bench import benches
from tests.faults.stage import Stage, difference
from tests.faults.wire import Fault

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
#: Requests that add the rules of the scene.
BATCHES = 3


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A cloud with a load balancer to which more rules come than one request adds."""
    with benches(tmp_path_factory.mktemp("late"), 1) as made:
        yield Stage(made[0], vips.update_vip_many)


def adding(stage):
    """Return which requests add rules."""
    return [
        number
        for number, (method, path) in enumerate(stage.requests)
        if method == "POST" and path.endswith("/security-group-rules")
    ]


def given_up(stage, fault):
    """Run the call, whose deadline passes while it waits for the answer."""
    bench, context = stage.bench, Context(deadline=time.time() + 60)
    bench.restore(stage.start)
    bench.wire.begin(fault)

    def pass_away():
        if len(bench.wire.sent) == fault.number + 1:
            context.deadline = time.time() - 1

    bench.wire.after_each = pass_away
    with context.entered(), pytest.raises(CloudUnavailable):
        stage.scene.call(bench.driver)


def test_rules_are_added_in_batches(stage):
    """No request is for more rules than can be waited for."""
    assert len(adding(stage)) == BATCHES


@pytest.mark.parametrize("batch", range(BATCHES))
@pytest.mark.parametrize("requests", [1, 2])
def test_rules_that_come_late_are_undone(stage, batch, requests):
    """What is in doubt is looked for again before the call gives up."""
    fault = Fault(adding(stage)[batch], "late", requests=requests)
    given_up(stage, fault)
    stage.bench.wire.finish()
    assert not difference(stage.before, stage.bench.picture())


@pytest.mark.parametrize("batch", range(BATCHES))
def test_rules_that_come_even_later_are_found(stage, batch):
    """One batch at most is left, which the next call and the inverse find."""
    given_up(stage, Fault(adding(stage)[batch], "late"))
    before = len(stage.bench.cloud.save().rules)
    stage.bench.wire.finish()
    assert 0 < len(stage.bench.cloud.save().rules) - before <= 50
    assert not stage.afterwards()


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_lost_answer_in_time_fails_nothing(stage, batch):
    """A batch of which no answer came is looked for, and the call goes on."""
    bench = stage.bench
    for kind in ("timeout after", "reset after", "late"):
        bench.restore(stage.start)
        bench.wire.begin(Fault(adding(stage)[batch], kind, requests=1))
        stage.scene.call(bench.driver)
        bench.wire.finish()
        assert not difference(stage.done, bench.picture()), kind
