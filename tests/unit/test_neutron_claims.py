# SPDX-License-Identifier: Apache-2.0
"""Ports and rules that two may make at once, and answers that were lost."""

from __future__ import annotations

import time

import pytest

from networker.context import Context
from networker.drivers.neutron import security_groups
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.errors import Refused
from networker.drivers.rules import Rule
from networker.exceptions import CloudUnavailable
from tests.unit.fake_cloud import Answer, neutron_error, running

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
BODY = {"name": "ours", "network_id": "n"}
HTTP, HTTPS = Rule("IPv4", "tcp", 80), Rule("IPv4", "tcp", 443)


@pytest.fixture
def fake():
    """A cloud on loopback."""
    with running() as fake:
        yield fake


@pytest.fixture
def cloud(fake):
    """The driver's view of it."""
    Context().update_store()
    cloud = Cloud.configured(fake.conf(request_timeout=1.0))
    yield cloud
    cloud.close()


def port(name="ours", **more):
    return {"id": "p", "name": name, "project_id": "", "device_id": "", **more}


def listed(*ports):
    return Answer(body={"ports": list(ports)})


def macs(fake):
    posts = [r for r in fake.requests if r.line.startswith("POST")]
    return [post.body["port"]["mac_address"] for post in posts]


def rule_data(rule):
    return {"id": str(rule.port), "remote_group_id": None, **rule.request("g")}


class TestClaim:
    def test_says_that_it_made_the_port(self, fake, cloud):
        """A port that did not exist is this call's."""
        fake.answers = [Answer(201, {"port": port()})]
        claimed = cloud.ports.claim(BODY, "vip", "x")
        assert claimed.made
        assert claimed.port["id"] == "p"

    @pytest.mark.parametrize(
        "kind", ["MacAddressInUse", "IpAddressAlreadyAllocated", "OverQuota"]
    )
    def test_adopts_what_the_same_call_made_elsewhere(self, fake, cloud, kind):
        """Whatever the conflict was, a port with our MAC address and name is ours."""
        fake.answers = [neutron_error(409, kind), listed(port())]
        claimed = cloud.ports.claim(BODY, "vip", "x")
        assert not claimed.made
        assert fake.requests[1].line.endswith(
            f"mac_address={macs(fake)[0].replace(':', '%3A')}"
        )

    def test_takes_another_address_when_a_stranger_has_it(self, fake, cloud):
        """A MAC address of somebody else's port is left to him."""
        fake.answers = [
            neutron_error(409, "MacAddressInUse"),
            listed(port("his")),
            Answer(201, {"port": port()}),
        ]
        assert cloud.ports.claim(BODY, "vip", "x").made
        first, second = macs(fake)
        assert first != second

    def test_tries_again_when_the_holder_has_gone(self, fake, cloud):
        """A port that was deleted in between is made with the same MAC address."""
        fake.answers = [
            neutron_error(409, "MacAddressInUse"),
            listed(),
            Answer(201, {"port": port()}),
        ]
        cloud.ports.claim(BODY, "vip", "x")
        first, second = macs(fake)
        assert first == second

    def test_says_what_the_conflict_is(self, fake, cloud):
        """A conflict with others is raised as the cloud put it."""
        fake.answers = [neutron_error(409, "OverQuota"), listed()]
        with pytest.raises(Refused) as caught:
            cloud.ports.claim(BODY, "vip", "x")
        assert caught.value.kind == "OverQuota"

    def test_removes_what_was_made_after_the_deadline(self, fake, cloud):
        """A port whose request ran into the deadline is found, and deleted."""
        fake.answers = [
            Answer(201, {"port": port()}, delay=0.5),
            neutron_error(409, "MacAddressInUse"),
            listed(port()),
            Answer(204, ""),
        ]
        cloud.session.connection().network  # noqa: B018 - versions are asked before
        Context(deadline=time.time() + 0.2).update_store()
        with pytest.raises(CloudUnavailable):
            cloud.ports.claim(BODY, "vip", "x")
        assert fake.asked()[-1] == "DELETE /v2.0/ports/p"


class TestGroup:
    def test_is_looked_for_when_the_answer_was_lost(self, fake, cloud):
        """A group that was made unnoticed is found, and not made again."""
        group = {"id": "g", "name": "lb-x", "created_at": "now"}
        fake.answers = [Answer(lost=True), Answer(body={"security_groups": [group]})]
        assert cloud.groups.create("x") == group
        methods = [line.split()[0] for line in fake.asked()]
        assert methods == ["POST", "GET"]

    def test_is_deleted_as_soon_as_it_is_free(self, fake, cloud):
        """A group that is still in use for a moment is tried again."""
        fake.answers = [neutron_error(409, "SecurityGroupInUse"), Answer(204, "")]
        cloud.groups.delete("g")
        assert fake.asked() == ["DELETE /v2.0/security-groups/g"] * 2

    def test_in_use_comes_first(self):
        """Of several groups the one on a port is chosen, else the oldest."""
        groups = [{"id": "old"}, {"id": "new"}]
        used = {"security_groups": ["new"]}
        assert security_groups.choose(groups, [used]) == groups[1]
        assert security_groups.choose(groups, []) == groups[0]
        assert security_groups.choose([], [used]) is None


class TestRules:
    def test_are_added_before_others_are_removed(self, fake, cloud):
        """What is missing comes first, and rules of others' kinds are not touched."""
        others = {**rule_data(HTTP), "id": "egress", "direction": "egress"}
        group = {"id": "g", "security_group_rules": [rule_data(HTTP), others]}
        fake.answers = [Answer(201, {"security_group_rules": [{"id": "new"}]})]
        fake.answers += [Answer(204, "")]
        change = cloud.groups.change(group, {HTTPS})
        assert fake.asked() == [
            "POST /v2.0/security-group-rules",
            "DELETE /v2.0/security-group-rules/80",
        ]
        assert change.added == ["new"]

    def test_unchanged_asks_nothing(self, fake, cloud):
        """A group that is as wanted costs no request."""
        group = {"id": "g", "security_group_rules": [rule_data(HTTP)]}
        cloud.groups.change(group, {HTTP})
        assert fake.requests == []

    def test_that_somebody_added_meanwhile_are_left_out(self, fake, cloud):
        """One existing rule fails the whole request; the rest is asked for again."""
        now = {"id": "g", "security_group_rules": [rule_data(HTTP)]}
        fake.answers = [
            neutron_error(409, "SecurityGroupRuleExists"),
            Answer(body={"security_group": now}),
            Answer(201, {"security_group_rules": [{"id": "new"}]}),
        ]
        assert cloud.groups.add("g", [HTTP, HTTPS]) == ["new"]
        (rule,) = fake.requests[2].body["security_group_rules"]
        assert rule["port_range_min"] == 443

    def test_are_restored_when_removing_fails(self, fake, cloud):
        """A change that fails half-way is taken back."""
        group = {"id": "g", "security_group_rules": [rule_data(HTTP)]}
        fake.answers = [
            Answer(201, {"security_group_rules": [{"id": "new"}]}),
            Answer(500, "broken"),
            neutron_error(409, "SecurityGroupRuleExists"),
            Answer(body={"security_group": group}),
            Answer(204, ""),
        ]
        with pytest.raises(Refused, match="broken"):
            cloud.groups.change(group, {HTTPS})
        assert fake.asked()[-1] == "DELETE /v2.0/security-group-rules/new"
