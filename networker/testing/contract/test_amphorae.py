# SPDX-License-Identifier: Apache-2.0
"""plug_aap_port, unplug_aap_port, get_network_configs: one amphora at a time."""

from __future__ import annotations

import copy

import msgspec
import pytest

from networker import exceptions
from networker.drivers import naming
from networker.models import VIP, Amphora, FixedIP, Subnet
from networker.testing.contract.steps import (
    NOWHERE,
    allocate,
    plug,
    plug_one,
    secure,
    subnet_of,
)
from networker.testing.contract.world import new_id, twice_at_once


class TestPlug:
    def test_routes_the_vip_to_the_amphora(self, network, world, balancer):
        """The amphora has a port that is attached, in the group, and may be the VIP."""
        lb = balancer(dual=True)
        vip = secure(network, lb)
        own = world.make_group(f"users-{new_id()}")
        vip.sg_ids = [own]
        plugged = plug_one(network, lb)
        (group_id,) = world.group_ids(naming.vip_device(lb.id))
        port = world.port(plugged.vrrp_port_id)
        assert port.name == f"octavia-lb-vrrp-{plugged.id}"
        assert port.device_id == plugged.compute_id
        assert port.project_id != world.project_id
        assert sorted(port.security_group_ids) == sorted([group_id, own])
        pairs = {vip.ip_address, vip.additional[0].ip_address}
        assert set(port.allowed_addresses) == pairs
        assert port.get_subnet_id(plugged.vrrp_ip) == vip.subnet_id
        assert (plugged.ha_ip, plugged.ha_port_id) == (vip.ip_address, vip.port_id)

    def test_again_is_the_same_as_plug_vip(self, network, world, balancer):
        """A second call changes nothing, and plug_vip finds the port of either."""
        lb = balancer(amphorae=1)
        vip = secure(network, lb)
        before = lb.amphorae[0]
        first = plug_one(network, lb)
        port = world.port(first.vrrp_port_id)
        assert network.plug_aap_port(lb, vip, before, subnet_of(vip)) == first
        assert network.plug_vip(lb, vip) == [first]
        assert world.port(first.vrrp_port_id) == port
        assert len(world.ports(name=naming.vrrp_port(before.id))) == 1
        filled = {"vrrp_ip", "ha_ip", "vrrp_port_id", "ha_port_id"}
        was, now = map(msgspec.structs.asdict, (before, first))
        assert {name for name in now if now[name] != was[name]} == filled

    def test_twice_at_once(self, network, world, balancer):
        """Two workers that run the same request end with one port."""
        lb = balancer(amphorae=1)
        vip = secure(network, lb)
        arguments = (lb, vip, lb.amphorae[0], subnet_of(vip))
        first, second = twice_at_once(network.plug_aap_port, *arguments)
        assert first == second
        (port,) = world.ports(name=naming.vrrp_port(first.id))
        assert (port.id, port.device_id) == (first.vrrp_port_id, first.compute_id)
        assert port.allowed_addresses == [vip.ip_address]

    def test_uses_a_port_that_the_amphora_has_there(self, network, world, balancer):
        """A member port on the VIP's network carries the VIP, and survives it."""
        lb = balancer(amphorae=1)
        vip = secure(network, lb)
        server = lb.amphorae[0].compute_id
        member = network.plug_network(server, vip.network_id)
        before = world.port(member.port_id)
        plugged = plug_one(network, lb)
        assert plugged.vrrp_port_id == member.port_id
        (group_id,) = world.group_ids(naming.vip_device(lb.id))
        port = world.port(member.port_id)
        assert port.allowed_addresses == [vip.ip_address]
        assert port.security_group_ids == [group_id]
        assert port.get_subnet_id(plugged.vrrp_ip) == vip.subnet_id
        network.unplug_aap_port(vip, plugged, subnet_of(vip))
        after = world.port(member.port_id)
        assert (after.device_id, after.allowed_addresses) == (server, [])
        assert group_id not in after.security_group_ids
        assert {ip.ip_address for ip in before.fixed_ips} <= {
            ip.ip_address for ip in after.fixed_ips
        }
        network.unplug_network(server, vip.network_id)

    def test_says_what_is_missing(self, network, world, balancer):
        """Server, subnet and group are missed by their own class; no port is left."""
        lb = balancer(amphorae=1)
        vip, amphora = allocate(network, lb), lb.amphorae[0]
        with pytest.raises(exceptions.MissingVIPSecurityGroup) as group:
            network.plug_aap_port(lb, vip, amphora, subnet_of(vip))
        assert group.value.load_balancer_id == lb.id
        network.update_vip_sg(lb, vip)
        gone = Subnet(id=NOWHERE, network_id=vip.network_id)
        with pytest.raises(exceptions.SubnetNotFound) as subnet:
            network.plug_aap_port(lb, vip, amphora, gone)
        assert subnet.value.subnet_id == NOWHERE
        lost = msgspec.structs.replace(amphora, compute_id=NOWHERE)
        with pytest.raises(exceptions.AmphoraNotFound) as server:
            network.plug_aap_port(lb, vip, lost, subnet_of(vip))
        assert server.value.compute_id == NOWHERE
        assert world.ports(name=naming.vrrp_port(amphora.id)) == []
        assert len(world.group_ids(naming.vip_device(lb.id))) == 1


