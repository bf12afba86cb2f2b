# SPDX-License-Identifier: Apache-2.0
"""The fake cloud keeps state, refuses as the real services do, and fails on purpose."""

from __future__ import annotations

import contextlib
import pathlib
import time

import openstack
import pytest
import requests

from tests.fakecloud import FakeCloud, Recorded
from tests.fakecloud.client import Client, kind

NOWHERE = "11111111-2222-4333-8444-555555555555"
MAC = "02:00:5e:00:00:01"


class TestAccess:
    def test_openstacksdk_finds_everything(self, monkeypatch, tmp_path):
        """The library that the driver uses discovers all services, versions included."""
        with FakeCloud() as cloud:
            clouds: pathlib.Path = cloud.write_clouds(tmp_path / "clouds.yaml")
            monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
            connection = openstack.connect(cloud="fake")
            names = {network.name for network in connection.network.networks()}
            servers = connection.compute.servers(name="^amphora-[0-1]$")
            assert {server.name for server in servers} == {"amphora-0", "amphora-1"}
            assert names >= {"vip-net", "lb-mgmt-net", "member-net-1", "member-net-2"}
            connection.close()

    def test_refuses_wrong_credentials_and_tokens(self, client):
        """A wrong password and an expired token are 401."""
        client.cloud.expire_tokens()
        assert client("GET", "/ports").status_code == 401
        assert client.authenticate(password="wrong").status_code == 401
        assert client.authenticate().status_code == 201
        assert client("GET", "/ports").status_code == 200

    def test_two_clouds_share_nothing(self, client):
        """What is made in one cloud is not in another."""
        port = client.made()
        with FakeCloud() as other:
            elsewhere = Client(other)
            assert elsewhere("GET", f"/ports/{port['id']}").status_code == 404
            elsewhere.session.close()


class TestPorts:
    def test_looks_at_the_mac_address_first(self, client):
        """A port whose MAC and IP address are both taken is told of the MAC address."""
        port = client.made(mac_address=MAC)
        taken = [{"ip_address": port["fixed_ips"][0]["ip_address"]}]
        both = client.port(mac_address=MAC, fixed_ips=taken)
        assert kind(both) == (409, "MacAddressInUse")
        assert kind(client.port(fixed_ips=taken)) == (409, "IpAddressAlreadyAllocated")

    def test_bulk_makes_all_or_none(self, client):
        """Of two ports of which one is refused, none is made."""
        network_id = client.networks["vip-net"]
        client.made(mac_address=MAC)
        good = {"network_id": network_id, "name": "good"}
        answer = client(
            "POST", "/ports", {"ports": [good, good | {"mac_address": MAC}]}
        )
        assert kind(answer) == (409, "MacAddressInUse")
        assert client("GET", "/ports?name=good").json() == {"ports": []}

    def test_has_no_more_addresses(self, client):
        """A full subnet is IpAddressGenerationFailure, and no port is made."""
        wanted = {"fixed_ips": [{"subnet_id": client.subnets["member-subnet-1b"]}]}
        wanted |= {"network_id": client.networks["member-net-1"]}
        full = client("POST", "/ports", {"ports": [wanted] * 253})
        assert full.status_code == 201
        assert kind(client.port(**wanted)) == (409, "IpAddressGenerationFailure")

    def test_compares_revisions(self, client):
        """A change that names an old revision is 412, and changes nothing."""
        port = client.made()
        path, match = f"/ports/{port['id']}", {"If-Match": "revision_number=1"}
        first = client("PUT", path, {"port": {"name": "first"}}, **match)
        assert first.json()["port"]["revision_number"] == 2
        second = client("PUT", path, {"port": {"name": "second"}}, **match)
        assert kind(second) == (412, "RevisionNumberConstraintFailed")
        assert client("GET", path).json()["port"]["name"] == "first"

    def test_keeps_to_the_quota(self, client):
        """One port more than the quota allows is OverQuota."""
        client.cloud.quotas["port"] = 5
        assert client.port().status_code == 201
        assert kind(client.port()) == (409, "OverQuota")


