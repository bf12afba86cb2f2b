# SPDX-License-Identifier: Apache-2.0
"""update_vip_sg, update_aap_port_sg, and update_vip where there may be no group."""

from __future__ import annotations

import msgspec
import pytest

from networker import exceptions
from networker.drivers import naming
from networker.drivers.rules import Rule
from networker.models import Amphora, Listener
from networker.testing.contract.steps import NOWHERE, V4_RULES, allocate, secure
from networker.testing.contract.world import new_id, twice_at_once


class TestOfTheVip:
    def test_is_made_with_its_rules_and_set_on_the_vip(self, network, world, balancer):
        """The VIP's port has the new group and no other, not even the default one."""
        lb = balancer()
        vip = allocate(network, lb)
        group_id = network.update_vip_sg(lb, vip)
        assert world.group_ids(naming.vip_device(lb.id)) == [group_id]
        assert world.rules(naming.vip_device(lb.id)) == V4_RULES
        assert world.port(vip.port_id).security_group_ids == [group_id]
        assert network.get_security_group(naming.vip_device(lb.id)).id == group_id

    def test_again_follows_the_listeners(self, network, world, balancer):
        """A second call makes no second group, and the rules are those wanted now."""
        lb = balancer(topology="SINGLE")
        vip = allocate(network, lb)
        first = network.update_vip_sg(lb, vip)
        lb.listeners = [Listener(id=new_id(), protocol="TCP", protocol_port=443)]
        for _ in range(2):
            assert network.update_vip_sg(lb, vip) == first
            assert world.rules(naming.vip_device(lb.id)) == {Rule("IPv4", "tcp", 443)}
        assert world.group_ids(naming.vip_device(lb.id)) == [first]

    def test_twice_at_once(self, network, world, balancer):
        """Two workers that run the same request end with one group, used by the VIP."""
        lb = balancer()
        vip = allocate(network, lb)
        first, second = twice_at_once(network.update_vip_sg, lb, vip)
        assert first == second
        assert world.group_ids(naming.vip_device(lb.id)) == [first]
        assert world.rules(naming.vip_device(lb.id)) == V4_RULES
        assert world.port(vip.port_id).security_group_ids == [first]

    def test_lets_in_by_the_users_groups(self, network, world, balancer):
        """With the user's groups only what the amphorae need themselves is ruled.

        Taken away again, the listeners' rules come back, and the user's groups go.
        """
        lb = balancer()
        vip = allocate(network, lb)
        own = world.make_group(f"users-{new_id()}")
        vip.sg_ids = [own]
        group_id = network.update_vip_sg(lb, vip)
        held = world.port(vip.port_id).security_group_ids
        assert sorted(held) == sorted([group_id, own])
        listened = {Rule("IPv4", "tcp", 80), Rule("IPv4", "udp", 53)}
        assert world.rules(naming.vip_device(lb.id)) == V4_RULES - listened
        vip.sg_ids = []
        lb.vip = vip
        assert network.update_vip_sg(lb, vip) == group_id
        assert world.port(vip.port_id).security_group_ids == [group_id]
        assert world.rules(naming.vip_device(lb.id)) == V4_RULES

    def test_needs_the_vips_port(self, network, world, balancer):
        """Without the VIP's port there is no group afterwards."""
        lb = balancer()
        gone = msgspec.structs.replace(allocate(network, lb), port_id=NOWHERE)
        with pytest.raises(exceptions.PortNotFound) as caught:
            network.update_vip_sg(lb, gone)
        assert caught.value.port_id == NOWHERE
        assert world.group_ids(naming.vip_device(lb.id)) == []

    def test_refuses_groups_that_do_not_exist(self, network, world, balancer):
        """With a group that nobody has, everything stays as it was."""
        lb = balancer()
        vip = allocate(network, lb)
        before = world.port(vip.port_id)
        wrong = msgspec.structs.replace(vip, sg_ids=[NOWHERE])
        with pytest.raises(exceptions.PlugVIPException, match=NOWHERE):
            network.update_vip_sg(lb, wrong)
        assert world.group_ids(naming.vip_device(lb.id)) == []
        assert world.port(vip.port_id) == before

    def test_refuses_a_bad_cidr(self, network, world, balancer):
        """A CIDR that is none is named, and no group is made."""
        lb = balancer()
        vip = allocate(network, lb)
        lb.listeners[0].allowed_cidrs = ["10.0.0.0/99"]
        with pytest.raises(exceptions.InvalidRequest, match=r"10\.0\.0\.0/99"):
            network.update_vip_sg(lb, vip)
        assert world.group_ids(naming.vip_device(lb.id)) == []


