# SPDX-License-Identifier: Apache-2.0
"""plug_vip, unplug_vip, update_vip: what they promise."""

from __future__ import annotations

import msgspec
import pytest

from networker import exceptions
from networker.drivers import naming
from networker.drivers.rules import Rule
from networker.models import VIP, Amphora, Delta, FixedIP, Interface, Listener
from networker.testing.contract.steps import NOWHERE, V4_RULES, allocate, plug, plug_one
from networker.testing.contract.world import new_id, twice_at_once


class TestPlug:
    def test_routes_the_vip_to_every_amphora(self, network, world, balancer):
        """Each amphora has an attached VRRP port that may send from the VIP."""
        lb = balancer()
        vip = allocate(network, lb)
        plugged = network.plug_vip(lb, vip)
        assert [amphora.id for amphora in plugged] == [a.id for a in lb.amphorae]
        (group_id,) = world.group_ids(naming.vip_device(lb.id))
        for amphora in plugged:
            port = world.port(amphora.vrrp_port_id)
            assert port.name == f"octavia-lb-vrrp-{amphora.id}"
            assert port.device_id == amphora.compute_id
            assert port.allowed_addresses == [vip.ip_address]
            assert port.security_group_ids == [group_id]
            assert port.get_subnet_id(amphora.vrrp_ip) == vip.subnet_id
            assert (amphora.ha_ip, amphora.ha_port_id) == (vip.ip_address, vip.port_id)
        assert world.port(vip.port_id).security_group_ids == [group_id]
        assert world.rules(naming.vip_device(lb.id)) == V4_RULES

    def test_keeps_what_it_knows_of_an_amphora(self, network, balancer):
        """What the amphorae had besides is returned with them."""
        lb = balancer(amphorae=1)
        vip = allocate(network, lb)
        (amphora,) = network.plug_vip(lb, vip)
        before = msgspec.structs.asdict(lb.amphorae[0])
        filled = {"vrrp_ip", "ha_ip", "vrrp_port_id", "ha_port_id"}
        after = msgspec.structs.asdict(amphora)
        assert {k for k in after if after[k] != before[k]} == filled

    def test_again_changes_nothing(self, network, world, balancer):
        """A second call returns the same and makes no second port or group."""
        lb = balancer()
        vip = allocate(network, lb)
        first = network.plug_vip(lb, vip)
        before = sorted(world.leftovers())
        assert network.plug_vip(lb, vip) == first
        assert sorted(world.leftovers()) == before
        assert len(world.group_ids(naming.vip_device(lb.id))) == 1

    def test_twice_at_once(self, network, world, balancer):
        """Two workers that run the same request end with one group and one port each."""
        lb = balancer()
        vip = allocate(network, lb)
        first, second = twice_at_once(network.plug_vip, lb, vip)
        assert first == second
        (group_id,) = world.group_ids(naming.vip_device(lb.id))
        for amphora in first:
            (port,) = world.ports(name=naming.vrrp_port(amphora.id))
            assert port.id == amphora.vrrp_port_id
            assert port.device_id == amphora.compute_id
            assert port.security_group_ids == [group_id]
        assert world.rules(naming.vip_device(lb.id)) == V4_RULES

    def test_serves_both_families(self, network, world, balancer):
        """An additional IPv6 address is paired and ruled; VRRP needs the first one only."""
        lb = balancer(amphorae=1, dual=True)
        vip = allocate(network, lb)
        (amphora,) = network.plug_vip(lb, vip)
        pairs = set(world.port(amphora.vrrp_port_id).allowed_addresses)
        assert pairs == {vip.ip_address, vip.additional[0].ip_address}
        v6 = {Rule("IPv6", r.protocol, r.port) for r in V4_RULES if r.port}
        assert world.rules(naming.vip_device(lb.id)) == V4_RULES | v6

    def test_a_single_amphora_needs_no_vrrp(self, network, world, balancer):
        """Topology SINGLE gets no rules for VRRP and AH."""
        lb = balancer(amphorae=1, topology="SINGLE")
        plug(network, lb)
        vrrp = {Rule("IPv4", "112"), Rule("IPv4", "51")}
        assert world.rules(naming.vip_device(lb.id)) == V4_RULES - vrrp

    def test_sets_the_users_groups_too(self, network, world, balancer):
        """With sg_ids both ports have them, and listeners need no rules of ours."""
        lb = balancer(amphorae=1)
        own = world.make_group(naming.vip_device(new_id()))
        vip = allocate(network, lb)
        vip.sg_ids = [own]
        (amphora,) = network.plug_vip(lb, vip)
        (group_id,) = world.group_ids(naming.vip_device(lb.id))
        for port_id in (amphora.vrrp_port_id, vip.port_id):
            held = world.port(port_id).security_group_ids
            assert sorted(held) == sorted([group_id, own])
        listened = {Rule("IPv4", "tcp", 80), Rule("IPv4", "udp", 53)}
        assert world.rules(naming.vip_device(lb.id)) == V4_RULES - listened
        network.unplug_vip(lb, vip)
        network.deallocate_vip(vip)
        world.delete_group(own)

    def test_skips_amphorae_that_do_not_take_part(self, network, world, balancer):
        """A DELETED amphora gets no port and is not returned."""
        lb = balancer()
        vip = allocate(network, lb)
        lb.amphorae[0].status = "DELETED"
        plugged = network.plug_vip(lb, vip)
        assert [amphora.id for amphora in plugged] == [lb.amphorae[1].id]
        assert world.ports(name=naming.vrrp_port(lb.amphorae[0].id)) == []

    def test_undoes_everything_when_one_server_is_missing(
        self, network, world, balancer
    ):
        """An unknown server is AmphoraNotFound and leaves no port, group or rule."""
        lb = balancer()
        vip = allocate(network, lb)
        before = world.port(vip.port_id)
        lb.amphorae[1].compute_id = NOWHERE
        with pytest.raises(exceptions.AmphoraNotFound) as caught:
            network.plug_vip(lb, vip)
        assert caught.value.compute_id == NOWHERE
        for amphora in lb.amphorae:
            assert world.ports(name=naming.vrrp_port(amphora.id)) == []
        assert world.group_ids(naming.vip_device(lb.id)) == []
        after = world.port(vip.port_id)
        assert after.security_group_ids == before.security_group_ids

    def test_needs_the_vips_port(self, network, balancer):
        """A VIP whose port does not exist is PortNotFound."""
        lb = balancer()
        vip = allocate(network, lb)
        gone = msgspec.structs.replace(vip, port_id=NOWHERE)
        with pytest.raises(exceptions.PortNotFound) as caught:
            network.plug_vip(lb, gone)
        assert caught.value.port_id == NOWHERE

    def test_needs_a_server_for_each_amphora(self, network, world, balancer):
        """An amphora without a server is refused with the path to it."""
        lb = balancer()
        vip = allocate(network, lb)
        lb.amphorae[1].compute_id = None
        path = r"load_balancer\.amphorae\[1\]\.compute_id"
        with pytest.raises(exceptions.InvalidRequest, match=path):
            network.plug_vip(lb, vip)
        assert world.ports(name=naming.vrrp_port(lb.amphorae[0].id)) == []


