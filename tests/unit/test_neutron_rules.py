# SPDX-License-Identifier: Apache-2.0
"""Rules for what amphorae say to each other: their own group only is let in."""

from __future__ import annotations

import pytest

from networker.drivers import naming, rules
from networker.drivers.rules import Rule
from networker.models import VIP, Listener, LoadBalancer
from tests.faults.bench import benches

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
INSIDE = {("tcp", 1025), ("112", None), ("51", None)}


@pytest.fixture
def bench(tmp_path):
    """A cloud with a driver."""
    with benches(tmp_path, 1) as made:
        yield made[0]


def held(bench, lb):
    """Return protocol, port and remote group of a load balancer's ingress rules."""
    (group,) = bench.driver.cloud.groups.find(lb.id)
    return group["id"], [
        (rule["protocol"], rule["port_range_max"], rule["remote_group_id"])
        for rule in group["security_group_rules"]
        if rule["direction"] == "ingress"
    ]


def test_peers_are_let_in_from_their_group_only(bench):
    """Peer port, VRRP and AH are closed to everybody else, listeners' ports are not."""
    lb = bench.world.load_balancer(amphorae=0)
    bench.driver.update_vip_sg(lb, bench.allocated(lb))
    group_id, found = held(bench, lb)
    assert {(protocol, port) for protocol, port, who in found if who} == INSIDE
    assert {who for _, _, who in found} == {None, group_id}


def test_open_rules_are_narrowed(bench):
    """Rules that an older release made for everybody are replaced, once for all."""
    lb = bench.world.load_balancer(amphorae=0)
    vip, cloud = bench.allocated(lb), bench.driver.cloud
    wide = {Rule("IPv4", "tcp", 1025), Rule("IPv4", "112"), Rule("IPv4", "51")}
    cloud.rules.change(cloud.groups.create(lb.id), wide)
    for _ in range(2):
        bench.wire.begin()
        bench.driver.update_vip_sg(lb, vip)
        group_id, found = held(bench, lb)
        assert {(p, n) for p, n, who in found if who is None} == {
            ("tcp", 80),
            ("udp", 53),
        }
        assert {(p, n) for p, n, who in found if who == group_id} == INSIDE
    assert {method for method, _ in bench.wire.sent} == {"GET", "PUT"}


@pytest.mark.parametrize("cidrs", [[], ["192.0.2.0/24"]])
def test_a_listener_on_a_peer_port_stays_reachable(cidrs):
    """What a listener lets in is not narrowed by another listener's peer port."""
    lb = LoadBalancer(
        listeners=[
            Listener(protocol="TCP", protocol_port=80, peer_port=1025),
            Listener(protocol="TCP", protocol_port=1025, allowed_cidrs=cidrs),
        ]
    )
    wanted = rules.wanted(lb, VIP(ip_address="192.0.2.9"))
    found = {(r.cidr, r.inside) for r in wanted if r.port == 1025}
    assert found == ({("192.0.2.0/24", False), ("", True)} if cidrs else {("", False)})


def test_rules_for_another_group_are_somebody_elses(bench):
    """A rule that lets in a group of an operator's is not removed."""
    lb = bench.world.load_balancer(amphorae=0)
    vip = bench.allocated(lb)
    bench.driver.update_vip_sg(lb, vip)
    other = bench.world.make_group(naming.vip_device("x"))
    group_id, _ = held(bench, lb)
    rule = Rule("IPv4", "tcp", 9443).request(group_id) | {"remote_group_id": other}
    api = bench.driver.cloud.network
    api.post("/security-group-rules", {"security_group_rule": rule})
    bench.driver.update_vip_sg(lb, vip)
    assert ("tcp", 9443, other) in held(bench, lb)[1]
