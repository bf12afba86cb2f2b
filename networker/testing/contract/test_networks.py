# SPDX-License-Identifier: Apache-2.0
"""plug_network, unplug_network, get_plugged_networks, failover_preparation."""

from __future__ import annotations

import pytest

from networker import exceptions
from networker.drivers import naming
from networker.models import Amphora, Delta, Interface
from networker.testing.contract.steps import NOWHERE, allocate, plug
from networker.testing.contract.world import twice_at_once


@pytest.fixture
def server(network, world, clean):
    """A server whose member networks are unplugged afterwards."""
    server = world.servers[0]
    yield server
    for network_id in world.member_network_ids:
        network.unplug_network(server.compute_id, network_id)


class TestPlug:
    def test_connects_the_server(self, network, world, server):
        """The interface that is returned is a port of the server on the network."""
        network_id = world.member_network_ids[0]
        interface = network.plug_network(server.compute_id, network_id)
        port = world.port(interface.port_id)
        assert port.device_id == server.compute_id
        assert port.network_id == network_id == interface.network_id
        assert port.name == naming.member_port(server.compute_id)
        assert interface.id == interface.port_id
        assert interface.compute_id == server.compute_id
        held = [(ip.subnet_id, ip.ip_address) for ip in port.fixed_ips]
        assert [(i.subnet_id, i.ip_address) for i in interface.fixed_ips] == held
        assert interface.subnet_id == port.fixed_ips[0].subnet_id

    def test_again_returns_the_same_interface(self, network, world, server):
        """A second call makes no second interface."""
        network_id = world.member_network_ids[0]
        first = network.plug_network(server.compute_id, network_id)
        assert network.plug_network(server.compute_id, network_id) == first
        ports = world.ports(device_id=server.compute_id, network_id=network_id)
        assert [port.id for port in ports] == [first.port_id]

    def test_twice_at_once(self, network, world, server):
        """Two workers that run the same request end with one interface."""
        network_id = world.member_network_ids[0]
        first, second = twice_at_once(
            network.plug_network, server.compute_id, network_id
        )
        assert first == second
        assert len(world.ports(name=naming.member_port(server.compute_id))) == 1

    def test_gives_the_wanted_address(self, network, world, server):
        """A wanted address that is free becomes the interface's."""
        network_id = world.member_network_ids[1]
        free = world.stranger(network_id)
        wanted = free.fixed_ips[0].ip_address
        world.delete_port(free.id)
        interface = network.plug_network(server.compute_id, network_id, wanted)
        assert [ip.ip_address for ip in interface.fixed_ips] == [wanted]

    def test_says_when_the_address_is_taken(self, network, world, server):
        """An address of another port is AddressInUse, and nothing is plugged."""
        network_id = world.member_network_ids[1]
        stranger = world.stranger(network_id)
        taken = stranger.fixed_ips[0].ip_address
        try:
            with pytest.raises(exceptions.AddressInUse) as caught:
                network.plug_network(server.compute_id, network_id, taken)
            assert caught.value.ip_address == taken
            assert isinstance(caught.value, exceptions.PlugNetworkException)
            assert world.ports(name=naming.member_port(server.compute_id)) == []
        finally:
            world.delete_port(stranger.id)

    def test_refuses_an_address_from_elsewhere(self, network, world, server):
        """An address that the network does not have is PlugNetworkException."""
        network_id = world.member_network_ids[1]
        with pytest.raises(exceptions.PlugNetworkException):
            network.plug_network(server.compute_id, network_id, "192.0.2.1")

    def test_unknown_server_leaves_no_port(self, network, world):
        """An unknown server is AmphoraNotFound; the port that was made is gone."""
        network_id = world.member_network_ids[0]
        with pytest.raises(exceptions.AmphoraNotFound) as caught:
            network.plug_network(NOWHERE, network_id)
        assert caught.value.compute_id == NOWHERE
        assert world.ports(name=naming.member_port(NOWHERE)) == []

    def test_unknown_network(self, network, world):
        """An unknown network is NetworkNotFound, with its id."""
        with pytest.raises(exceptions.NetworkNotFound) as caught:
            network.plug_network(world.servers[0].compute_id, NOWHERE)
        assert caught.value.network_id == NOWHERE


class TestUnplug:
    def test_removes_the_interface_and_its_port(self, network, world, server):
        """After plug and unplug the server is as before, and again is no error."""
        network_id = world.member_network_ids[0]
        before = world.ports(device_id=server.compute_id)
        interface = network.plug_network(server.compute_id, network_id)
        network.unplug_network(server.compute_id, network_id)
        assert world.port(interface.port_id) is None
        assert world.ports(device_id=server.compute_id) == before
        network.unplug_network(server.compute_id, network_id)

    def test_twice_at_once(self, network, world, server):
        """Two workers that run the same request both succeed."""
        network_id = world.member_network_ids[0]
        interface = network.plug_network(server.compute_id, network_id)
        twice_at_once(network.unplug_network, server.compute_id, network_id)
        assert world.port(interface.port_id) is None

    def test_can_be_told_which_address(self, network, world, server):
        """With an address only the interface that holds it is removed."""
        network_id = world.member_network_ids[1]
        free = world.stranger(network_id)
        wanted = free.fixed_ips[0].ip_address
        world.delete_port(free.id)
        gone = network.plug_network(server.compute_id, network_id, wanted)
        kept = network.plug_network(server.compute_id, network_id)
        network.unplug_network(server.compute_id, network_id, wanted)
        assert world.port(gone.port_id) is None
        assert world.port(kept.port_id).device_id == server.compute_id

    def test_never_touches_the_management_port(self, network, world):
        """The interface that the server was booted with is refused, and stays."""
        server = world.servers[0]
        with pytest.raises(exceptions.UnplugNetworkException):
            network.unplug_network(server.compute_id, world.mgmt_network_id)
        (port,) = world.ports(
            device_id=server.compute_id, network_id=world.mgmt_network_id
        )
        assert port.get_subnet_id(server.lb_network_ip)

    def test_unknown_server_and_network(self, network, world):
        """Nothing to unplug and no such server or network is NotFound."""
        network_id = world.member_network_ids[0]
        with pytest.raises(exceptions.AmphoraNotFound) as caught:
            network.unplug_network(NOWHERE, network_id)
        assert caught.value.compute_id == NOWHERE
        with pytest.raises(exceptions.NetworkNotFound) as missing:
            network.unplug_network(world.servers[0].compute_id, NOWHERE)
        assert missing.value.network_id == NOWHERE