class TestOnAnotherSubnet:
    """Ports that have no address on the VIP's subnet."""

    def test_a_vip_that_moved_is_plugged(self, network, world, balancer):
        """The VRRP ports of a VIP that allocate_vip moved get addresses beside it."""
        lb = balancer()
        plug(network, lb)
        lb.vip.subnet_id, lb.vip.ip_address = world.vip_subnet6_id, None
        vip = allocate(network, lb)
        assert vip.subnet_id == world.vip_subnet6_id
        plugged = network.plug_vip(lb, vip)
        assert network.plug_vip(lb, vip) == plugged
        for before, amphora in zip(lb.amphorae, plugged, strict=True):
            port = world.port(amphora.vrrp_port_id)
            assert port.id == before.vrrp_port_id
            assert port.get_subnet_id(amphora.vrrp_ip) == vip.subnet_id
            assert port.allowed_addresses == [vip.ip_address]

    def test_a_vip_that_moved_is_plugged_one_by_one(self, network, world, balancer):
        """plug_aap_port does the same."""
        lb = balancer(amphorae=1)
        plug(network, lb)
        lb.vip.subnet_id, lb.vip.ip_address = world.vip_subnet6_id, None
        vip = allocate(network, lb)
        network.update_vip_sg(lb, vip)
        plugged = plug_one(network, lb)
        port = world.port(plugged.vrrp_port_id)
        assert port.get_subnet_id(plugged.vrrp_ip) == vip.subnet_id

    @pytest.mark.parametrize("missing", [False, True])
    def test_a_members_port_gets_an_address_there(
        self, network, world, balancer, missing
    ):
        """A port that the server has on another subnet is used; a failure undoes it."""
        lb = balancer(amphorae=2 if missing else 1)
        server = lb.amphorae[0].compute_id
        other = [FixedIP(subnet_id=world.vip_subnet6_id)]
        nic = Interface(network_id=world.vip_network_id, fixed_ips=other)
        delta = Delta(compute_id=server, add_nics=[nic])
        (member,) = network.apply_delta([delta])
        before = world.port(member.port_id)
        vip = allocate(network, lb)
        if missing:
            lb.amphorae[1].compute_id = NOWHERE
            with pytest.raises(exceptions.AmphoraNotFound):
                network.plug_vip(lb, vip)
            assert world.port(member.port_id) == before
        else:
            (amphora,) = network.plug_vip(lb, vip)
            port = world.port(amphora.vrrp_port_id)
            assert port.id == member.port_id
            assert port.get_subnet_id(amphora.vrrp_ip) == vip.subnet_id
            assert before.fixed_ips[0] in port.fixed_ips
        network.unplug_vip(lb, vip)
        network.unplug_network(server, vip.network_id)
        assert world.port(member.port_id) is None

    def test_twice_at_once(self, network, world, balancer):
        """Two workers give each port one address on the VIP's new subnet."""
        lb = balancer()
        plug(network, lb)
        lb.vip.subnet_id, lb.vip.ip_address = world.vip_subnet6_id, None
        vip = allocate(network, lb)
        first, second = twice_at_once(network.plug_vip, lb, vip)
        assert first == second
        for amphora in first:
            held = world.port(amphora.vrrp_port_id).fixed_ips
            subnets = sorted(ip.subnet_id for ip in held)
            assert subnets == sorted([world.vip_subnet_id, world.vip_subnet6_id])