class TestUnplug:
    def test_removes_the_port(self, network, world, balancer):
        """The server has what it had before, the peer is left alone, again is fine."""
        lb = balancer()
        vip = secure(network, lb)
        server = lb.amphorae[0].compute_id
        before = {port.id for port in world.ports(device_id=server)}
        plugged = plug_one(network, lb)
        peers = naming.vrrp_port(lb.amphorae[1].id)
        peer = network.create_port(vip.network_id, peers)
        for _ in range(2):
            network.unplug_aap_port(vip, plugged, subnet_of(vip))
            assert world.port(plugged.vrrp_port_id) is None
        assert {port.id for port in world.ports(device_id=server)} == before
        assert world.port(peer.id) == peer
        network.delete_port(peer.id)

    def test_twice_at_once(self, network, world, balancer):
        """Two workers that run the same request both succeed."""
        lb = balancer(amphorae=1)
        vip = secure(network, lb)
        amphora = plug_one(network, lb)
        arguments = (vip, amphora, subnet_of(vip))
        assert twice_at_once(network.unplug_aap_port, *arguments) == (None, None)
        assert world.port(amphora.vrrp_port_id) is None

    def test_tolerates_what_is_missing(self, network, world, balancer):
        """Neither server, nor subnet, nor anything plugged has to be there."""
        lb = balancer(amphorae=1)
        vip = secure(network, lb)
        amphora = plug_one(network, lb)
        for half_built in (
            Amphora(id=new_id()),
            Amphora(id=new_id(), compute_id=NOWHERE, vrrp_port_id=NOWHERE),
        ):
            network.unplug_aap_port(vip, half_built, subnet_of(vip))
        gone = Subnet(id=NOWHERE, network_id=NOWHERE)
        network.unplug_aap_port(vip, Amphora(id=new_id()), gone)
        assert world.port(amphora.vrrp_port_id) is not None


@pytest.fixture(scope="module")
def plugged(setting):
    """A load balancer with two amphorae and two families that nobody changes."""
    network, world = setting
    lb = world.load_balancer(dual=True)
    plug(network, lb)
    world.kept |= {lb.id, *(amphora.id for amphora in lb.amphorae)}
    yield lb
    world.kept.clear()
    network.deallocate_vip(lb.vip)


class TestConfigs:
    @pytest.fixture
    def lb(self, plugged):
        """A load balancer's model, to be changed."""
        return copy.deepcopy(plugged)

    def test_tell_everything(self, network, world, lb):
        """Ports with their networks, subnets, and the additional VIP's subnet."""
        vip = lb.vip
        configs = network.get_network_configs(lb)
        assert set(configs) == {amphora.id for amphora in lb.amphorae}
        vip_subnet = network.get_subnet(vip.subnet_id)
        for amphora in lb.amphorae:
            config = configs[amphora.id]
            assert config.amphora == amphora
            assert config.vip_subnet == config.ha_subnet == vip_subnet
            assert config.vrrp_subnet == vip_subnet
            assert config.vip_port.id == config.ha_port.id == vip.port_id
            assert config.vrrp_port.id == amphora.vrrp_port_id
            assert config.vrrp_port.mac_address
            for port in (config.vip_port, config.vrrp_port, config.ha_port):
                assert port.network.id == vip.network_id
                assert port.network.mtu >= 1280
            (more,) = config.additional_vip_data
            assert more.ip_address == vip.additional[0].ip_address
            assert more.subnet.id == world.vip_subnet6_id

    def test_of_one_amphora(self, network, lb):
        """Only the amphora that is asked for is there, even if the list lacks it."""
        first, second = lb.amphorae
        lb.amphorae = [first]
        configs = network.get_network_configs(lb, amphora=second)
        assert set(configs) == {second.id}
        assert configs[second.id].vrrp_port.id == second.vrrp_port_id

    def test_missing_vrrp_port_of_peer_does_not_fail_configs(self, network, lb):
        """An amphora is told of its network whatever has become of the other's port."""
        first, second = lb.amphorae
        for lost in (NOWHERE, None):
            second.vrrp_port_id = lost
            assert set(network.get_network_configs(lb)) == {first.id}
            assert set(network.get_network_configs(lb, amphora=first)) == {first.id}

    def test_say_what_is_missing(self, network, lb):
        """A lost port of the amphora that is asked for, and a lost subnet, are errors."""
        lost = msgspec.structs.replace(lb.amphorae[0], vrrp_port_id=NOWHERE)
        with pytest.raises(exceptions.PortNotFound) as port:
            network.get_network_configs(lb, amphora=lost)
        assert port.value.port_id == NOWHERE
        never = msgspec.structs.replace(lb.amphorae[0], vrrp_port_id=None)
        with pytest.raises(exceptions.PortNotFound):
            network.get_network_configs(lb, amphora=never)
        lb.vip.subnet_id = NOWHERE
        with pytest.raises(exceptions.SubnetNotFound) as subnet:
            network.get_network_configs(lb)
        assert subnet.value.subnet_id == NOWHERE


class TestOctaviasPort:
    def test_is_taken_over(self, network, world, balancer):
        """A VRRP port that was made by create_port is used, and never doubled."""
        lb = balancer(amphorae=1)
        vip, amphora = secure(network, lb), lb.amphorae[0]
        made = network.create_port(
            vip.network_id,
            name=naming.vrrp_port(amphora.id),
            fixed_ips=[FixedIP(subnet_id=vip.subnet_id)],
        )
        plugged = plug_one(network, lb)
        assert plugged.vrrp_port_id == made.id
        (port,) = world.ports(name=naming.vrrp_port(amphora.id))
        (group_id,) = world.group_ids(naming.vip_device(lb.id))
        assert port.device_id == amphora.compute_id
        assert port.security_group_ids == [group_id]
        assert port.allowed_addresses == [vip.ip_address]
        network.unplug_aap_port(VIP(load_balancer_id=lb.id), amphora, subnet_of(vip))
        assert world.port(made.id) is None
