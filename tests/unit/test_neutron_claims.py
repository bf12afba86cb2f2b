# SPDX-License-Identifier: Apache-2.0
"""Ports, groups and rules that two may make at once, and answers that were lost."""

from __future__ import annotations

import time
from typing import Any

import pytest

from networker.context import Context
from networker.drivers import naming
from networker.drivers.neutron.api.errors import Refused
from networker.drivers.neutron.resources import security_groups
from networker.drivers.rules import Rule
from networker.exceptions import CloudUnavailable
from networker.testing.contract.world import new_id
from tests.fakecloud.state import DEMO
from tests.faults.bench import benches
from tests.faults.wire import Fault

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
HTTP, HTTPS = Rule("IPv4", "tcp", 80), Rule("IPv4", "tcp", 443)


@pytest.fixture
def bench(tmp_path):
    """A cloud with a driver."""
    with benches(tmp_path, 1) as made:
        yield made[0]


@pytest.fixture
def cloud(bench):
    """The driver's view of it."""
    return bench.driver.cloud


@pytest.fixture
def body(bench):
    """A port that nobody has made."""
    return {"name": "ours", "network_id": bench.world.vip_network_id}


@pytest.fixture
def group(cloud):
    """A group that lets HTTP in."""
    made = cloud.groups.create(new_id())
    cloud.rules.change(made, {HTTP})
    return cloud.groups.get(made["id"])


def known(cloud, group):
    held = cloud.groups.get(group["id"])["security_group_rules"]
    return {rule["port_range_min"] for rule in held if rule["direction"] == "ingress"}


class TestClaim:
    def test_says_that_it_made_the_port(self, cloud, body):
        """A port that did not exist is this call's."""
        claimed = cloud.ports.claim(body, "vip", "x")
        assert claimed.made
        assert claimed.port["mac_address"].startswith(naming.MAC_PREFIX)

    def test_adopts_and_marks_what_the_same_call_made_elsewhere(self, cloud, body):
        """A port with our MAC address and name is ours, and its maker can see that."""
        first = cloud.ports.claim(body, "vip", "x")
        second = cloud.ports.claim(body, "vip", "x")
        assert not second.made
        assert second.port["id"] == first.port["id"]
        cloud.ports.disclaim(first)
        assert cloud.ports.find(first.port["id"]) is not None

    def test_adopts_when_another_conflict_comes_first(self, bench, cloud, body):
        """A quota that is used up by the same call made elsewhere is no obstacle."""
        first = cloud.ports.claim(body, "vip", "x")
        bench.cloud.quotas["port"] = 0
        assert cloud.ports.claim(body, "vip", "x").port["id"] == first.port["id"]

    def test_takes_another_address_when_a_stranger_has_it(self, cloud, body):
        """A MAC address of somebody else's port is left to him, and replays find ours."""
        mac = naming.mac_address(naming.MAC_PREFIX, "vip", "x")
        theirs = body | {"name": "his", "project_id": DEMO, "mac_address": mac}
        his = cloud.network.post("/ports", {"port": theirs})["port"]
        first = cloud.ports.claim(body, "vip", "x")
        salted = naming.mac_address(naming.MAC_PREFIX, "vip", "x", "1")
        assert first.made
        assert first.port["mac_address"] == salted
        again = cloud.ports.claim(body, "vip", "x")
        assert again.port["id"] == first.port["id"]
        assert cloud.ports.get(his["id"]) == his

    def test_derives_addresses_with_the_operators_prefix(self, cloud, body):
        """The first octets are those of the configuration."""
        cloud.ports.conf.set_override("mac_prefix", "06:00", "neutron")
        claimed = cloud.ports.claim(body, "vip", "x")
        assert claimed.port["mac_address"] == naming.mac_address("06:00", "vip", "x")

    def test_says_what_the_conflict_is(self, bench, cloud, body):
        """A conflict with others is raised as the cloud put it."""
        bench.cloud.quotas["port"] = 0
        with pytest.raises(Refused) as caught:
            cloud.ports.claim(body, "vip", "x")
        assert caught.value.kind == "OverQuota"

    @pytest.mark.parametrize("kind", ["reset after", "timeout after"])
    def test_finds_what_was_made_unnoticed(self, bench, cloud, body, kind):
        """A port whose answers were all lost is this call's all the same."""
        bench.wire.begin(Fault(0, kind, lasting=True))
        assert cloud.ports.claim(body, "vip", "x").made

    def test_removes_what_was_made_after_the_deadline(self, bench, cloud, body):
        """A port whose request ran into the deadline is found, and deleted."""
        bench.wire.begin(Fault(0, "timeout after"))
        bench.wire.after_each = lambda: time.sleep(0.2)
        with (
            Context(deadline=time.time() + 0.2).entered(),
            pytest.raises(CloudUnavailable),
        ):
            cloud.ports.claim(body, "vip", "x")
        assert cloud.ports.list(name="ours") == []

    def test_leaves_it_to_the_worker_that_has_the_request_now(self, bench, cloud, body):
        """What was made after the deadline stays if another worker goes on with it."""
        bench.wire.begin(Fault(0, "timeout after"))
        bench.wire.after_each = lambda: time.sleep(0.2)
        late = Context(deadline=time.time() + 0.2, lease=lambda: False)
        with late.entered(), pytest.raises(CloudUnavailable):
            cloud.ports.claim(body, "vip", "x")
        assert len(cloud.ports.list(name="ours")) == 1