class TestUnplug:
    def test_removes_the_vrrp_ports(self, network, world, balancer):
        """After unplugging, the servers have what they had before, and again is fine."""
        lb = balancer()
        servers = [amphora.compute_id for amphora in lb.amphorae]
        before = [sorted(p.id for p in world.ports(device_id=s)) for s in servers]
        vip = plug(network, lb)
        network.unplug_vip(lb, vip)
        after = [sorted(p.id for p in world.ports(device_id=s)) for s in servers]
        assert after == before
        for amphora in lb.amphorae:
            assert world.port(amphora.vrrp_port_id) is None
        assert world.port(vip.port_id) is not None
        network.unplug_vip(lb, vip)

    def test_twice_at_once(self, network, world, balancer):
        """Two workers that run the same request both succeed."""
        lb = balancer()
        vip = plug(network, lb)
        assert twice_at_once(network.unplug_vip, lb, vip) == (None, None)
        for amphora in lb.amphorae:
            assert world.port(amphora.vrrp_port_id) is None

    def test_can_be_plugged_again(self, network, world, balancer):
        """Plug, unplug and plug ends plugged."""
        lb = balancer(amphorae=1)
        vip = plug(network, lb)
        network.unplug_vip(lb, vip)
        (amphora,) = network.plug_vip(lb, vip)
        assert world.port(amphora.vrrp_port_id).device_id == amphora.compute_id

    def test_tolerates_half_built_amphorae(self, network, world, balancer):
        """An amphora without server and one never plugged do not stop the others."""
        lb = balancer(amphorae=1)
        vip = plug(network, lb)
        lb.amphorae += [Amphora(id=new_id()), Amphora(id=new_id(), compute_id=NOWHERE)]
        network.unplug_vip(lb, vip)
        assert world.port(lb.amphorae[0].vrrp_port_id) is None

    def test_finds_ports_without_their_ids(self, network, world, balancer):
        """A controller that lost the answer of plug_vip can still undo it."""
        lb = balancer(amphorae=1)
        vip = allocate(network, lb)
        (plugged,) = network.plug_vip(lb, vip)
        network.unplug_vip(lb, vip)
        assert world.port(plugged.vrrp_port_id) is None

    def test_says_when_the_subnet_is_gone(self, network, balancer):
        """Nothing plugged and no such subnet is PluggedVIPNotFound."""
        lb = balancer(amphorae=1)
        gone = VIP(port_id=NOWHERE, subnet_id=NOWHERE, network_id=NOWHERE)
        with pytest.raises(exceptions.PluggedVIPNotFound):
            network.unplug_vip(lb, gone)


