# SPDX-License-Identifier: Apache-2.0
"""apply_delta: the plugging of several servers changed at once."""

from __future__ import annotations

import pytest

from networker import exceptions
from networker.drivers import naming
from networker.models import Amphora, Delta, FixedIP, Interface, SubnetOfPort
from networker.testing.contract.steps import NOWHERE
from networker.testing.contract.world import MEMBER, new_id, twice_at_once


@pytest.fixture
def servers(network, world, clean):
    """Two servers whose member networks are unplugged afterwards."""
    servers = world.servers[:2]
    yield [server.compute_id for server in servers]
    network.apply_delta(
        [
            Delta(
                compute_id=server.compute_id,
                delete_nics=[Interface(network_id=n) for n in world.member_network_ids],
            )
            for server in servers
        ]
    )


def adding(world, server, *subnets):
    """Return a delta by which a server gets a port on the first member network."""
    places = [FixedIP(subnet_id=subnet_id) for subnet_id in subnets]
    nic = Interface(network_id=world.member_network_ids[0], fixed_ips=places)
    return Delta(amphora_id=f"amphora of {server}", compute_id=server, add_nics=[nic])


def plugged(network, server):
    """Return a server's interfaces by network."""
    return {one.network_id: one for one in network.get_plugged_networks(server)}


class TestAdding:
    def test_connects_all_servers(self, network, world, servers):
        """Each server gets what plug_network would give it, on the wanted subnets."""
        first, second = world.member_subnet_ids
        deltas = [
            adding(world, servers[0], second),
            adding(world, servers[1], first, second),
        ]
        made = network.apply_delta(deltas)
        assert [one.compute_id for one in made] == servers
        assert [one.amphora_id for one in made] == [d.amphora_id for d in deltas]
        held = [[ip.subnet_id for ip in one.fixed_ips] for one in made]
        assert held == [[second], [first, second]]
        for server, one in zip(servers, made, strict=True):
            port = world.port(one.port_id)
            assert (port.device_id, port.name) == (server, naming.member_port(server))
            one.amphora_id = None
            assert network.plug_network(server, one.network_id) == one

    def test_again_returns_the_same(self, network, world, servers):
        """A second call makes no second interface, and twice at once neither."""
        deltas = [adding(world, server) for server in servers]
        first, second = twice_at_once(network.apply_delta, deltas)
        assert first == second == network.apply_delta(deltas)
        for server in servers:
            assert len(world.ports(name=naming.member_port(server))) == 1

    def test_takes_what_an_address_plugged(self, network, world, servers):
        """An address makes the same interface that plug_network makes with it."""
        place = world.member_network_ids[1]
        wanted = world.free_address(place)
        nic = Interface(network_id=place, fixed_ips=[FixedIP(ip_address=wanted)])
        made = network.plug_network(servers[0], place, wanted)
        delta = Delta(compute_id=servers[0], add_nics=[nic])
        assert network.apply_delta([delta]) == [made]

    def test_a_subnet_without_a_port_is_the_new_interfaces(
        self, network, world, servers
    ):
        """As Octavia's deltas name the subnets of a new interface a second time."""
        first, second = world.member_subnet_ids
        delta, place = adding(world, servers[0], first), world.member_network_ids[0]
        delta.add_subnets = [
            SubnetOfPort(subnet_id=one, network_id=place) for one in (first, second)
        ]
        (made,) = network.apply_delta([delta])
        assert [ip.subnet_id for ip in made.fixed_ips] == [first, second]

    def test_an_interface_on_another_subnet_gets_the_wanted_one_too(
        self, network, world, servers
    ):
        """What an earlier call made for other members serves the new ones as well."""
        first, second = world.member_subnet_ids
        (before,) = network.apply_delta([adding(world, servers[0], first)])
        (after,) = network.apply_delta([adding(world, servers[0], second)])
        assert after.port_id == before.port_id
        assert {ip.subnet_id for ip in after.fixed_ips} == {first, second}
        assert after.fixed_ips == world.port(after.port_id).fixed_ips


