# SPDX-License-Identifier: Apache-2.0
"""What Octavia's own driver is known to fail at with amphorae.

See :mod:`tests.contract.test_known_octavia_bugs`.
"""

from __future__ import annotations

import msgspec
import pytest

from networker import exceptions
from networker.drivers import naming
from networker.models import VIP, Amphora, FixedIP
from networker.testing.contract.steps import NOWHERE, plug_one, secure, subnet_of
from networker.testing.contract.world import MEMBER, at_once, new_id


def test_base_port_is_found_by_a_retry_and_by_the_revert(network, world, balancer):
    """A failover's port that was made already is made once, and reverted whole (2)."""
    lb = balancer(amphorae=1)
    vip, amphora = secure(network, lb), lb.amphorae[0]
    group_id = network.get_security_group(naming.vip_device(lb.id)).id
    wanted = {
        "name": naming.vrrp_port(amphora.id),
        "fixed_ips": [FixedIP(subnet_id=vip.subnet_id)],
        "secondary_ips": [vip.ip_address],
        "security_group_ids": [group_id],
    }
    tries = [network.create_port(vip.network_id, **wanted).id for _ in range(3)]
    assert len(set(tries)) == 1
    network.delete_port(tries[0])
    assert world.ports(name=wanted["name"]) == []
    # A port of which the controller never heard goes with the VIP.
    network.create_port(vip.network_id, **wanted)
    network.deallocate_vip(vip)
    assert world.ports(name=wanted["name"]) == []


@pytest.fixture
def exhausted(network, world, balancer):
    """A load balancer whose VIP and a stranger have the only addresses of a subnet."""
    small = world.small_subnet()
    lb = balancer(amphorae=1)
    lb.vip = VIP(subnet_id=small.id, network_id=small.network_id)
    secure(network, lb)
    world.stranger(small.network_id)
    return lb


def test_exhausted_subnet_does_not_cost_the_vip(network, world, exhausted):
    """A failover that finds no address leaves VIP and group as they were (4)."""
    lb = exhausted
    vip, amphora = lb.vip, lb.amphorae[0]
    before = world.port(vip.port_id)
    with pytest.raises(exceptions.NoMoreAddresses) as caught:
        network.plug_aap_port(lb, vip, amphora, subnet_of(vip))
    assert isinstance(caught.value, exceptions.PlugVIPException)
    with pytest.raises(exceptions.NoMoreAddresses):
        network.plug_vip(lb, vip)
    name = naming.vrrp_port(amphora.id)
    with pytest.raises(exceptions.NoMoreAddresses) as created:
        network.create_port(vip.network_id, name)
    assert isinstance(created.value, exceptions.CreatePortException)
    assert world.ports(name=name) == []
    assert world.port(vip.port_id) == before
    assert len(world.group_ids(naming.vip_device(lb.id))) == 1
    lb.vip = msgspec.structs.replace(vip, port_id=None)
    assert network.allocate_vip(lb) == vip


def test_exhausted_pool_is_not_reported_as_address_in_use(
    network, world, balancer, exhausted
):
    """That there is no address left is told apart from that one is taken (8)."""
    vip, lb = exhausted.vip, balancer(amphorae=0)
    lb.vip = VIP(subnet_id=vip.subnet_id)
    for call in (
        lambda: network.allocate_vip(lb),
        lambda: network.plug_network(world.servers[0].compute_id, vip.network_id),
        lambda: network.plug_fixed_ip(vip.port_id, vip.subnet_id, "192.0.2.3"),
        lambda: network.create_port(vip.network_id, MEMBER + new_id()),
    ):
        with pytest.raises(exceptions.NetworkException) as caught:
            call()
        assert not isinstance(caught.value, exceptions.AddressInUse)
    with pytest.raises(exceptions.NoMoreAddresses) as full:
        network.allocate_vip(lb)
    assert (full.value.orig_code, bool(full.value.orig_msg)) == (409, True)


def test_replacement_port_is_in_the_vips_group(network, world, balancer):
    """A port that is attached already is in the group when it is plugged (14)."""
    lb = balancer(amphorae=1)
    vip, amphora = secure(network, lb), lb.amphorae[0]
    base = network.create_port(vip.network_id, naming.vrrp_port(amphora.id))
    network.plug_port(amphora, base)
    plugged = plug_one(network, lb)
    (group_id,) = world.group_ids(naming.vip_device(lb.id))
    port = world.port(base.id)
    assert (plugged.vrrp_port_id, port.security_group_ids) == (base.id, [group_id])
    assert port.allowed_addresses == [vip.ip_address]


def test_deleted_amphora_port_is_skipped(network, balancer):
    """An amphora that is DELETED has no port to change, nor to tell of (16)."""
    lb = balancer(amphorae=1)
    vip, gone = secure(network, lb), lb.amphorae[0]
    gone.status, gone.vrrp_port_id = "DELETED", NOWHERE
    network.update_aap_port_sg(lb, gone, vip)
    assert network.get_network_configs(lb) == {}
    assert network.plug_vip(lb, vip) == []
    assert gone.vrrp_port_id == NOWHERE


def test_management_port_is_never_touched(network, world, balancer):
    """Even a VIP on the management network leaves the management port alone (19)."""
    lb = balancer(amphorae=1)
    server = lb.amphorae[0].compute_id
    (before,) = world.ports(device_id=server, network_id=world.mgmt_network_id)
    lb.vip = VIP(subnet_id=world.mgmt_subnet_id, network_id=world.mgmt_network_id)
    vip = secure(network, lb)
    plugged = plug_one(network, lb)
    assert plugged.vrrp_port_id != before.id
    assert world.port(before.id) == before
    network.unplug_aap_port(vip, plugged, subnet_of(vip))
    assert world.port(plugged.vrrp_port_id) is None
    assert world.port(before.id) == before


def test_two_amphorae_are_plugged_at_once(network, world, balancer):
    """Both calls of a new load balancer end with a port each, in the one group (20)."""
    lb = balancer()
    vip = secure(network, lb)
    first, second = at_once(
        *[
            lambda a=amphora: network.plug_aap_port(lb, vip, a, subnet_of(vip))
            for amphora in lb.amphorae
        ]
    )
    (group_id,) = world.group_ids(naming.vip_device(lb.id))
    for plugged in (first, second):
        port = world.port(plugged.vrrp_port_id)
        assert port.device_id == plugged.compute_id
        assert port.security_group_ids == [group_id]
    assert first.vrrp_port_id != second.vrrp_port_id


def test_failover_survives_without_an_amphora(network, world, balancer):
    """With all amphorae gone, the VIP can be repaired and plugged again (21)."""
    lb = balancer()
    vip = secure(network, lb)
    for amphora in lb.amphorae:
        amphora.status, amphora.vrrp_port_id = "DELETED", NOWHERE
    assert network.allocate_vip(lb) == vip
    (group_id,) = world.group_ids(naming.vip_device(lb.id))
    assert network.update_vip_sg(lb, vip) == group_id
    server = world.servers[2]
    lb.amphorae.append(
        Amphora(
            id=new_id(),
            compute_id=server.compute_id,
            lb_network_ip=server.lb_network_ip,
        )
    )
    plugged = plug_one(network, lb, -1)
    assert world.port(plugged.vrrp_port_id).security_group_ids == [group_id]
    assert set(network.get_network_configs(lb)) == {plugged.id}
