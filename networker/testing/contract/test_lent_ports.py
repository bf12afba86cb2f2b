# SPDX-License-Identifier: Apache-2.0
"""Ports that were others' before a VIP was put on them, and are again after it."""

from __future__ import annotations

import pytest

from networker.models import VIP, Amphora, Delta, FixedIP, Interface, Port
from networker.testing.contract.steps import allocate, plug, plug_one, secure, subnet_of
from networker.testing.contract.world import MEMBER, new_id


def as_it_was(world, port):
    """Tell whether a port has the groups, pairs, addresses and state that it had."""
    now = world.port(port.id)
    now.security_group_ids.sort()
    port.security_group_ids.sort()
    return now == port


@pytest.fixture
def users_port(world, clean):
    """A user's port with more groups than fit into one description."""
    own = [world.make_group(f"users-{new_id()}") for _ in range(7)]
    port = world.stranger(world.vip_network_id)
    world.set_groups(port.id, own)
    return world.port(port.id)


class TestUsersVip:
    @pytest.mark.parametrize("unplugged", [False, True])
    def test_has_its_groups_again(
        self, network, world, balancer, users_port, unplugged
    ):
        """After deallocate_vip it is what it was, also with groups for the VIP's time."""
        own = world.make_group(f"users-{new_id()}")
        lb = balancer(amphorae=1)
        lb.vip = VIP(port_id=users_port.id)
        vip = allocate(network, lb)
        vip.sg_ids = [own]
        network.plug_vip(lb, vip)
        network.plug_vip(lb, vip)
        assert own in world.port(users_port.id).security_group_ids
        if unplugged:
            network.unplug_vip(lb, vip)
        network.deallocate_vip(vip)
        assert as_it_was(world, users_port)
        network.deallocate_vip(vip)
        assert as_it_was(world, users_port)

    def test_is_found_by_the_port_alone(self, network, world, balancer, users_port):
        """Who does not know the load balancer gives it back, too."""
        lb = balancer(amphorae=0)
        lb.vip = VIP(port_id=users_port.id)
        secure(network, lb)
        network.deallocate_vip(VIP(port_id=users_port.id))
        assert as_it_was(world, users_port)

    def test_lacks_a_group_that_is_gone(self, network, world, balancer, users_port):
        """What the user deleted meanwhile does not come back, nor stop the rest."""
        lb = balancer(amphorae=0)
        lb.vip = VIP(port_id=users_port.id)
        secure(network, lb)
        gone = users_port.security_group_ids.pop(0)
        world.delete_group(gone)
        network.deallocate_vip(lb.vip)
        assert as_it_was(world, users_port)


class TestMembersPort:
    @pytest.fixture
    def member(self, network, world, clean):
        """A port that a server has on the VIP's network, with groups and pairs."""
        server = world.servers[0].compute_id
        group = world.make_group(f"users-{new_id()}", "service")
        port = network.create_port(
            world.vip_network_id,
            MEMBER + new_id(),
            fixed_ips=[FixedIP(subnet_id=world.vip_subnet6_id)],
            secondary_ips=["192.0.2.55"],
            security_group_ids=[group],
        )
        network.plug_port(Amphora(compute_id=server), Port(id=port.id))
        yield world.port(port.id)
        network.delete_port(port.id)

    @pytest.mark.parametrize("one_by_one", [False, True])
    def test_is_the_members_again(self, network, world, balancer, member, one_by_one):
        """After unplug_vip it has its group, pair and addresses, and no other."""
        lb = balancer(amphorae=1)
        vip = secure(network, lb)
        for _ in range(2):
            if one_by_one:
                plugged = plug_one(network, lb)
            else:
                (plugged,) = network.plug_vip(lb, vip)
            assert plugged.vrrp_port_id == member.id
            assert world.port(member.id).allowed_addresses == [vip.ip_address]
            if one_by_one:
                network.unplug_aap_port(vip, plugged, subnet_of(vip))
            else:
                network.unplug_vip(lb, vip)
            assert as_it_was(world, member)

    def test_is_given_back_with_the_vip(self, network, world, balancer, member):
        """deallocate_vip alone is enough."""
        network.deallocate_vip(plug(network, balancer(amphorae=1)))
        assert as_it_was(world, member)

    def test_of_plug_network(self, network, world, balancer):
        """The interface of plug_network is that again, and can be unplugged."""
        server = world.servers[0].compute_id
        nic = network.plug_network(server, world.vip_network_id)
        before = world.port(nic.port_id)
        lb = balancer(amphorae=1)
        vip = plug(network, lb)
        assert lb.amphorae[0].vrrp_port_id == nic.port_id
        network.unplug_vip(lb, vip)
        assert as_it_was(world, before)
        gone = Interface(network_id=world.vip_network_id)
        network.apply_delta([Delta(compute_id=server, delete_nics=[gone])])
        assert world.port(nic.port_id) is None
