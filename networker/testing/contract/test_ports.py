# SPDX-License-Identifier: Apache-2.0
"""create_port, delete_port, plug_port, and what is set on a port."""

from __future__ import annotations

import msgspec
import pytest

from networker import exceptions
from networker.models import Amphora, FixedIP, Port
from networker.testing.contract.steps import NOWHERE, until
from networker.testing.contract.world import MEMBER, new_id, twice_at_once


@pytest.fixture
def made(network, world, clean):
    """Make ports on the second member network, and delete them afterwards."""
    ids = []

    def make(name=None, **wanted):
        port = network.create_port(world.member_network_ids[1], name, **wanted)
        ids.append(port.id)
        return port

    yield make
    for port_id in ids:
        network.delete_port(port_id)


def name():
    """Return a name that nothing has."""
    return MEMBER + new_id()


class TestCreate:
    def test_makes_what_is_wanted(self, network, world, clean):
        """Addresses, groups, policy, state and type are as they were asked for."""
        network_id, subnet_id = world.member_network_ids[0], world.member_subnet_ids[1]
        own = world.make_group(f"users-{new_id()}")
        called, wanted = name(), world.free_address(network_id, subnet_id)
        port = network.create_port(
            network_id,
            name=called,
            fixed_ips=[FixedIP(subnet_id=subnet_id, ip_address=wanted)],
            secondary_ips=["198.51.100.250", "198.51.100.251"],
            security_group_ids=[own],
            admin_state_up=False,
            qos_policy_id=world.qos_policy_id,
            vnic_type="direct",
        )
        held = world.port(port.id)
        assert (held.name, held.network_id) == (called, network_id)
        assert [(ip.subnet_id, ip.ip_address) for ip in held.fixed_ips] == [
            (subnet_id, wanted)
        ]
        assert set(held.allowed_addresses) == {"198.51.100.250", "198.51.100.251"}
        assert held.security_group_ids == [own]
        assert (held.admin_state_up, held.vnic_type) == (False, "direct")
        assert held.qos_policy_id == world.qos_policy_id
        assert held.device_owner == "Octavia"
        assert held.project_id not in ("", None, world.project_id)
        assert port == held
        network.delete_port(port.id)

    def test_needs_no_more_than_a_network(self, world, made):
        """The network chooses an address, and the port is in the default group."""
        port = world.port(made().id)
        assert len(port.fixed_ips) == 1
        assert port.admin_state_up is True
        assert len(port.security_group_ids) == 1
        assert (port.qos_policy_id, port.allowed_addresses) == (None, [])

    def test_again_brings_the_port_in_line(self, world, made):
        """A second call of the same name changes groups, policy and pairs only."""
        called, own = name(), world.make_group(f"users-{new_id()}")
        first = made(called)
        wanted = {
            "security_group_ids": [own],
            "qos_policy_id": world.qos_policy_id,
            "secondary_ips": ["198.51.100.250"],
        }
        for _ in range(2):
            again = made(called, **wanted)
            assert (again.id, again.fixed_ips) == (first.id, first.fixed_ips)
            held = world.port(first.id)
            assert held.security_group_ids == [own]
            assert held.qos_policy_id == world.qos_policy_id
            assert held.allowed_addresses == ["198.51.100.250"]
        (port,) = world.ports(name=called)
        assert port.id == first.id

    def test_twice_at_once(self, world, made):
        """Two workers that run the same request end with one port."""
        called = name()
        first, second = twice_at_once(made, called)
        assert first.id == second.id
        assert len(world.ports(name=called)) == 1

    def test_without_a_name_is_another_port_each_time(self, made):
        """Who names nothing asks for something new."""
        assert made().id != made().id

    def test_refuses_what_does_not_exist(self, network, world, clean):
        """Network, subnet, group and policy are missed, and no port is left."""
        network_id, called = world.member_network_ids[0], name()
        with pytest.raises(exceptions.NetworkNotFound) as missing:
            network.create_port(NOWHERE, called)
        assert missing.value.network_id == NOWHERE
        nowhere = [FixedIP(subnet_id=NOWHERE)]
        with pytest.raises(exceptions.SubnetNotFound) as subnet:
            network.create_port(network_id, called, fixed_ips=nowhere)
        assert subnet.value.subnet_id == NOWHERE
        for wrong in (
            {"security_group_ids": [NOWHERE]},
            {"qos_policy_id": NOWHERE},
            {"fixed_ips": [FixedIP(ip_address="192.0.2.1")]},
            {"fixed_ips": [FixedIP(subnet_id=world.vip_subnet_id)]},
        ):
            with pytest.raises(exceptions.CreatePortException):
                network.create_port(network_id, called, **wrong)
        assert world.ports(name=called) == []

    def test_refuses_addresses_that_others_have(self, network, world, clean):
        """An address of another port is AddressInUse, and no port is left."""
        network_id, called = world.member_network_ids[1], name()
        taken = world.stranger(network_id).fixed_ips[0].ip_address
        with pytest.raises(exceptions.AddressInUse) as caught:
            network.create_port(
                network_id, called, fixed_ips=[FixedIP(ip_address=taken)]
            )
        assert taken in str(caught.value.orig_msg)
        assert isinstance(caught.value, exceptions.CreatePortException)
        assert world.ports(name=called) == []

    def test_refuses_a_port_that_has_other_addresses(self, world, made):
        """A port of that name is not moved to another address behind its user's back."""
        called = name()
        before = world.port(made(called).id)
        other = world.free_address(world.member_network_ids[1])
        with pytest.raises(exceptions.CreatePortException):
            made(called, fixed_ips=[FixedIP(ip_address=other)])
        assert world.ports(name=called) == [before]