class TestChanging:
    def test_addresses_come_and_go(self, network, world, servers):
        """A port moves from one subnet to another, and what is as wanted stays so."""
        first, second = world.member_subnet_ids
        (made,) = network.apply_delta([adding(world, servers[0], first)])
        place = {"network_id": made.network_id, "port_id": made.port_id}
        delta = Delta(
            compute_id=servers[0],
            add_subnets=[SubnetOfPort(subnet_id=second, **place)],
            delete_subnets=[SubnetOfPort(subnet_id=first, **place)],
        )
        (after,) = network.apply_delta([delta])
        assert [ip.subnet_id for ip in after.fixed_ips] == [second]
        assert after == network.apply_delta([delta])[0]
        assert after == plugged(network, servers[0])[made.network_id]

    def test_addresses_of_what_goes_are_not_looked_at(self, network, world, servers):
        """As Octavia's deltas name the subnets of an interface that is removed."""
        (made,) = network.apply_delta([adding(world, servers[0])])
        place = {"network_id": made.network_id, "port_id": made.port_id}
        lost = [SubnetOfPort(subnet_id=made.subnet_id, **place)]
        delta = Delta(
            compute_id=servers[0], delete_nics=[Interface(**place)], delete_subnets=lost
        )
        assert network.apply_delta([delta]) == []
        assert world.port(made.port_id) is None


class TestRemoving:
    def test_disconnects_all_servers(self, network, world, servers):
        """Their ports are gone, and again is no error."""
        made = network.apply_delta([adding(world, server) for server in servers])
        deltas = [Delta(compute_id=one.compute_id, delete_nics=[one]) for one in made]
        for _ in range(2):
            assert network.apply_delta(deltas) == []
            assert [world.port(one.port_id) for one in made] == [None, None]

    def test_adds_and_removes_at_once(self, network, world, servers):
        """Servers move from one network to another."""
        old, new = world.member_network_ids[1], world.member_network_ids[0]
        for server in servers:
            network.plug_network(server, old)
        deltas = [adding(world, server) for server in servers]
        for delta in deltas:
            delta.delete_nics = [Interface(network_id=old)]
        made = network.apply_delta(deltas)
        assert [one.network_id for one in made] == [new, new]
        for server in servers:
            assert set(plugged(network, server)) == {new, world.mgmt_network_id}

    def test_removes_what_octavias_steps_made(self, network, world, servers):
        """A port that create_port made, and plug_port gave to the server, goes too."""
        amphora_id, place = new_id(), world.member_network_ids[0]
        port = network.create_port(place, MEMBER + amphora_id)
        amphora = Amphora(id=amphora_id, compute_id=servers[0])
        nic = network.plug_port(amphora, port)
        delta = Delta(compute_id=servers[0], delete_nics=[nic])
        network.apply_delta([delta])
        assert world.port(port.id) is None

    def test_only_the_port_that_is_named(self, network, world, servers):
        """Another interface on the same network stays."""
        place = world.member_network_ids[1]
        kept = network.plug_network(servers[0], place)
        gone = network.plug_network(servers[0], place, world.free_address(place))
        network.apply_delta([Delta(compute_id=servers[0], delete_nics=[gone])])
        assert world.port(gone.port_id) is None
        assert world.port(kept.port_id).device_id == servers[0]

    def test_never_touches_the_management_port(self, network, world, servers):
        """It is refused, what was added for it is gone, and what was to go stays."""
        member = world.member_network_ids[1]
        kept = network.plug_network(servers[1], member)
        deltas = [adding(world, servers[0]), Delta(compute_id=servers[1])]
        deltas[1].delete_nics = [
            Interface(network_id=member),
            Interface(network_id=world.mgmt_network_id),
        ]
        with pytest.raises(exceptions.UnplugNetworkException, match="not plugged"):
            network.apply_delta(deltas)
        assert set(plugged(network, servers[0])) == {world.mgmt_network_id}
        assert world.port(kept.port_id).device_id == servers[1]


