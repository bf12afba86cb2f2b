# SPDX-License-Identifier: Apache-2.0
"""Batches on a cloud that refuses, and that counts: the neutron driver on a fake one."""

from __future__ import annotations

import pytest

from networker import exceptions
from networker.drivers import naming
from networker.models import Delta, Interface
from tests.contract.meter import Meter


@pytest.fixture(scope="module")
def setting(refusing):
    """The driver under test and the world, for the fixtures of the suite."""
    return refusing.driver, refusing.world


@pytest.fixture
def meter(network):
    """Count what the driver asks, also while the machine is busy."""
    return Meter(network.cloud.session.connection().session.session, held=0.2)


def moves(world):
    """Return deltas that move two servers from a member network to the other."""
    new, old = (Interface(network_id=one) for one in world.member_network_ids)
    return [
        Delta(compute_id=server.compute_id, add_nics=[new], delete_nics=[old])
        for server in world.servers[:2]
    ]


@pytest.fixture
def moving(cloud, network, world, clean):
    """Those deltas, where the servers are on the network that they leave."""
    deltas = moves(world)
    for delta in deltas:
        network.plug_network(delta.compute_id, delta.delete_nics[0].network_id)
    yield deltas
    cloud.forgive()
    for delta in deltas:
        for nic in (*delta.add_nics, *delta.delete_nics):
            network.unplug_network(delta.compute_id, nic.network_id)


def networks(world, delta):
    """Return the member networks that a server is on."""
    ports = world.ports(device_id=delta.compute_id)
    return {port.network_id for port in ports} - {world.mgmt_network_id}


def test_what_was_added_goes_when_a_removal_fails(cloud, network, world, moving):
    """No port is left of those that were made, and the servers are where they were."""
    cloud.fail("compute", "DELETE", "/os-interface/", status=500, times=2)
    with pytest.raises(exceptions.UnplugNetworkException) as caught:
        network.apply_delta(moving)
    assert str(moving[1].compute_id) in str(caught.value.compute_id)
    old = moving[0].delete_nics[0].network_id
    assert [networks(world, delta) for delta in moving] == [{old}, {old}]
    for delta in moving:
        assert len(world.ports(name=naming.member_port(delta.compute_id))) == 1
    assert len(network.apply_delta(moving)) == 2


def test_a_detach_that_does_not_end_undoes_what_was_added(
    cloud, network, world, moving
):
    """It is said to be that, and the call can be made again."""
    cloud.detach_delay = 60.0
    with pytest.raises(exceptions.TimeoutException):
        network.apply_delta(moving)
    new = moving[0].add_nics[0].network_id
    assert all(new not in networks(world, delta) for delta in moving)
    cloud.detach_delay = 0.05
    network.apply_delta(moving)
    assert [networks(world, delta) for delta in moving] == [{new}, {new}]


def test_all_servers_are_changed_at_once(cloud, network, world, clean, meter):
    """Four servers on two networks take as many waves as one on one."""
    nics = [Interface(network_id=one) for one in world.member_network_ids]
    servers = [server.compute_id for server in world.servers]
    waves = []
    for many, few in ((servers, nics), (servers[:1], nics[:1])):
        with meter.measuring() as coming:
            network.apply_delta([Delta(compute_id=i, add_nics=few) for i in many])
        with meter.measuring() as going:
            network.apply_delta([Delta(compute_id=i, delete_nics=few) for i in many])
        assert len(coming.requests) == 2 * len(many) * len(few)
        waves.append((coming.waves, going.waves))
    assert waves == [(2, 4), (2, 4)]


def test_many_are_looked_up_a_hundred_at_a_time(cloud, network, world, clean, meter):
    """All are found, by requests of which none waits for another."""
    ids = [world.stranger(world.vip_network_id).id for _ in range(101)]
    with meter.measuring() as cost:
        assert [port.id for port in network.get_ports(ids[::-1])] == ids[::-1]
    assert str(cost) == "2 / 1"
    with meter.measuring() as cost:
        assert network.get_ports([]) == network.apply_delta([]) == []
    assert str(cost) == "0 / 0"