class TestGroup:
    @pytest.mark.parametrize("kind", ["reset after", "timeout after"])
    def test_is_looked_for_when_the_answer_was_lost(self, bench, cloud, kind):
        """A group that was made unnoticed is found, and not made again."""
        owner = new_id()
        bench.wire.begin(Fault(0, kind))
        made = cloud.groups.create(owner)
        assert [group["id"] for group in cloud.groups.find(owner)] == [made["id"]]

    def test_made_after_the_deadline_is_removed(self, bench, cloud):
        """A group whose request ran into the deadline is found, and deleted."""
        owner = new_id()
        bench.wire.begin(Fault(0, "timeout after"))
        bench.wire.after_each = lambda: time.sleep(0.2)
        with (
            Context(deadline=time.time() + 0.2).entered(),
            pytest.raises(CloudUnavailable),
        ):
            cloud.groups.create(owner)
        assert cloud.groups.find(owner) == []

    def test_is_deleted_as_soon_as_it_is_free(self, bench, cloud, group):
        """A group that is still in use for a moment is tried again."""
        bench.wire.begin(Fault(0, "status", status=409))
        cloud.groups.delete(group["id"])
        assert [method for method, _ in bench.wire.sent] == ["DELETE"] * 2

    def test_in_use_comes_first(self):
        """Of several groups the one on a port is chosen, else the oldest."""
        groups: list[Any] = [{"id": "old"}, {"id": "new"}]
        used: Any = {"security_groups": ["new"]}
        assert security_groups.choose(groups, [used]) == groups[1]
        assert security_groups.choose(groups, []) == groups[0]
        assert security_groups.choose([], [used]) is None


class TestRules:
    def test_are_added_before_others_are_removed(self, bench, cloud, group):
        """What is missing comes first, and rules of others' kinds are not touched."""
        egress = [
            r for r in group["security_group_rules"] if r["direction"] == "egress"
        ]
        bench.wire.begin()
        cloud.rules.change(group, {HTTPS})
        assert [method for method, _ in bench.wire.sent] == ["POST", "DELETE"]
        held = cloud.groups.get(group["id"])["security_group_rules"]
        assert known(cloud, group) == {443}
        assert [rule for rule in held if rule["direction"] == "egress"] == egress

    def test_unchanged_asks_nothing(self, bench, cloud, group):
        """A group that is as wanted costs no request."""
        bench.wire.begin()
        cloud.rules.change(group, {HTTP})
        assert bench.wire.sent == []

    def test_that_somebody_added_meanwhile_are_left_out(self, cloud, group):
        """One existing rule fails the whole request; the rest is asked for again."""
        cloud.rules.change(group, {HTTP, HTTPS})
        other = Rule("IPv4", "tcp", 8080)
        cloud.rules.change(group, {HTTP, HTTPS, other})
        assert known(cloud, group) == {80, 443, 8080}

    def test_are_restored_when_removing_fails(self, bench, cloud, group):
        """A change that fails half-way is taken back."""
        bench.wire.begin(Fault(1, "status", status=500))
        with pytest.raises(Refused, match="500"):
            cloud.rules.change(group, {HTTPS})
        assert known(cloud, group) == {80}

    def test_are_not_restored_when_another_call_relies_on_the_change(
        self, cloud, group
    ):
        """A change that another call has marked stays."""
        change = cloud.rules.change(group, {HTTPS})
        cloud.rules.change_shared(cloud.groups.get(group["id"]), {HTTPS})
        cloud.rules.revert(change)
        assert known(cloud, group) == {443}

    def test_are_not_restored_when_another_call_removed_some(self, bench, cloud, group):
        """Who finds a rule gone that it could not remove leaves all of them removed."""
        both = cloud.rules.change(group, {HTTP, HTTPS}).group
        other = bench.another()[0].cloud

        def overtake():
            if len(bench.wire.sent) == 1:
                other.rules.change(other.groups.get(group["id"]), set())

        group = cloud.groups.get(both["id"])
        bench.wire.begin(Fault(1, "status", status=403))
        bench.wire.before_each = overtake
        with pytest.raises(Refused, match="403"):
            cloud.rules.change(group, set())
        assert known(cloud, group) == set()

    @pytest.mark.parametrize("kind", ["reset after", "timeout after"])
    def test_that_are_removed_unnoticed_are_removed(self, bench, cloud, group, kind):
        """A rule whose removal was never answered is looked for, and done with."""
        bench.wire.begin(Fault(0, kind, lasting=True))
        cloud.rules.change(group, set())
        assert known(cloud, group) == set()