class TestBesideTheVip:
    """Members' calls on the VIP's network, which never touch a VRRP port."""

    @pytest.fixture
    def plugged(self, network, balancer):
        """A load balancer whose VIP is plugged into one amphora, and that amphora."""
        lb = balancer(amphorae=1)
        plug(network, lb)
        yield lb, lb.amphorae[0]
        network.unplug_vip(lb, lb.vip)

    def test_unplugging_twice_leaves_the_vip(self, network, world, plugged):
        """The member's interface goes; repeating it is no error and takes no other."""
        lb, amphora = plugged
        before = world.port(amphora.vrrp_port_id)
        member = network.plug_network(amphora.compute_id, lb.vip.network_id)
        assert member.port_id != before.id
        for _ in range(2):
            network.unplug_network(amphora.compute_id, lb.vip.network_id)
            assert world.port(member.port_id) is None
            assert world.port(before.id) == before

    def test_a_delta_leaves_the_vip(self, network, world, plugged):
        """That the VIP's network is no member network any more is no end of the VIP."""
        lb, amphora = plugged
        before = world.port(amphora.vrrp_port_id)
        nic = Interface(network_id=lb.vip.network_id)
        delta = Delta(
            amphora_id=amphora.id, compute_id=amphora.compute_id, delete_nics=[nic]
        )
        for _ in range(2):
            assert network.apply_delta([delta]) == []
            assert world.port(before.id) == before

    def test_a_vrrp_port_that_is_named_is_refused(self, network, world, plugged):
        """Its id or its address do not make it a member's."""
        lb, amphora = plugged
        before = world.port(amphora.vrrp_port_id)
        nic = Interface(network_id=lb.vip.network_id, port_id=before.id)
        delta = Delta(compute_id=amphora.compute_id, delete_nics=[nic])
        for call in (
            lambda: network.apply_delta([delta]),
            lambda: network.unplug_network(
                amphora.compute_id, lb.vip.network_id, amphora.vrrp_ip
            ),
        ):
            with pytest.raises(exceptions.UnplugNetworkException, match=before.id):
                call()
            assert world.port(before.id) == before

    @pytest.mark.parametrize("named", [False, True])
    def test_a_port_that_serves_both_stays_for_the_vip(
        self, network, world, balancer, named
    ):
        """A member's port that plug_vip took goes with the VIP, and not before it."""
        lb = balancer(amphorae=1)
        vip, server = allocate(network, lb), lb.amphorae[0].compute_id
        member = network.plug_network(server, vip.network_id)
        lb.amphorae = network.plug_vip(lb, vip)
        assert lb.amphorae[0].vrrp_port_id == member.port_id
        before = world.port(member.port_id)
        nic = Interface(
            network_id=vip.network_id, port_id=member.port_id if named else None
        )
        for _ in range(2):
            network.apply_delta([Delta(compute_id=server, delete_nics=[nic])])
            after = world.port(member.port_id)
            after.name = before.name
            assert after == before
        assert network.plug_vip(lb, vip) == lb.amphorae
        again = network.plug_network(server, vip.network_id)
        assert again.port_id != member.port_id
        network.unplug_network(server, vip.network_id)
        network.unplug_vip(lb, vip)
        assert world.port(member.port_id) is None
        assert world.port(again.port_id) is None


class TestPluggedNetworks:
    def test_lists_every_interface(self, network, world, server):
        """The management network's interface and the member network's are there."""
        network_id = world.member_network_ids[0]
        interface = network.plug_network(server.compute_id, network_id)
        found = {
            i.network_id: i for i in network.get_plugged_networks(server.compute_id)
        }
        assert set(found) == {network_id, world.mgmt_network_id}
        assert found[network_id] == interface

    def test_unknown_server(self, network):
        """A server that does not exist is AmphoraNotFound, not an empty list."""
        with pytest.raises(exceptions.AmphoraNotFound):
            network.get_plugged_networks(NOWHERE)


class TestFailover:
    def test_releases_all_ports_but_the_management_one(
        self, network, world, server, balancer
    ):
        """VRRP and member ports lose their server, so that another can have them."""
        lb = balancer(amphorae=1)
        vip = network.allocate_vip(lb)
        (amphora,) = network.plug_vip(lb, vip)
        member = network.plug_network(server.compute_id, world.member_network_ids[0])
        for _ in range(2):
            network.failover_preparation(amphora)
            assert world.port(amphora.vrrp_port_id).device_id == ""
            assert world.port(member.port_id).device_id == ""
        left = world.ports(device_id=server.compute_id)
        assert [port.network_id for port in left] == [world.mgmt_network_id]
        network.unplug_vip(lb, vip)
        assert world.port(amphora.vrrp_port_id) is None

    def test_a_server_without_ports(self, network):
        """An amphora whose server has no port at all is PortNotFound."""
        with pytest.raises(exceptions.PortNotFound):
            network.failover_preparation(
                Amphora(compute_id=NOWHERE, lb_network_ip="10.90.0.9")
            )
