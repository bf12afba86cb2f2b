# SPDX-License-Identifier: Apache-2.0
"""plug_fixed_ip and unplug_fixed_ip: addresses that a port gets and loses."""

from __future__ import annotations

import pytest

from networker import exceptions
from networker.models import FixedIP
from networker.testing.contract.steps import NOWHERE
from networker.testing.contract.world import MEMBER, at_once, new_id, twice_at_once


class TestAddresses:
    @pytest.fixture
    def port(self, network, world, clean):
        """A port with an address on the first of two subnets."""
        first = [FixedIP(subnet_id=world.member_subnet_ids[0])]
        port = network.create_port(
            world.member_network_ids[0], MEMBER + new_id(), fixed_ips=first
        )
        yield port
        network.delete_port(port.id)

    def test_are_added_and_removed(self, network, world, port):
        """An address is added once however often, and all of a subnet's are removed."""
        subnet_id = world.member_subnet_ids[1]
        for _ in range(2):
            after = network.plug_fixed_ip(port.id, subnet_id)
            assert after.fixed_ips == world.port(port.id).fixed_ips
            places = [ip.subnet_id for ip in after.fixed_ips]
            assert sorted(places) == sorted(world.member_subnet_ids)
        for _ in range(2):
            after = network.unplug_fixed_ip(port.id, subnet_id)
            assert after.fixed_ips == world.port(port.id).fixed_ips == port.fixed_ips

    def test_are_those_that_are_wanted(self, network, world, port):
        """A wanted address is added beside another one of the same subnet."""
        subnet_id = world.member_subnet_ids[0]
        wanted = world.free_address(port.network_id, subnet_id)
        for _ in range(2):
            after = network.plug_fixed_ip(port.id, subnet_id, wanted)
            held = {ip.ip_address for ip in world.port(port.id).fixed_ips}
            assert held == {wanted, port.fixed_ips[0].ip_address}
            assert {ip.ip_address for ip in after.fixed_ips} == held
        assert network.unplug_fixed_ip(port.id, subnet_id).fixed_ips == []

    def test_twice_at_once(self, network, world, port):
        """Two workers that run the same request add one address, and remove it."""
        subnet_id = world.member_subnet_ids[1]
        first, second = twice_at_once(network.plug_fixed_ip, port.id, subnet_id)
        assert first.fixed_ips == second.fixed_ips == world.port(port.id).fixed_ips
        assert len(first.fixed_ips) == 2
        twice_at_once(network.unplug_fixed_ip, port.id, subnet_id)
        assert world.port(port.id).fixed_ips == port.fixed_ips

    def test_given_at_once_all_stay(self, network, world, port):
        """Of addresses that are added at the same time none is lost."""
        subnet_id = world.member_subnet_ids[1]
        strangers = [
            world.stranger(port.network_id, subnet_id=subnet_id) for _ in range(3)
        ]
        wanted = [stranger.fixed_ips[0].ip_address for stranger in strangers]
        for stranger in strangers:
            world.delete_port(stranger.id)
        at_once(
            *[
                lambda a=address: network.plug_fixed_ip(port.id, subnet_id, a)
                for address in wanted
            ]
        )
        held = {ip.ip_address for ip in world.port(port.id).fixed_ips}
        assert held == {*wanted, port.fixed_ips[0].ip_address}

    def test_refused_change_nothing(self, network, world, port):
        """Whatever is wrong with an address, the port keeps those that it has."""
        subnet_id = world.member_subnet_ids[1]
        stranger = world.stranger(port.network_id, subnet_id=subnet_id)
        taken = stranger.fixed_ips[0].ip_address
        with pytest.raises(exceptions.AddressInUse) as caught:
            network.plug_fixed_ip(port.id, subnet_id, taken)
        assert taken in str(caught.value.orig_msg)
        with pytest.raises(exceptions.SubnetNotFound) as missing:
            network.plug_fixed_ip(port.id, NOWHERE)
        assert missing.value.subnet_id == NOWHERE
        with pytest.raises(exceptions.NetworkException, match=r"192\.0\.2\.1"):
            network.plug_fixed_ip(port.id, subnet_id, "192.0.2.1")
        with pytest.raises(exceptions.NetworkException):
            network.plug_fixed_ip(port.id, world.vip_subnet_id)
        assert world.port(port.id).fixed_ips == port.fixed_ips

    def test_need_the_port(self, network, world):
        """A port that does not exist is PortNotFound, with its id."""
        for method in (network.plug_fixed_ip, network.unplug_fixed_ip):
            with pytest.raises(exceptions.PortNotFound) as caught:
                method(NOWHERE, world.member_subnet_ids[0])
            assert caught.value.port_id == NOWHERE
