# SPDX-License-Identifier: Apache-2.0
"""A worker that goes on after it was stopped for long changes nothing."""

from __future__ import annotations

import pytest

from networker.context import Context
from networker.drivers.sandbox.driver import SandboxDriver
from networker.exceptions import WorkerError
from networker.models import VIP, LoadBalancer
from networker.testing import kit
from tests.faults.bench import benches
from tests.faults.scenarios import SCENES
from tests.faults.stage import Stage, difference


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A cloud with a driver."""
    with benches(tmp_path_factory.mktemp("fence"), 1) as made:
        yield made[0]


def overtaken() -> Context:
    """Return the context of a request that another worker has had for an hour."""
    context = Context(lease=lambda: False)
    context.since -= 3600
    return context


@pytest.mark.parametrize("make", SCENES, ids=lambda make: make.__name__)
def test_the_late_copy_changes_nothing(bench, make):
    """Whatever the method, it stops before its first change."""
    stage = Stage(bench, make)
    bench.restore(stage.start)
    before = bench.picture()
    with overtaken().entered(), pytest.raises(WorkerError, match="another one"):
        stage.scene.call(bench.driver)
    assert not difference(before, bench.picture())


def test_the_sandbox_is_fenced_too(tmp_path):
    """Nor does the sandbox change, whose methods are one transaction."""
    driver = SandboxDriver(kit.configuration(tmp_path / "sandbox.sqlite"))
    (network,) = [n for n in driver.backdoor.networks() if n.name == "vip-net"]
    before = driver.backdoor.tables()
    lb = LoadBalancer(id="lb", vip=VIP(network_id=network.id))
    with overtaken().entered(), pytest.raises(WorkerError, match="another one"):
        driver.allocate_vip(lb)
    assert driver.backdoor.tables() == before


def test_a_young_request_is_not_asked_about(tmp_path):
    """The broker is asked only for requests that could be another worker's."""
    driver = SandboxDriver(kit.configuration(tmp_path / "sandbox.sqlite"))
    (network,) = [n for n in driver.backdoor.networks() if n.name == "vip-net"]
    asked: list[bool] = []

    def lease() -> bool:
        asked.append(True)
        return True

    with Context(lease=lease).entered():
        driver.allocate_vip(LoadBalancer(id="lb", vip=VIP(network_id=network.id)))
    assert asked == []
