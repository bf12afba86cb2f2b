# SPDX-License-Identifier: Apache-2.0
"""The pictures of a cloud, and their comparison, without a cloud or Octavia."""

from __future__ import annotations

import copy
import dataclasses
import io
import uuid
from typing import Any

import pytest
from openstack.compute.v2.server import Server
from openstack.network.v2.port import Port
from openstack.network.v2.security_group import SecurityGroup
from rich.console import Console

from tests.octavia.flows import compare, snapshot
from tests.octavia.flows.cloud import View
from tests.octavia.flows.report import Report, Result
from tests.octavia.flows.snapshot import Roles

RULE = {
    "direction": "ingress",
    "ethertype": "IPv4",
    "protocol": "tcp",
    "port_range_min": 80,
    "port_range_max": 80,
    "remote_ip_prefix": None,
    "remote_group_id": None,
}


def pictured(address: str = "10.20.0.7", **changes: Any) -> snapshot.Snapshot:
    """Picture a load balancer of one amphora, with new ids."""
    lb, amphora, server, group, subnet, network = (str(uuid.uuid4()) for _ in range(6))
    port = Port(
        id=str(uuid.uuid4()),
        name=f"octavia-lb-vrrp-{amphora}",
        network_id=network,
        device_id=server,
        fixed_ips=[{"subnet_id": subnet, "ip_address": "10.20.0.8"}],
        allowed_address_pairs=[{"ip_address": address}],
        security_group_ids=[group],
        **changes,
    )
    peers = {**RULE, "remote_group_id": group}
    view = View(
        [port],
        [SecurityGroup(id=group, name=f"lb-{lb}", security_group_rules=[RULE, peers])],
        [Server(id=server, name=f"amphora-{amphora}", status="ACTIVE")],
        {port.id},
    )
    roles = {
        lb: "<LB>",
        address: "VIP",
        amphora: "<MASTER>",
        server: "server of <MASTER>",
        subnet: "vip-subnet",
        network: "vip-net",
    }
    return snapshot.of(view, Roles(roles))


def report(picture: snapshot.Snapshot, status: str = "ACTIVE") -> Report:
    """Return what a run of one flow found."""
    result = Result("pair", "create", 1.0, status, "ACTIVE", "", picture)
    return Report("a driver", results=[result], leftovers={"ports": {}})


def test_a_picture_has_roles_instead_of_ids_and_addresses():
    """What a load balancer has is described by what it is for."""
    picture = pictured()
    (port,) = picture["ports"]["octavia-lb-vrrp-<MASTER> on vip-net"]
    assert port["device_id"] == "server of <MASTER>"
    assert port["address_pairs"] == ["VIP"]
    assert port["subnets"] == ["vip-subnet"]
    assert port["groups"] == ["lb-<LB>"]
    assert port["attached"]
    assert picture["groups"]["lb-<LB>"]["rules"] == [
        "ingress IPv4 tcp 80-80, remote any",
        "ingress IPv4 tcp 80-80, remote lb-<LB>",
    ]
    assert picture["servers"] == ["amphora-<MASTER> ACTIVE"]


def test_the_same_life_has_the_same_picture():
    """Two load balancers with other ids and addresses are not different."""
    assert pictured("10.20.0.7") == pictured("10.20.0.9")


def test_ids_of_strangers_are_no_difference():
    """An id that is nobody's is shown as such, not as itself."""
    stranger = str(uuid.uuid4())
    assert Roles({}).within(f"port {stranger} of {uuid.UUID(stranger).hex}") == (
        "port <other> of <other>"
    )
    assert Roles({}).exactly(stranger) == "<other>"
    assert Roles({}).exactly(None) is None


def test_a_longer_address_is_not_taken_for_a_shorter_one():
    """10.20.0.70 is replaced as a whole where 10.20.0.7 is known, too."""
    roles = Roles({"10.20.0.7": "VIP", "10.20.0.70": "VIP 2"})
    assert roles.within("10.20.0.70 and 10.20.0.7") == "VIP 2 and VIP"


def test_snapshots_are_taken_until_nothing_moves():
    """The last picture is one that came twice, with as many servers as there must be."""
    busy, quiet = {"servers": ["a", "b"]}, {"servers": ["a"]}
    taken = iter([busy, busy, quiet, quiet])
    assert snapshot.settled(lambda: next(taken), servers=1, pause=0) == quiet


def test_equal_runs_have_no_difference():
    """A run is the same as one that found the same, whatever time it took."""
    one, other = report(pictured()), report(pictured())
    other.results[0].seconds = 9.0
    assert compare.differences(one, other) == []


@pytest.mark.parametrize(
    ("change", "item"),
    [
        (
            {"device_owner": "somebody"},
            "ports / octavia-lb-vrrp-<MASTER> on vip-net / device_owner",
        ),
        (
            {"qos_policy_id": str(uuid.uuid4())},
            "ports / octavia-lb-vrrp-<MASTER> on vip-net / qos",
        ),
    ],
)
def test_a_difference_names_its_item(change, item):
    """Only what differs is named, with both values."""
    (difference,) = compare.differences(report(pictured()), report(pictured(**change)))
    assert (difference.flow, difference.item) == ("pair: create", item)
    assert difference.first != difference.second


def test_what_is_only_in_one_run_is_a_difference():
    """A port that one driver leaves, a flow that ends otherwise, a flow not run."""
    one, other = report(pictured()), report(pictured(), status="ERROR")
    other.leftovers = {"ports": {"a member port": [{"qos": None}]}}
    assert [dataclasses.astuple(d) for d in compare.differences(one, other)] == [
        ("pair: create", "status", "ACTIVE", "ERROR"),
        ("left over", "ports / a member port", "absent", [{"qos": None}]),
    ]
    nothing = copy.deepcopy(one)
    nothing.results = []
    assert compare.differences(one, nothing)


def test_rules_are_compared_one_by_one():
    """Of two lists, what only one of them has is named."""
    one, other = report(pictured()), report(pictured())
    other.results[0].snapshot["groups"]["lb-<LB>"]["rules"][1] = "another"
    rules = "groups / lb-<LB> / rules"
    assert [dataclasses.astuple(d) for d in compare.differences(one, other)] == [
        (
            "pair: create",
            f"{rules} / ingress IPv4 tcp 80-80, remote lb-<LB>",
            "there",
            "absent",
        ),
        ("pair: create", f"{rules} / another", "absent", "there"),
    ]


def test_a_difference_is_explained_in_one_direction_only():
    """networker may do better than Octavia's driver, not the other way round."""
    better = compare.Difference("pair: rename", "status", "ERROR", "ACTIVE")
    worse = compare.Difference("pair: rename", "status", "ACTIVE", "ERROR")
    assert better.reason
    assert not worse.reason


def test_an_unexplained_difference_fails_the_comparison():
    """The comparison says no, and shows where; a run compared with itself is fine."""
    printed = io.StringIO()
    console = Console(file=printed, width=120)
    one = report(pictured())
    assert compare.show(console, one, one)
    assert not compare.show(console, one, report(pictured(), status="ERROR"))
    assert "status: ACTIVE and ERROR" in printed.getvalue()
    assert "not explained" in printed.getvalue()


def test_a_report_survives_its_file(tmp_path):
    """What is written is what is read."""
    one = report(pictured())
    one.save(tmp_path / "one.json")
    assert Report.load(tmp_path / "one.json") == one