class TestRefusing:
    def test_one_server_that_is_unknown_undoes_all(self, network, world, servers):
        """The error names it, and no server has an interface more."""
        deltas = [adding(world, one) for one in (servers[0], NOWHERE, servers[1])]
        with pytest.raises(exceptions.AmphoraNotFound) as caught:
            network.apply_delta(deltas)
        assert caught.value.compute_id == NOWHERE
        for server in (*servers, NOWHERE):
            assert world.ports(name=naming.member_port(server)) == []

    def test_what_is_unknown_is_said_as_by_the_single_methods(
        self, network, world, servers
    ):
        """Networks, subnets and ports have errors of their own, with their ids."""
        place = {"port_id": NOWHERE, "network_id": world.member_network_ids[0]}
        subnet = world.member_subnet_ids[0]
        for changes, error, attribute in (
            (
                {"add_nics": [Interface(network_id=NOWHERE)]},
                exceptions.NetworkNotFound,
                "network_id",
            ),
            (
                {"delete_nics": [Interface(network_id=NOWHERE)]},
                exceptions.NetworkNotFound,
                "network_id",
            ),
            (
                {"add_subnets": [SubnetOfPort(subnet_id=subnet, **place)]},
                exceptions.PortNotFound,
                "port_id",
            ),
        ):
            with pytest.raises(error) as caught:
                network.apply_delta([Delta(compute_id=servers[0], **changes)])
            assert caught.value.attributes()[attribute] == NOWHERE

    def test_an_address_that_is_taken(self, network, world, servers):
        """It is AddressInUse, with the server and the network that it was meant for."""
        place = world.member_network_ids[1]
        taken = world.stranger(place).fixed_ips[0].ip_address
        nic = Interface(network_id=place, fixed_ips=[FixedIP(ip_address=taken)])
        with pytest.raises(exceptions.AddressInUse) as caught:
            network.apply_delta([Delta(compute_id=servers[0], add_nics=[nic])])
        assert caught.value.ip_address == taken
        assert world.ports(name=naming.member_port(servers[0])) == []

    def test_contradictions(self, network, world, servers):
        """Deltas that contradict themselves are refused, and nothing is asked."""
        server, place = servers[0], world.member_network_ids[0]
        nic, subnet = Interface(network_id=place), world.member_subnet_ids[0]
        port = SubnetOfPort(subnet_id=subnet, port_id="p")
        new = SubnetOfPort(subnet_id=subnet, network_id=place)
        twice = [FixedIP(subnet_id=subnet)] * 2
        double = Interface(network_id=place, fixed_ips=twice)
        for deltas, text in (
            ([Delta(compute_id=server)] * 2, f"server {server}"),
            ([Delta(compute_id=server, add_nics=[nic, nic])], f"network {place}"),
            (
                [Delta(compute_id=server, add_nics=[nic], delete_nics=[nic])],
                f"network {place}",
            ),
            ([Delta(compute_id=one, add_subnets=[port]) for one in servers], "port p"),
            (
                [
                    Delta(
                        compute_id=server, add_subnets=[SubnetOfPort(subnet_id=subnet)]
                    )
                ],
                f"subnet {subnet}",
            ),
            ([Delta(compute_id=server, add_subnets=[port, port])], f"subnet {subnet}"),
            (
                [Delta(compute_id=server, add_nics=[nic], add_subnets=[new, new])],
                f"subnet {subnet}",
            ),
            ([Delta(compute_id=server, add_nics=[double])], f"subnet {subnet}"),
            (
                [Delta(compute_id=server, add_subnets=[port], delete_subnets=[port])],
                f"subnet {subnet}",
            ),
        ):
            with pytest.raises(exceptions.InvalidRequest, match=text):
                network.apply_delta(deltas)
        assert set(plugged(network, server)) == {world.mgmt_network_id}

    def test_nothing_to_do(self, network, servers):
        """No deltas, and empty ones, ask for no interface."""
        assert network.apply_delta([]) == []
        assert network.apply_delta([Delta(compute_id=servers[0])]) == []
