# SPDX-License-Identifier: Apache-2.0
"""What users of a fake cloud see, and what its Neutron has besides ports and groups."""

from __future__ import annotations

import pytest

from tests.fakecloud.client import kind

NOWHERE = "11111111-2222-4333-8444-555555555555"


class TestAddresses:
    @pytest.fixture
    def port(self, client):
        network_id = client.networks["member-net-1"]
        first = [{"subnet_id": client.subnets["member-subnet-1"]}]
        return client.made(network_id=network_id, fixed_ips=first)

    def test_gives_and_takes_them(self, client, port):
        """An address that is asked for is added, one that is not is taken away."""
        more = {"subnet_id": client.subnets["member-subnet-1b"]}
        both = [*port["fixed_ips"], more]
        first = client.change(port["id"], fixed_ips=both).json()["port"]
        assert len(first["fixed_ips"]) == 2
        again = client.change(port["id"], fixed_ips=both).json()["port"]
        assert again["fixed_ips"] == first["fixed_ips"]
        assert again["revision_number"] == first["revision_number"] == 2
        less = client.change(port["id"], fixed_ips=port["fixed_ips"]).json()["port"]
        assert less["fixed_ips"] == port["fixed_ips"]

    def test_refuses_those_of_others(self, client, port):
        """An address of another port is 409; but an old revision is looked at first."""
        subnet_id = client.subnets["member-subnet-1b"]
        wanted = {"subnet_id": subnet_id, "ip_address": "10.39.0.88"}
        client.made(network_id=port["network_id"], fixed_ips=[wanted])
        taken = client.change(port["id"], fixed_ips=[wanted])
        assert kind(taken) == (409, "IpAddressAlreadyAllocated")
        body, old = {"port": {"fixed_ips": [wanted]}}, {"If-Match": "revision_number=0"}
        late = client("PUT", f"/ports/{port['id']}", body, **old)
        assert kind(late) == (412, "RevisionNumberConstraintFailed")

    def test_refuses_what_the_network_does_not_have(self, client, port):
        """Unknown subnets, those of other networks and addresses outside are refused."""
        here, there = client.subnets["member-subnet-1b"], client.subnets["vip-subnet"]
        for wanted, refusal in (
            ({"subnet_id": NOWHERE}, (404, "SubnetNotFound")),
            ({"subnet_id": there}, (400, "InvalidInput")),
            (
                {"subnet_id": here, "ip_address": "192.0.2.1"},
                (400, "InvalidIpForSubnet"),
            ),
        ):
            assert kind(client.change(port["id"], fixed_ips=[wanted])) == refusal

    def test_are_counted(self, client, port):
        """A network says how many addresses its subnets have and how many are used."""
        path = f"/network-ip-availabilities/{port['network_id']}"
        found = client("GET", path).json()["network_ip_availability"]
        numbers = {
            one["subnet_name"]: (one["used_ips"], one["total_ips"])
            for one in found["subnet_ip_availability"]
        }
        expected = {"member-subnet-1": (1, 4093), "member-subnet-1b": (0, 253)}
        assert numbers == expected
        assert (found["used_ips"], found["total_ips"]) == (1, 4346)
        unknown = client("GET", f"/network-ip-availabilities/{NOWHERE}")
        assert kind(unknown) == (404, "NetworkNotFound")


class TestPolicies:
    def test_are_set_on_ports(self, client):
        """A policy that exists can be set, and each time that is another revision."""
        (policy,) = client("GET", "/qos/policies").json()["policies"]
        port_id = client.made()["id"]
        for revision in (2, 3):
            port = client.change(port_id, qos_policy_id=policy["id"]).json()["port"]
            assert port["qos_policy_id"] == policy["id"]
            assert port["revision_number"] == revision
        unknown = client.change(port_id, qos_policy_id=NOWHERE)
        assert kind(unknown) == (404, "QosPolicyNotFound")

    def test_of_other_projects_ports_are_not_the_services_business(self, client, demo):
        """Even to take a policy off somebody's port is forbidden."""
        port_id = demo.made()["id"]
        refused = client.change(port_id, qos_policy_id=None)
        assert kind(refused) == (403, "PolicyNotAuthorized")


class TestUsers:
    def test_see_what_is_theirs_or_everybodys(self, client, demo):
        """A user sees networks of the own project and external ones, and no others."""
        assert set(client.networks) - set(demo.networks) == {"lb-mgmt-net"}
        assert set(client.subnets) - set(demo.subnets) == {"lb-mgmt-subnet"}
        hidden = demo("GET", f"/networks/{client.networks['lb-mgmt-net']}")
        assert kind(hidden) == (404, "NetworkNotFound")

    def test_see_ports_on_their_networks(self, client, demo):
        """Whose network it is sees everybody's ports there, but changes none of them."""
        here = client.made()["id"]
        there = client.made(network_id=client.networks["lb-mgmt-net"])["id"]
        assert demo("GET", f"/ports/{here}").status_code == 200
        assert kind(demo("GET", f"/ports/{there}")) == (404, "PortNotFound")
        assert kind(demo.change(here, name="x")) == (403, "PolicyNotAuthorized")

    def test_see_no_other_projects_groups(self, client, demo):
        """A group is its own project's; the service knows of others that they exist."""
        (group,) = client("GET", "/security-groups?name=lb-mgmt-sec-grp").json()[
            "security_groups"
        ]
        hidden = demo("GET", f"/security-groups/{group['id']}")
        assert kind(hidden) == (404, "SecurityGroupNotFound")
        body = {"security_group": {"name": "group"}}
        own = demo("POST", "/security-groups", body).json()["security_group"]["id"]
        assert kind(client("GET", f"/security-groups/{own}")) == (404, "HTTPNotFound")
        assert demo("DELETE", f"/security-groups/{own}").status_code == 204

    def test_are_not_told_of_availability(self, client, demo):
        """How many addresses a network has only administrators and services learn."""
        path = f"/network-ip-availabilities/{client.networks['vip-net']}"
        assert client("GET", path).status_code == 200
        assert kind(demo("GET", path)) == (404, "HTTPNotFound")


class TestExtensions:
    def test_are_listed(self, client):
        """An extension is found by its alias; one that is not there is a page of HTML."""
        listed = client("GET", "/extensions").json()["extensions"]
        assert {"security-group", "qos"} <= {one["alias"] for one in listed}
        found = client("GET", "/extensions/qos").json()["extension"]
        assert found["alias"] == "qos"
        unknown = client("GET", "/extensions/bogus")
        assert unknown.status_code == 404
        assert unknown.headers["Content-Type"].startswith("text/html")

    @pytest.mark.parametrize(
        ("alias", "path", "attribute"),
        [
            ("security-group", "/security-groups", "security_groups"),
            ("qos", "/qos/policies", "qos_policy_id"),
            ("dns-integration", "/extensions/dns-integration", "dns_name"),
        ],
    )
    def test_can_be_missing(self, client, alias, path, attribute):
        """Without its extension neither a resource nor an attribute is known."""
        client.cloud.missing.add(alias)
        assert client("GET", path).status_code == 404
        assert client("GET", f"/extensions/{alias}").status_code == 404
        assert kind(client.port(**{attribute: []})) == (400, "HTTPBadRequest")
        port = client.made()
        assert attribute not in port
        assert client.attach(port["id"]).status_code == 200
