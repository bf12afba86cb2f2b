# SPDX-License-Identifier: Apache-2.0
"""allocate_vip and deallocate_vip: what they promise."""

from __future__ import annotations

import ipaddress

import pytest

from networker import exceptions
from networker.drivers import naming
from networker.models import VIP, AdditionalVIP
from networker.testing.contract.steps import NOWHERE, allocate, plug
from networker.testing.contract.world import new_id, twice_at_once


class TestAllocate:
    def test_makes_a_port_that_says_what_it_is(self, network, world, balancer):
        """The VIP's port has name, device, owner and project of the load balancer."""
        lb = balancer()
        vip = allocate(network, lb)
        port = world.port(vip.port_id)
        assert port.name == f"octavia-lb-{lb.id}"
        assert port.device_id == f"lb-{lb.id}"
        assert port.device_owner == "Octavia"
        assert port.project_id == world.project_id
        assert port.admin_state_up is False
        assert [ip.ip_address for ip in port.fixed_ips] == [vip.ip_address]
        assert vip.octavia_owned is True
        assert vip.load_balancer_id == lb.id
        assert vip.subnet_id == world.vip_subnet_id
        assert vip.network_id == world.vip_network_id

    def test_again_returns_the_same_vip(self, network, world, balancer):
        """A second call without a port id finds the first one's port."""
        lb = balancer()
        first = network.allocate_vip(lb)
        second = network.allocate_vip(lb)
        assert first == second
        assert len(world.ports(name=naming.vip_port(lb.id))) == 1

    def test_twice_at_once_makes_one_port(self, network, world, balancer):
        """Two workers that run the same request end with one port."""
        lb = balancer()
        first, second = twice_at_once(network.allocate_vip, lb)
        assert first == second
        assert len(world.ports(name=naming.vip_port(lb.id))) == 1

    def test_with_its_port_id_returns_it_unchanged(self, network, balancer):
        """A VIP that was allocated before is the answer to itself."""
        lb = balancer()
        vip = allocate(network, lb)
        assert network.allocate_vip(lb) == vip

    def test_gives_further_addresses(self, network, world, balancer):
        """A VIP with an additional IPv6 subnet has an address of each on one port."""
        vip = allocate(network, balancer(dual=True))
        assert [more.subnet_id for more in vip.additional] == [world.vip_subnet6_id]
        held = {ip.ip_address for ip in world.port(vip.port_id).fixed_ips}
        assert held == {vip.ip_address, vip.additional[0].ip_address}
        assert ":" in str(vip.additional[0].ip_address)

    def test_finds_the_network_of_a_subnet(self, network, world, balancer):
        """A VIP that names only a subnet is allocated on the subnet's network."""
        lb = balancer()
        lb.vip.network_id = None
        assert allocate(network, lb).network_id == world.vip_network_id

    def test_takes_an_address_of_a_network(self, network, world, balancer):
        """A VIP that names only a network gets an address there."""
        lb = balancer()
        lb.vip.subnet_id = None
        vip = allocate(network, lb)
        assert vip.ip_address
        assert vip.subnet_id in {world.vip_subnet_id, world.vip_subnet6_id}

    def test_gives_the_address_that_is_wanted(self, network, world, balancer):
        """A wanted address that is free becomes the VIP's."""
        free = world.stranger(world.vip_network_id)
        wanted = free.fixed_ips[0].ip_address
        world.delete_port(free.id)
        lb = balancer()
        lb.vip.subnet_id = free.fixed_ips[0].subnet_id
        lb.vip.ip_address = wanted
        assert allocate(network, lb).ip_address == wanted

    def test_says_when_the_address_is_taken(self, network, world, balancer):
        """A wanted address of somebody else's port is VIPInUse, in the cloud's words."""
        stranger = world.stranger(world.vip_network_id)
        lb = balancer()
        lb.vip.subnet_id = stranger.fixed_ips[0].subnet_id
        lb.vip.ip_address = stranger.fixed_ips[0].ip_address
        with pytest.raises(exceptions.VIPInUse) as caught:
            network.allocate_vip(lb)
        assert caught.value.ip_address == lb.vip.ip_address
        assert lb.vip.ip_address in str(caught.value.orig_msg)
        assert caught.value.orig_code == 409
        assert isinstance(caught.value, exceptions.AllocateVIPException)

    def test_refuses_an_address_outside_of_the_subnet(self, network, balancer):
        """An address that the subnet does not have is AllocateVIPException."""
        lb = balancer()
        lb.vip.ip_address = "192.0.2.77"
        with pytest.raises(exceptions.AllocateVIPException, match=r"192\.0\.2\.77"):
            network.allocate_vip(lb)

    def test_keeps_the_addresses_that_it_gave(self, network, world, balancer):
        """A second call that wants another address is refused; the port is as it was."""
        lb = balancer()
        vip = network.allocate_vip(lb)
        before = world.port(vip.port_id)
        lb.vip.ip_address = str(ipaddress.ip_address(vip.ip_address) + 1)
        with pytest.raises(exceptions.AllocateVIPException):
            network.allocate_vip(lb)
        assert world.port(vip.port_id) == before

    def test_refuses_what_names_no_place(self, network, balancer):
        """A VIP without port, subnet and network cannot be allocated."""
        lb = balancer()
        lb.vip.network_id = lb.vip.subnet_id = None
        with pytest.raises(exceptions.AllocateVIPException, match="subnet"):
            network.allocate_vip(lb)

    def test_unknown_subnet_network_and_port(self, network, balancer):
        """What does not exist is NotFound by its own class, with the id."""
        lb = balancer()
        lb.vip.subnet_id = NOWHERE
        lb.vip.network_id = None
        with pytest.raises(exceptions.SubnetNotFound) as caught:
            network.allocate_vip(lb)
        assert caught.value.subnet_id == NOWHERE
        lb.vip = VIP(network_id=NOWHERE)
        with pytest.raises(exceptions.NetworkNotFound) as missing:
            network.allocate_vip(lb)
        assert missing.value.network_id == NOWHERE
        lb.vip = VIP(port_id=NOWHERE)
        with pytest.raises(exceptions.PortNotFound) as lost:
            network.allocate_vip(lb)
        assert lost.value.port_id == NOWHERE

    def test_repairs_its_own_lost_port(self, network, world, balancer):
        """A failover finds the VIP's port deleted, and gets the address again."""
        lb = balancer()
        vip = allocate(network, lb)
        world.delete_port(vip.port_id)
        again = network.allocate_vip(lb)
        assert again.port_id != vip.port_id
        assert again.ip_address == vip.ip_address
        assert world.port(again.port_id).device_id == f"lb-{lb.id}"

    def test_takes_over_a_users_port(self, network, world, balancer):
        """A port that a user brought is the VIP's, and is not marked as ours."""
        port = world.stranger(world.vip_network_id)
        lb = balancer()
        lb.vip = VIP(port_id=port.id)
        vip = allocate(network, lb)
        assert vip.port_id == port.id
        assert vip.ip_address in {ip.ip_address for ip in port.fixed_ips}
        assert vip.network_id == world.vip_network_id
        assert vip.octavia_owned is False

    def test_refuses_a_users_port_that_does_not_fit(self, network, world, balancer):
        """A user's port without the wanted address is left alone and refused."""
        port = world.stranger(world.vip_network_id)
        lb = balancer()
        lb.vip = VIP(
            port_id=port.id,
            network_id=world.vip_network_id,
            subnet_id=world.vip_subnet_id,
            ip_address="192.0.2.9",
        )
        with pytest.raises(exceptions.AllocateVIPException):
            network.allocate_vip(lb)
        assert world.port(port.id) == port