class TestOfAnAmphora:
    def test_is_the_vips_and_the_users(self, network, world, balancer):
        """The VRRP port gets the user's groups as they are now; again is the same."""
        lb = balancer(amphorae=1)
        vip = secure(network, lb)
        (group_id,) = world.group_ids(naming.vip_device(lb.id))
        amphora = lb.amphorae[0]
        port = network.create_port(vip.network_id, naming.vrrp_port(amphora.id))
        amphora.vrrp_port_id = port.id
        own = world.make_group(f"users-{new_id()}")
        for sg_ids in ([own], [own], []):
            vip.sg_ids = sg_ids
            network.update_aap_port_sg(lb, amphora, vip)
            held = world.port(amphora.vrrp_port_id).security_group_ids
            assert sorted(held) == sorted([group_id, *sg_ids])
        twice_at_once(network.update_aap_port_sg, lb, amphora, vip)
        assert world.port(amphora.vrrp_port_id).security_group_ids == [group_id]

    def test_needs_the_port_and_the_group(self, network, world, balancer):
        """What is missing is said by its own class, with the id."""
        lb = balancer(amphorae=1)
        vip = allocate(network, lb)
        port = world.stranger(world.vip_network_id)
        with pytest.raises(exceptions.MissingVIPSecurityGroup) as missing:
            network.update_aap_port_sg(lb, Amphora(vrrp_port_id=port.id), vip)
        assert missing.value.load_balancer_id == lb.id
        assert world.port(port.id) == port
        network.update_vip_sg(lb, vip)
        with pytest.raises(exceptions.PortNotFound) as caught:
            network.update_aap_port_sg(lb, Amphora(vrrp_port_id=NOWHERE), vip)
        assert caught.value.port_id == NOWHERE

    def test_refuses_groups_that_do_not_exist(self, network, world, balancer):
        """With a group that nobody has, the port stays as it was."""
        lb = balancer(amphorae=1)
        vip = secure(network, lb)
        before = world.stranger(world.vip_network_id)
        vip.sg_ids = [NOWHERE]
        with pytest.raises(exceptions.PlugVIPException, match=NOWHERE):
            network.update_aap_port_sg(lb, Amphora(vrrp_port_id=before.id), vip)
        assert world.port(before.id) == before


class TestWithoutGroup:
    def test_is_an_error_when_a_listener_changes(self, network, balancer):
        """There is nothing to bring in line, and nothing is made."""
        lb = balancer()
        allocate(network, lb)
        with pytest.raises(exceptions.MissingVIPSecurityGroup) as caught:
            network.update_vip(lb)
        assert caught.value.load_balancer_id == lb.id

    def test_is_no_error_when_a_listener_is_deleted(self, network, world, balancer):
        """What is gone already needs no change; what is there gets it."""
        lb = balancer(topology="SINGLE")
        vip = allocate(network, lb)
        network.update_vip(lb, for_delete=True)
        assert world.group_ids(naming.vip_device(lb.id)) == []
        network.update_vip_sg(lb, vip)
        lb.listeners[0].provisioning_status = "PENDING_DELETE"
        network.update_vip(lb, for_delete=True)
        assert world.rules(naming.vip_device(lb.id)) == {Rule("IPv4", "udp", 53)}
