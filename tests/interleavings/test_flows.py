# SPDX-License-Identifier: Apache-2.0
"""Steps in a fixed order do what TaskFlow's serial engine does."""

from __future__ import annotations

import operator
from unittest import mock

import pytest

from networker.drivers.neutron.resources import cloud
from networker.exceptions import NetworkException
from tests.faults import amphorae, deltas, ports, servers, vips
from tests.faults.bench import benches
from tests.faults.stage import Stage
from tests.faults.wire import Fault
from tests.interleavings.flows import SerialFlows

#: What undoes itself, so that it matters what was done when a task fails.
UNDONE = (
    vips.allocate,
    vips.plug_vip,
    vips.update_vip_both,
    servers.plug_network,
    amphorae.plug_aap_port,
    ports.create_port,
    deltas.apply_delta,
)

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A cloud with a driver."""
    with benches(tmp_path_factory.mktemp("flows"), 1) as made:
        yield made[0]


def outcome(stage, ends, fault):
    """Return what a call with a fault raises and leaves."""
    driver, wire = ends
    stage.bench.restore(stage.start)
    wire.begin(fault)
    try:
        stage.scene.call(driver)
        raised = ""
    except NetworkException as error:
        raised = type(error).__name__
    return raised, stage.bench.picture()


@pytest.mark.parametrize("make", UNDONE, ids=operator.attrgetter("__name__"))
def test_the_same_is_done_and_undone(bench, make):
    """Whichever request fails: the same error, and the same network afterwards."""
    stage = Stage(bench, make)
    engine = bench.another()
    with mock.patch.object(cloud, "Flows", SerialFlows):
        ours = bench.another()
    for number in range(len(stage.requests) + 1):
        # A wave's tasks have no order in the engine: which task fails is the same only
        # where it is told by what it asks, so faults are of a kind of request.
        fault = Fault(number, "status", 400, lasting=True)
        first = outcome(stage, engine, fault)
        if fault.hit is None or stage.requests.count(fault.hit) > 1:
            continue
        second = outcome(stage, ours, Fault(number, "status", 400, lasting=True))
        assert first == second, f"request {number}: {fault.hit}"
