# SPDX-License-Identifier: Apache-2.0
"""The sandbox under faults: killed processes, twins, deadlines."""

from __future__ import annotations

import multiprocessing
import random
import time

import pytest

from networker.context import Context
from networker.drivers.sandbox.driver import SandboxDriver
from networker.exceptions import CloudUnavailable
from networker.models import VIP, Subnet
from networker.testing import kit
from networker.testing.contract.world import twice_at_once
from tests.contract.worlds import SandboxWorld

ROUNDS = 8


@pytest.fixture
def database(tmp_path):
    """The file of a sandbox."""
    return tmp_path / "sandbox.sqlite"


@pytest.fixture
def driver(database):
    """A driver on it."""
    return SandboxDriver(kit.configuration(database))


@pytest.fixture
def world(driver):
    """What tests know of it."""
    return SandboxWorld(driver)


def contents(world, lb):
    groups = world.group_ids(f"lb-{lb.id}"), world.rules(f"lb-{lb.id}")
    return sorted(map(repr, world.ports())), groups


def live(database, lb, ready):
    """Create and delete a load balancer until killed."""
    driver = SandboxDriver(kit.configuration(database))
    ready.set()
    while True:
        vip = driver.allocate_vip(lb)
        driver.plug_vip(lb, vip)
        driver.unplug_vip(lb, vip)
        driver.deallocate_vip(vip)


def test_a_killed_process_leaves_whole_calls(database, driver, world):
    """Whenever it is killed, each call happened or did not, and can be taken back."""
    chance = random.Random(3)
    fork = multiprocessing.get_context("fork")
    lb = world.load_balancer()
    before = contents(world, lb)
    for _ in range(ROUNDS):
        ready = fork.Event()
        process = fork.Process(target=live, args=(database, lb, ready))
        process.start()
        assert ready.wait(30)
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        process.join()
        names = [port.name for port in world.ports() if lb.id in str(port.device_id)]
        plugged = [
            a for a in lb.amphorae if world.ports(name=f"octavia-lb-vrrp-{a.id}")
        ]
        assert len(names) <= 1
        assert len(plugged) in (0, len(lb.amphorae))
        vip = driver.allocate_vip(lb)
        driver.plug_vip(lb, vip)
        driver.unplug_vip(lb, vip)
        driver.deallocate_vip(VIP(load_balancer_id=lb.id))
        assert contents(world, lb) == before


def calls(driver, lb):
    """Return calls that make something, each with what comes before it."""
    server = lb.amphorae[0]
    world = SandboxWorld(driver)
    network = world.member_network_ids[0]

    def allocated():
        lb.vip = driver.allocate_vip(lb)

    def plugged():
        driver.plug_vip(lb, lb.vip)

    def secured():
        driver.update_vip_sg(lb, lb.vip)

    subnet = Subnet(id=world.vip_subnet_id, network_id=world.vip_network_id)
    return {
        "allocate_vip": ([], allocated),
        "plug_vip": ([allocated], plugged),
        "update_vip": ([allocated, plugged], lambda: _update(driver, lb)),
        "plug_network": ([], lambda: driver.plug_network(server.compute_id, network)),
        "failover_preparation": (
            [allocated, plugged],
            lambda: driver.failover_preparation(server),
        ),
        "update_vip_sg": ([allocated], secured),
        "update_aap_port_sg": (
            [allocated, plugged, lambda: _clear(driver, lb)],
            lambda: driver.update_aap_port_sg(lb, lb.amphorae[0], lb.vip),
        ),
        "plug_aap_port": (
            [allocated, secured],
            lambda: driver.plug_aap_port(lb, lb.vip, server, subnet),
        ),
        "create_port": ([], lambda: driver.create_port(network, name="one")),
        "plug_port": (
            [allocated, lambda: driver.create_port(network, name="one")],
            lambda: driver.plug_port(server, driver.get_port_by_name("one")),
        ),
        "plug_fixed_ip": (
            [allocated],
            lambda: driver.plug_fixed_ip(lb.vip.port_id, world.vip_subnet6_id),
        ),
        "set_port_admin_state_up": (
            [allocated],
            lambda: driver.set_port_admin_state_up(lb.vip.port_id, True),
        ),
        "apply_qos_on_port": (
            [allocated],
            lambda: driver.apply_qos_on_port(world.qos_policy_id, lb.vip.port_id),
        ),
    }


def _update(driver, lb):
    lb.listeners = []
    driver.update_vip(lb)


def _clear(driver, lb):
    lb.amphorae = driver.plug_vip(lb, lb.vip)
    group_id = driver.get_security_group(f"lb-{lb.id}").id
    driver.backdoor.delete_security_group(group_id)
    driver.update_vip_sg(lb, lb.vip)


METHODS = (
    "allocate_vip",
    "plug_vip",
    "update_vip",
    "plug_network",
    "failover_preparation",
    "update_vip_sg",
    "update_aap_port_sg",
    "plug_aap_port",
    "create_port",
    "plug_port",
    "plug_fixed_ip",
    "set_port_admin_state_up",
    "apply_qos_on_port",
)


@pytest.mark.parametrize("method", METHODS)
def test_done_after_the_deadline_is_undone(driver, world, method):
    """What a transaction did for nobody is rolled back when it would be committed."""
    lb = world.load_balancer()
    preparations, call = calls(driver, lb)[method]
    for prepare in preparations:
        prepare()
    before = contents(world, lb)
    late = Context(deadline=time.time() - 1).entered()
    with late, pytest.raises(CloudUnavailable, match="deadline"):
        call()
    assert contents(world, lb) == before
    call()
    assert contents(world, lb) != before


def test_removals_are_finished_late(driver, world):
    """What a transaction removed stays removed."""
    lb = world.load_balancer()
    before = contents(world, lb)
    vip = driver.allocate_vip(lb)
    driver.plug_vip(lb, vip)
    with Context(deadline=time.time() - 1).entered():
        driver.unplug_vip(lb, vip)
        driver.deallocate_vip(vip)
    assert contents(world, lb) == before


@pytest.mark.parametrize("method", METHODS)
def test_two_at_once_end_with_one_result(driver, world, method):
    """Two copies leave what one leaves."""
    lb = world.load_balancer()
    preparations, call = calls(driver, lb)[method]
    for prepare in preparations:
        prepare()
    first, second = twice_at_once(call)
    after = contents(world, lb)
    assert first == second
    call()
    assert contents(world, lb) == after