class TestUpdate:
    def test_follows_the_listeners(self, network, world, balancer):
        """Rules of new listeners come, those of deleted ones go, CIDRs are honoured."""
        lb = balancer(amphorae=0, topology="SINGLE")
        plug(network, lb)
        lb.listeners = [
            Listener(
                id=new_id(),
                protocol="TCP",
                protocol_port=443,
                peer_port=1026,
                allowed_cidrs=["198.51.100.7/24", "2001:DB8::/32", "203.0.113.5/32"],
            ),
            Listener(
                id=new_id(),
                protocol="TCP",
                protocol_port=8080,
                provisioning_status="PENDING_DELETE",
            ),
        ]
        wanted = {
            Rule("IPv4", "tcp", 443, "198.51.100.0/24"),
            Rule("IPv4", "tcp", 443, "203.0.113.5/32"),
            Rule("IPv4", "tcp", 1026),
        }
        for _ in range(2):
            network.update_vip(lb)
            assert world.rules(naming.vip_device(lb.id)) == wanted

    def test_twice_at_once(self, network, world, balancer):
        """Two updates of one load balancer do not fail each other."""
        lb = balancer(amphorae=0, topology="SINGLE")
        plug(network, lb)
        lb.listeners = [
            Listener(id=new_id(), protocol="TCP", protocol_port=port)
            for port in range(8000, 8005)
        ]
        twice_at_once(network.update_vip, lb)
        ports = {rule.port for rule in world.rules(naming.vip_device(lb.id))}
        assert ports == set(range(8000, 8005))

    @pytest.mark.timeout(900)
    def test_follows_many_listeners(self, network, world, balancer):
        """More rules than fit into one request come, and go again."""
        lb = balancer(amphorae=0, topology="SINGLE")
        plug(network, lb)
        before, listeners = world.rules(naming.vip_device(lb.id)), lb.listeners
        new = [
            Listener(id=new_id(), protocol="TCP", protocol_port=port)
            for port in range(8000, 8060)
        ]
        lb.listeners = listeners + new
        network.update_vip(lb)
        wanted = {Rule("IPv4", "tcp", port) for port in range(8000, 8060)}
        assert world.rules(naming.vip_device(lb.id)) == before | wanted
        lb.listeners = listeners
        network.update_vip(lb)
        assert world.rules(naming.vip_device(lb.id)) == before

    def test_needs_a_plugged_vip(self, network, balancer):
        """Without a security group there is nothing to update."""
        lb = balancer()
        allocate(network, lb)
        with pytest.raises(exceptions.PluggedVIPNotFound) as caught:
            network.update_vip(lb)
        assert caught.value.load_balancer_id == lb.id

    def test_refuses_a_bad_cidr(self, network, world, balancer):
        """A CIDR that is none is named, and the rules stay as they are."""
        lb = balancer(amphorae=0)
        plug(network, lb)
        lb.listeners[0].allowed_cidrs = ["10.0.0.0/99"]
        with pytest.raises(exceptions.InvalidRequest, match=r"10\.0\.0\.0/99"):
            network.update_vip(lb)
        assert world.rules(naming.vip_device(lb.id)) == V4_RULES
