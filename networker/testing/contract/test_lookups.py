# SPDX-License-Identifier: Apache-2.0
"""The look-ups: what they tell, and to whom."""

from __future__ import annotations

import pytest

from networker import exceptions
from networker.drivers import naming
from networker.models import Network, UserContext
from networker.testing.contract.steps import NOWHERE, allocate
from networker.testing.contract.world import SMALL, new_id


class TestById:
    def test_network(self, network, world):
        """A network has its id, name, subnets and MTU."""
        found = network.get_network(world.vip_network_id)
        assert found.id == world.vip_network_id
        assert found.name == "vip-net"
        assert set(found.subnets) == {world.vip_subnet_id, world.vip_subnet6_id}
        assert found.mtu >= 1280
        assert found.router_external is False
        assert found.port_security_enabled is True
        assert found.project_id == found.tenant_id == world.project_id

    def test_subnet(self, network, world):
        """A subnet has its network, CIDR, gateway and IP version."""
        found = network.get_subnet(world.vip_subnet_id)
        assert found.id == world.vip_subnet_id
        assert found.network_id == world.vip_network_id
        assert (found.cidr, found.ip_version) == ("10.20.0.0/20", 4)
        assert found.gateway_ip == "10.20.0.1"
        assert found.host_routes == []
        assert network.get_subnet(world.vip_subnet6_id).ip_version == 6

    def test_port(self, network, world):
        """A port has its device, addresses, MAC address and status."""
        server = world.servers[0]
        (port,) = world.ports(
            device_id=server.compute_id, network_id=world.mgmt_network_id
        )
        found = network.get_port(port.id)
        assert found == port
        assert found.mac_address
        assert found.get_subnet_id(server.lb_network_ip)

    def test_security_group(self, network, world, clean):
        """A group of the service's has its name, project and the ids of its rules."""
        name = naming.vip_device(new_id())
        group_id = world.make_group(name, "service")
        found = network.get_security_group_by_id(group_id)
        assert (found.id, found.name) == (group_id, name)
        assert found.project_id not in (None, world.project_id)
        assert len(found.security_group_rule_ids) == len(world.all_rules(name)) == 2

    def test_qos_policy(self, network, world):
        """A policy has its name."""
        found = network.get_qos_policy(world.qos_policy_id)
        assert (found.id, found.name) == (world.qos_policy_id, "vip-qos")

    @pytest.mark.parametrize(
        ("method", "error", "attribute"),
        [
            ("get_network", exceptions.NetworkNotFound, "network_id"),
            ("get_subnet", exceptions.SubnetNotFound, "subnet_id"),
            ("get_port", exceptions.PortNotFound, "port_id"),
            (
                "get_security_group_by_id",
                exceptions.SecurityGroupNotFound,
                "security_group_id",
            ),
            ("get_qos_policy", exceptions.QosPolicyNotFound, "qos_policy_id"),
        ],
    )
    def test_unknown(self, network, method, error, attribute):
        """An unknown id is NotFound by its own class, with the id."""
        with pytest.raises(error) as caught:
            getattr(network, method)(NOWHERE)
        assert caught.value.attributes()[attribute] == NOWHERE


class TestMany:
    def test_in_the_order_asked_for(self, network, world, clean):
        """Each is as it is alone, also when it is asked for twice."""
        ports = [world.stranger(world.vip_network_id).id for _ in range(2)]
        for kind, ids in (
            ("network", [*world.member_network_ids, world.vip_network_id]),
            ("subnet", [*world.member_subnet_ids, world.vip_subnet_id]),
            ("port", ports),
        ):
            one, many = (getattr(network, f"get_{name}") for name in (kind, f"{kind}s"))
            known = {single: one(single) for single in ids}
            for asked in (ids, ids[::-1], [*ids, ids[0]]):
                assert many(asked) == [known[single] for single in asked]

    def test_more_than_a_url_can_hold(self, network, world):
        """What is in no single request is answered all the same."""
        ids = [*world.member_subnet_ids, world.vip_subnet_id, world.vip_subnet6_id]
        nowhere = [new_id() for _ in range(250)]
        with pytest.raises(exceptions.SubnetNotFound) as caught:
            network.get_subnets([*ids, *nowhere])
        assert caught.value.subnet_id == nowhere[0]
        assert [one.id for one in network.get_subnets(ids * 100)] == ids * 100

    @pytest.mark.parametrize(
        ("kind", "error"),
        [
            ("network", exceptions.NetworkNotFound),
            ("subnet", exceptions.SubnetNotFound),
            ("port", exceptions.PortNotFound),
        ],
    )
    def test_none_and_unknown(self, network, kind, error):
        """No ids are no answers, and an unknown id is named."""
        many = getattr(network, f"get_{kind}s")
        assert many([]) == []
        with pytest.raises(error) as caught:
            many([NOWHERE])
        assert caught.value.attributes()[f"{kind}_id"] == NOWHERE


