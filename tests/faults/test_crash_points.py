# SPDX-License-Identifier: Apache-2.0
"""A worker is killed between any two requests: the replay, or the inverse, mends it."""

from __future__ import annotations

import contextlib

import pytest

from tests.faults.bench import Bench, benches
from tests.faults.scenarios import SCENES
from tests.faults.scene import Maker
from tests.faults.stage import Stage
from tests.faults.wire import Fault, Killed

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A cloud with a driver that stays alive."""
    with benches(tmp_path_factory.mktemp("crashes"), 1) as made:
        yield made[0]


def killed(bench: Bench, stage: Stage, engine: str, number: int) -> bool:
    """Run a scene's call by a driver of its own that is killed at a request.

    :returns: whether it came that far
    """
    bench.restore(stage.start)
    driver, wire = bench.another(engine)
    wire.begin(Fault(number, "killed"))
    with contextlib.suppress(Killed):
        stage.scene.call(driver)
        return False
    return True


@pytest.mark.parametrize("make", SCENES, ids=lambda make: make.__name__)
def test_killed_before_any_request(bench: Bench, make: Maker) -> None:
    """What is left is completed by the same call, or removed by the inverse."""
    stage = Stage(bench, make)
    for number in range(len(stage.requests)):
        assert killed(bench, stage, "serial", number)
        assert not stage.afterwards(), f"killed before {stage.requests[number]}"