class TestDelete:
    def test_removes_the_port(self, network, world, made):
        """The port is gone; again, and at once, is no error."""
        port = made(name())
        assert twice_at_once(network.delete_port, port.id) == (None, None)
        assert world.port(port.id) is None
        network.delete_port(port.id)
        network.delete_port(NOWHERE)


class TestState:
    def test_is_set(self, network, world, made):
        """A port is taken down and up again, by either name, and again is the same."""
        port_id = made(name()).id
        for state in (False, False, True, True):
            network.set_port_admin_state_up(port_id, state)
            assert world.port(port_id).admin_state_up is state
        network.admin_down_port(port_id)
        assert world.port(port_id).admin_state_up is False
        twice_at_once(network.set_port_admin_state_up, port_id, True)
        assert world.port(port_id).admin_state_up is True

    def test_needs_the_port(self, network):
        """A port that does not exist is PortNotFound, with its id."""
        for call in (
            lambda: network.set_port_admin_state_up(NOWHERE, True),
            lambda: network.admin_down_port(NOWHERE),
            lambda: network.apply_qos_on_port(None, NOWHERE),
        ):
            with pytest.raises(exceptions.PortNotFound) as caught:
                call()
            assert caught.value.port_id == NOWHERE


class TestQos:
    def test_is_set_and_taken_away(self, network, world, made):
        """A policy is set, set again, and cleared by None."""
        port_id, policy_id = made(name()).id, world.qos_policy_id
        for wanted in (policy_id, policy_id, None, None):
            network.apply_qos_on_port(wanted, port_id)
            assert world.port(port_id).qos_policy_id == wanted
        twice_at_once(network.apply_qos_on_port, policy_id, port_id)
        assert network.get_port(port_id).qos_policy_id == policy_id

    def test_needs_the_policy(self, network, world, made):
        """A policy that does not exist is QosPolicyNotFound; the old one stays."""
        port_id = made(name(), qos_policy_id=world.qos_policy_id).id
        with pytest.raises(exceptions.QosPolicyNotFound) as caught:
            network.apply_qos_on_port(NOWHERE, port_id)
        assert caught.value.qos_policy_id == NOWHERE
        assert world.port(port_id).qos_policy_id == world.qos_policy_id


class TestPlug:
    def test_attaches_the_port(self, network, world, made):
        """The port is the server's; again, and at once, is the same interface.

        Taken down, it carries no traffic a moment later.
        """
        port, server = made(name()), world.servers[0]
        amphora = Amphora(id=new_id(), compute_id=server.compute_id)
        first, second = twice_at_once(network.plug_port, amphora, port)
        assert first == second == network.plug_port(amphora, Port(id=port.id))
        assert (first.port_id, first.compute_id) == (port.id, server.compute_id)
        assert (first.amphora_id, first.network_id) == (amphora.id, port.network_id)
        assert first.fixed_ips == port.fixed_ips
        assert world.port(port.id).device_id == server.compute_id
        plugged = network.get_plugged_networks(server.compute_id)
        # Whose amphora a server is, only the caller knows.
        unknown = msgspec.structs.replace(first, amphora_id=None)
        assert [i for i in plugged if i.port_id == port.id] == [unknown]
        network.admin_down_port(port.id)
        until(lambda: network.get_port(port.id).status == "DOWN")
        network.unplug_network(server.compute_id, port.network_id)
        assert world.port(port.id) is None

    def test_says_what_is_missing(self, network, world, made):
        """Server and port are missed by their own class, and the port stays free."""
        port, compute_id = made(name()), world.servers[0].compute_id
        with pytest.raises(exceptions.AmphoraNotFound) as server:
            network.plug_port(Amphora(compute_id=NOWHERE), port)
        assert server.value.compute_id == NOWHERE
        with pytest.raises(exceptions.PortNotFound) as lost:
            network.plug_port(Amphora(compute_id=compute_id), Port(id=NOWHERE))
        assert lost.value.port_id == NOWHERE
        assert world.port(port.id) == port

    def test_takes_no_port_from_another_server(self, network, world, made):
        """A port of another server is refused, and stays where it is."""
        port, (one, other, *_) = made(name()), world.servers
        network.plug_port(Amphora(compute_id=one.compute_id), port)
        with pytest.raises(exceptions.PlugNetworkException):
            network.plug_port(Amphora(compute_id=other.compute_id), port)
        assert world.port(port.id).device_id == one.compute_id
        network.unplug_network(one.compute_id, port.network_id)