class TestOthersPorts:
    """Ports that another load balancer uses, which are nobody else's VIP."""

    def refused(self, network, lb, port_id):
        lb.vip = VIP(port_id=port_id)
        with pytest.raises(exceptions.VIPInUse, match=port_id) as caught:
            network.allocate_vip(lb)
        assert caught.value.port_id == port_id
        assert caught.value.load_balancer_id == lb.id

    def test_its_vip_and_vrrp_ports(self, network, world, balancer):
        """Whatever of a plugged load balancer is named, it stays as it is."""
        first, second = balancer(amphorae=1), balancer(amphorae=0)
        vip = plug(network, first)
        for port_id in (vip.port_id, first.amphorae[0].vrrp_port_id):
            before = world.port(port_id)
            self.refused(network, second, port_id)
            assert world.port(port_id) == before
        # Nor is it when allocate_vip was not asked.
        with pytest.raises(exceptions.VIPInUse):
            network.plug_vip(second, vip)
        with pytest.raises(exceptions.VIPInUse):
            network.update_vip_sg(second, vip)
        assert world.group_ids(naming.vip_device(second.id)) == []
        assert network.allocate_vip(first) == vip

    def test_a_users_port_that_carries_its_vip(self, network, world, balancer):
        """It was a user's once, but is one load balancer's now."""
        port = world.stranger(world.vip_network_id)
        first, second = balancer(amphorae=0), balancer(amphorae=0)
        first.vip = second.vip = VIP(port_id=port.id)
        late = network.allocate_vip(second)
        vip = plug(network, first)
        self.refused(network, second, port.id)
        for call in (network.plug_vip, network.update_vip_sg):
            with pytest.raises(exceptions.VIPInUse):
                call(second, late)
        assert world.group_ids(naming.vip_device(second.id)) == []
        assert network.allocate_vip(first) == vip
        network.deallocate_vip(vip)
        second.vip = VIP(port_id=port.id)
        plug(network, second)
        network.deallocate_vip(second.vip)

    def test_a_members_port(self, network, world, balancer):
        """A port that a server has for its members is no VIP's."""
        server = world.servers[0].compute_id
        nic = network.plug_network(server, world.member_network_ids[0])
        self.refused(network, balancer(), nic.port_id)
        network.unplug_network(server, world.member_network_ids[0])