class TestByName:
    def test_network_and_subnet(self, network, world):
        """What has the name is found, as it is found by its id."""
        by_id = network.get_network(world.vip_network_id)
        assert network.get_network_by_name("vip-net") == by_id
        by_id = network.get_subnet(world.vip_subnet6_id)
        assert network.get_subnet_by_name("vip-subnet6") == by_id

    def test_of_several_ports_the_one_with_the_smallest_id(self, network, world, clean):
        """Ports may have the same name; the answer does not depend on the moment."""
        name = f"stranger-{new_id()}"
        made = [world.stranger(world.vip_network_id, name=name) for _ in range(3)]
        smallest = min(made, key=lambda port: port.id)
        assert network.get_port_by_name(name) == world.port(smallest.id)

    def test_port_of_a_device(self, network, world, balancer):
        """A device is a server's, or a VIP's; another network's ports do not count."""
        lb = balancer()
        vip = allocate(network, lb)
        device = naming.vip_device(lb.id)
        found = network.get_port_by_net_id_device_id(vip.network_id, device)
        assert found.id == vip.port_id
        server = world.servers[0].compute_id
        found = network.get_port_by_net_id_device_id(world.mgmt_network_id, server)
        assert found.get_subnet_id(world.servers[0].lb_network_ip)
        with pytest.raises(exceptions.PortNotFound):
            network.get_port_by_net_id_device_id(world.mgmt_network_id, device)

    def test_security_group(self, network, world, clean):
        """A group of the service's is found, and of several the oldest."""
        name = naming.vip_device(new_id())
        oldest = world.make_group(name, "service")
        found = network.get_security_group(name)
        by_id = network.get_security_group_by_id(oldest)
        for group in (found, by_id):
            group.security_group_rule_ids.sort()
        assert (found.id, found) == (oldest, by_id)

    @pytest.mark.parametrize(
        ("method", "error"),
        [
            ("get_network_by_name", exceptions.NetworkNotFound),
            ("get_subnet_by_name", exceptions.SubnetNotFound),
            ("get_port_by_name", exceptions.PortNotFound),
            ("get_security_group", exceptions.SecurityGroupNotFound),
        ],
    )
    def test_unknown(self, network, method, error):
        """A name that nothing has is NotFound by its own class, and in the message."""
        name = f"no-{new_id()}"
        with pytest.raises(error, match=name):
            getattr(network, method)(name)


class TestNumbers:
    def test_availability_counts_what_is_used(self, network, world, clean):
        """One port more is one address more that is used."""
        small = world.small_subnet()
        for used in range(3):
            found = network.get_network_ip_availability(Network(id=small.network_id))
            assert (found.network_id, found.project_id) == (
                small.network_id,
                world.project_id,
            )
            assert (found.used_ips, found.total_ips) == (used, 2)
            (subnet,) = found.subnet_ip_availability
            assert (subnet.used_ips, subnet.total_ips) == (used, 2)
            assert (subnet.subnet_id, subnet.cidr) == (small.id, SMALL)
            if used < 2:
                world.stranger(small.network_id)

    def test_availability_of_both_families(self, network, world):
        """An IPv6 subnet has more addresses than 64 bits can count."""
        wanted = Network(id=world.vip_network_id)
        found = network.get_network_ip_availability(wanted)
        subnets = {s.ip_version: s for s in found.subnet_ip_availability}
        assert (subnets[4].cidr, subnets[6].cidr) == ("10.20.0.0/20", "fd00:20::/64")
        assert 4000 < subnets[4].total_ips < 4096
        assert subnets[6].total_ips > 2**63
        assert found.total_ips == subnets[4].total_ips + subnets[6].total_ips

    def test_extensions(self, network):
        """All worlds of the suite have security groups and QoS."""
        assert network.sec_grp_enabled() is True
        assert network.qos_enabled() is True


class TestAsAUser:
    def test_sees_what_is_the_users(self, network, world, clean):
        """The networks, subnets, ports and groups of the user's project are there."""
        user = world.user_context()
        group_id = world.make_group(f"users-{new_id()}")
        port = world.stranger(world.vip_network_id)
        network_id, subnet_id = world.vip_network_id, world.vip_subnet_id
        seen = network.get_network(network_id, context=user)
        assert seen.subnets == network.get_network(network_id).subnets
        seen = network.get_subnet(subnet_id, context=user)
        assert seen == network.get_subnet(subnet_id)
        seen = network.get_port(port.id, context=user)
        assert (seen.id, seen.fixed_ips) == (port.id, port.fixed_ips)
        seen = network.get_security_group_by_id(group_id, context=user)
        assert (seen.id, seen.project_id) == (group_id, user.project_id)

    def test_sees_what_is_everybodys(self, network, world):
        """External networks, and policies that are shared, are every user's to see."""
        user = world.user_context()
        public = network.get_network_by_name("public").id
        assert network.get_network(public, context=user).router_external is True
        policy_id = world.qos_policy_id
        assert network.get_qos_policy(policy_id, context=user).id == policy_id

    def test_does_not_see_what_is_the_services(self, network, world, clean):
        """What the service has for itself does not exist for a user."""
        user = world.user_context()
        server = world.servers[0].compute_id
        (port,) = world.ports(device_id=server, network_id=world.mgmt_network_id)
        group_id = world.make_group(naming.vip_device(new_id()), "service")
        for method, hidden, error in (
            ("get_network", world.mgmt_network_id, exceptions.NetworkNotFound),
            ("get_subnet", world.mgmt_subnet_id, exceptions.SubnetNotFound),
            ("get_port", port.id, exceptions.PortNotFound),
            ("get_security_group_by_id", group_id, exceptions.SecurityGroupNotFound),
        ):
            assert getattr(network, method)(hidden).id == hidden
            with pytest.raises(error):
                getattr(network, method)(hidden, context=user)

    @pytest.mark.parametrize(
        "method",
        [
            "get_network",
            "get_subnet",
            "get_port",
            "get_security_group_by_id",
            "get_qos_policy",
        ],
    )
    def test_needs_a_valid_token(self, network, world, method):
        """A token that the cloud does not know is said to be that, and nothing else."""
        nobody = UserContext(auth_token="nobodys-token", project_id=world.project_id)
        with pytest.raises(exceptions.NetworkException) as caught:
            getattr(network, method)(NOWHERE, context=nobody)
        assert caught.value.orig_code == 401
        assert not isinstance(caught.value, exceptions.NotFound)
        assert "nobodys-token" not in str(caught.value)