class TestGroups:
    @pytest.fixture
    def group(self, client):
        body = {"security_group": {"name": "group"}}
        return client("POST", "/security-groups", body).json()["security_group"]

    def test_knows_a_rule_in_other_words(self, client, group):
        """A protocol's name and number, and any prefix and none, are the same."""
        rule = {"security_group_id": group["id"], "direction": "ingress"}
        rule |= {"port_range_min": 80, "port_range_max": 80}
        first, again = {"protocol": "tcp"}, {"protocol": "6"}
        again["remote_ip_prefix"] = "0.0.0.0/0"
        answers = [
            client(
                "POST", "/security-group-rules", {"security_group_rule": rule | more}
            )
            for more in (first, again)
        ]
        assert answers[0].status_code == 201
        assert kind(answers[1]) == (409, "SecurityGroupRuleExists")

    def test_is_not_deleted_while_in_use(self, client, group):
        """A group of a port is SecurityGroupInUse until the port is gone."""
        port = client.made(security_groups=[group["id"]])
        path = f"/security-groups/{group['id']}"
        assert kind(client("DELETE", path)) == (409, "SecurityGroupInUse")
        client("DELETE", f"/ports/{port['id']}")
        assert client("DELETE", path).status_code == 204

    def test_refuses_strangers_groups_for_new_ports_only(self, client, demo):
        """A port is made with groups of its project, but can be given others later."""
        body = {"security_group": {"name": "group"}}
        own = demo("POST", "/security-groups", body).json()["security_group"]["id"]
        answer = client.port(security_groups=[own])
        assert kind(answer) == (404, "SecurityGroupNotFound")
        assert own in answer.json()["NeutronError"]["message"]
        port_id = client.made()["id"]
        changed = client.change(port_id, security_groups=[own])
        assert changed.json()["port"]["security_groups"] == [own]


class TestServers:
    def test_detaches_later(self, client):
        """A port is still attached when the request to detach it was accepted."""
        client.cloud.detach_delay = 0.2
        port_id = client.made()["id"]
        assert client.attach(port_id).status_code == 200
        assert client.detach(port_id).status_code == 202
        assert client.device_of(port_id) == client.servers["amphora-0"]
        end = time.monotonic() + 10
        while client.device_of(port_id) and time.monotonic() < end:
            time.sleep(0.02)
        assert client.device_of(port_id) == ""

    def test_takes_a_port_down_with_its_admin_state(self, client):
        """An attached port is ACTIVE as long as it is meant to carry traffic."""
        port_id = client.made()["id"]
        client.attach(port_id)
        for up, status in ((False, "DOWN"), (True, "ACTIVE")):
            port = client.change(port_id, admin_state_up=up).json()["port"]
            assert port["status"] == status

    def test_refuses_a_port_in_use(self, client):
        """A port of one server is 409 for another, and stays where it is."""
        port_id = client.made()["id"]
        client.attach(port_id)
        assert client.attach(port_id, "amphora-1").status_code == 409
        assert client.device_of(port_id) == client.servers["amphora-0"]

    def test_accepts_to_detach_anything(self, client):
        """Nova does not look at the port before it accepts to detach it."""
        assert client.detach(NOWHERE).status_code == 202


class TestTrouble:
    def test_records_requests_with_ids_left_out(self, client):
        """Requests are recorded in order, inside and outside of the block."""
        with client.cloud.recording() as made:
            client("GET", f"/ports/{NOWHERE}?fields=id")
            client("GET", "/servers", service="compute/v2.1")
        client("GET", "/ports")
        expected = [
            Recorded("network", "GET", "/ports/{id}", 404),
            Recorded("compute", "GET", "/servers", 200),
        ]
        assert made == expected
        last = Recorded("network", "GET", "/ports", 200)
        assert client.cloud.requests[-3:] == [*expected, last]

    def test_answers_with_an_error_as_often_as_told(self, client):
        """Only requests that match fail, and only so many."""
        client.cloud.fail(
            "network", "GET", "/ports", times=2, status=503, retry_after=7
        )
        assert client("GET", "/networks").status_code == 200
        first, second, third = (client("GET", "/ports") for _ in range(3))
        assert first.headers["Retry-After"] == "7"
        statuses = [first.status_code, second.status_code, third.status_code]
        assert statuses == [503, 503, 200]

    @pytest.mark.parametrize(("drop", "made"), [("before", 0), ("after", 1)])
    def test_closes_the_connection(self, client, drop, made):
        """A lost answer can mean that the request was carried out, or that it was not."""
        client.cloud.fail("network", "POST", "/ports$", drop=drop)
        with pytest.raises(requests.ConnectionError):
            client.port(name="lost")
        assert len(client("GET", "/ports?name=lost").json()["ports"]) == made
        status = {"before": 0, "after": 201}[drop]
        assert Recorded("network", "POST", "/ports", status) in client.cloud.requests

    def test_ends_all_connections(self):
        """After the context nothing is served, even on connections that were open."""
        with FakeCloud() as cloud:
            client = Client(cloud)
        with (
            contextlib.closing(client.session),
            pytest.raises(requests.ConnectionError),
        ):
            client("GET", "/ports")