class TestWithoutSubnet:
    """Networks that give ports no address."""

    def test_nothing_stays_and_a_retry_works(self, network, world, balancer):
        """Without a subnet there is no VIP; as soon as there is one, there is."""
        network_id = world.make_network()
        lb = balancer()
        lb.vip = VIP(network_id=network_id)
        for _ in range(2):
            with pytest.raises(exceptions.AllocateVIPException, match="subnet"):
                network.allocate_vip(lb)
            assert world.ports(network_id=network_id) == []
        subnet_id = world.make_subnet(network_id, "198.51.100.0/24")
        vip = allocate(network, lb)
        assert vip.subnet_id == subnet_id
        assert len(world.ports(network_id=network_id)) == 1

    def test_no_other_port_stays_either(self, network, world, clean):
        """create_port and plug_network leave no port without an address behind."""
        network_id = world.make_network()
        server, name = world.servers[0].compute_id, f"octavia-lb-member-{new_id()}"
        for call, failure in (
            (
                lambda: network.plug_network(server, network_id),
                exceptions.PlugNetworkException,
            ),
            (
                lambda: network.create_port(network_id, name),
                exceptions.CreatePortException,
            ),
        ):
            with pytest.raises(failure, match="subnet"):
                call()
            assert world.ports(network_id=network_id) == []
        world.make_subnet(network_id, "198.51.100.0/24")
        assert network.create_port(network_id, name).fixed_ips
        assert network.plug_network(server, network_id).fixed_ips
        network.unplug_network(server, network_id)
        for port in world.ports(network_id=network_id):
            world.delete_port(port.id)


