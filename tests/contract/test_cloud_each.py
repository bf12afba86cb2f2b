# SPDX-License-Identifier: Apache-2.0
"""Each thing removed on its own, where the cloud does not let all go."""

from __future__ import annotations

import re
import time

import pytest

from networker import exceptions
from networker.context import Context
from networker.drivers import naming
from networker.models import VIP, Delta, Interface
from networker.testing.contract.steps import plug

ERROR = {
    "conflictingRequest": {
        "code": 409,
        "message": "Cannot 'detach_interface' instance while it is in vm_state error",
    }
}


@pytest.fixture(scope="module")
def setting(refusing):
    """The driver under test and the world, for the fixtures of the suite."""
    return refusing.driver, refusing.world


def holding(cloud, compute_id):
    """Let a server keep its ports."""
    path = f"/servers/{compute_id}/os-interface/"
    cloud.fail("compute", "DELETE", path, times=99, status=409, body=ERROR)


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_unplug_vip_where_a_server_is_in_error(cloud, network, world, balancer, broken):
    """The others' ports go; the error names what stays, also when repeated."""
    lb = balancer(amphorae=3)
    vip = plug(network, lb)
    stuck = lb.amphorae[broken]
    holding(cloud, stuck.compute_id)
    for _ in range(2):
        with pytest.raises(
            exceptions.UnplugVIPException, match=stuck.vrrp_port_id
        ) as caught:
            network.unplug_vip(lb, vip)
        assert caught.value.orig_code == 409
        assert stuck.compute_id in str(caught.value)
        left = [a for a in lb.amphorae if world.port(a.vrrp_port_id)]
        assert left == [stuck]
    cloud.forgive()
    network.unplug_vip(lb, vip)
    assert world.port(stuck.vrrp_port_id) is None


def test_unplug_vip_where_a_detach_does_not_end(cloud, network, world, balancer):
    """What is detached is deleted, also by a repetition and before the deadline."""
    lb = balancer(amphorae=3)
    vip = plug(network, lb)
    stuck = lb.amphorae[1]
    path = f"/servers/{stuck.compute_id}/os-interface/"
    cloud.fail("compute", "DELETE", path, times=99, status=202)
    for seconds in (60, 3):
        with (
            Context(deadline=time.time() + seconds).entered(),
            pytest.raises(exceptions.TimeoutException) as caught,
        ):
            network.unplug_vip(lb, vip)
        assert stuck.vrrp_port_id in str(caught.value)
        left = [a for a in lb.amphorae if world.port(a.vrrp_port_id)]
        assert left == [stuck]
        lb.amphorae = network.plug_vip(lb, vip)
        stuck = lb.amphorae[1]
    cloud.forgive()
    network.unplug_vip(lb, vip)


def test_each_of_several_errors_is_named(cloud, network, world, balancer):
    """Nobody has to repeat a call to learn of the next one."""
    lb = balancer(amphorae=3)
    vip = plug(network, lb)
    for amphora in lb.amphorae[:2]:
        holding(cloud, amphora.compute_id)
    with pytest.raises(exceptions.UnplugVIPException) as caught:
        network.unplug_vip(lb, vip)
    for amphora in lb.amphorae[:2]:
        assert amphora.vrrp_port_id in str(caught.value)
    assert lb.amphorae[2].vrrp_port_id not in str(caught.value)
    cloud.forgive()
    network.unplug_vip(lb, vip)


@pytest.mark.parametrize("broken", [0, 1])
def test_deltas_and_networks(cloud, network, world, clean, broken):
    """apply_delta and unplug_network let go of what they can."""
    servers = [server.compute_id for server in world.servers[:2]]
    nics = [Interface(network_id=one) for one in world.member_network_ids]
    network.apply_delta([Delta(compute_id=i, add_nics=nics) for i in servers])
    removing = [Delta(compute_id=i, delete_nics=nics) for i in servers]
    holding(cloud, servers[broken])
    for _ in range(2):
        with pytest.raises(exceptions.UnplugNetworkException) as caught:
            network.apply_delta(removing)
        stuck = world.ports(name=naming.member_port(servers[broken]))
        assert len(stuck) == len(nics)
        assert all(port.id in str(caught.value) for port in stuck)
        assert world.ports(name=naming.member_port(servers[1 - broken])) == []
    cloud.forgive()
    network.apply_delta(removing)
    assert world.ports(name=naming.member_port(servers[broken])) == []


def test_deallocate_vip_with_a_port_that_stays(cloud, network, world, balancer):
    """One VRRP port that the cloud does not delete keeps neither another nor the VIP."""
    lb = balancer(amphorae=3)
    vip = plug(network, lb)
    stuck = lb.amphorae[1].vrrp_port_id
    cloud.fail("network", "DELETE", f"/ports/{stuck}$", times=99, status=500)
    with pytest.raises(exceptions.DeallocateVIPException, match=stuck):
        network.deallocate_vip(vip)
    left = [a.vrrp_port_id for a in lb.amphorae if world.port(a.vrrp_port_id)]
    assert left == [stuck]
    assert world.port(vip.port_id) is None
    cloud.forgive()
    network.deallocate_vip(VIP(load_balancer_id=lb.id))
    assert not [p for p in world.leftovers() if re.search(lb.id or "", p)]