class TestDerivedAddresses:
    """VIPs on subnets whose ports derive their addresses from their MAC addresses."""

    CIDR = "2001:db8:7e57::/64"

    def test_a_lost_port_is_made_again(self, network, world, balancer):
        """The VIP has the address that it had, as the only one or as a further one."""
        network_id = world.make_network()
        v4 = world.make_subnet(network_id, "198.51.100.0/24")
        v6 = world.make_subnet(network_id, self.CIDR, slaac=True)
        one, other, loose = balancer(), balancer(), balancer()
        one.vip = VIP(subnet_id=v6)
        other.vip = VIP(subnet_id=v4, additional=[AdditionalVIP(subnet_id=v6)])
        loose.vip = VIP(subnet_id=v6)
        for lb in (one, other, loose):
            vip = allocate(network, lb)
            world.delete_port(vip.port_id)
            if lb is loose:
                # Only the address is known, and on which network it was.
                lb.vip = VIP(network_id=network_id, ip_address=vip.ip_address)
            again = network.allocate_vip(lb)
            assert again.port_id != vip.port_id
            assert again.ip_address == vip.ip_address
            held = {ip.ip_address for ip in world.port(again.port_id).fixed_ips}
            assert held >= {vip.ip_address, *(m.ip_address for m in vip.additional)}
            network.deallocate_vip(again)


class TestDeallocate:
    def test_removes_the_port(self, network, world, balancer):
        """After allocate and deallocate nothing is left, and again is no error."""
        vip = allocate(network, balancer())
        network.deallocate_vip(vip)
        assert world.port(vip.port_id) is None
        network.deallocate_vip(vip)
        assert world.leftovers() == []

    def test_twice_at_once(self, network, world, balancer):
        """Two workers that run the same request both succeed."""
        vip = plug(network, balancer())
        assert twice_at_once(network.deallocate_vip, vip) == (None, None)
        assert world.leftovers() == []

    def test_cleans_up_what_is_still_plugged(self, network, world, balancer):
        """Deallocating a plugged VIP removes group and VRRP ports too."""
        lb = balancer()
        network.deallocate_vip(plug(network, lb))
        assert world.leftovers() == []
        assert world.group_ids(naming.vip_device(lb.id)) == []

    def test_needs_no_port_id(self, network, world, balancer):
        """A VIP of which only the load balancer is known is found by it."""
        lb = balancer()
        allocate(network, lb)
        network.deallocate_vip(VIP(load_balancer_id=lb.id))
        assert world.leftovers() == []

    def test_needs_no_load_balancer_id(self, network, world, balancer):
        """A VIP of which only the port is known is cleaned up completely."""
        vip = plug(network, balancer(amphorae=1))
        network.deallocate_vip(VIP(port_id=vip.port_id))
        assert world.leftovers() == []

    def test_needs_something(self, network):
        """A VIP that names neither is VIPConfigurationNotFound."""
        with pytest.raises(exceptions.VIPConfigurationNotFound):
            network.deallocate_vip(VIP())

    def test_keeps_a_users_port(self, network, world, balancer):
        """A user's port survives, with the groups and addresses that it had."""
        port = world.stranger(world.vip_network_id)
        lb = balancer(amphorae=1)
        lb.vip = VIP(port_id=port.id)
        vip = plug(network, lb)
        network.unplug_vip(lb, vip)
        network.deallocate_vip(vip)
        after = world.port(port.id)
        assert after.fixed_ips == port.fixed_ips
        assert after.name == port.name
        assert world.group_ids(naming.vip_device(lb.id)) == []

    def test_refuses_while_a_server_uses_it(self, network, world, balancer):
        """A VIP port that somebody attached to a server is VIPInUse, and stays."""
        vip = allocate(network, balancer())
        compute_id = world.servers[0].compute_id
        world.occupy(vip.port_id, compute_id)
        with pytest.raises(exceptions.VIPInUse):
            network.deallocate_vip(vip)
        assert world.port(vip.port_id).device_id == compute_id
        world.delete_port(vip.port_id)


def test_additional_address_without_place_is_refused(network, balancer):
    """An additional VIP that names neither subnet nor address cannot be made."""
    lb = balancer()
    lb.vip.additional = [AdditionalVIP()]
    with pytest.raises(exceptions.AllocateVIPException, match="neither"):
        network.allocate_vip(lb)
    lb.vip.additional = [AdditionalVIP(subnet_id=lb.vip.subnet_id)]
    lb.vip.subnet_id = None
    with pytest.raises(exceptions.AllocateVIPException, match="neither"):
        network.allocate_vip(lb)
