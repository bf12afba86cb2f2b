# SPDX-License-Identifier: Apache-2.0
"""What Octavia's own driver is known to fail at with rules and groups.

See :mod:`tests.contract.test_known_octavia_bugs`.
"""

from __future__ import annotations

import contextlib
import copy
import threading

import pytest

from networker import exceptions
from networker.drivers import naming
from networker.drivers.rules import Rule
from networker.models import Listener
from networker.testing.contract.steps import V4_RULES, allocate, secure
from networker.testing.contract.world import at_once, new_id


@pytest.fixture
def secured(network, balancer):
    """Return load balancers with a VIP, its group, and the name of that."""

    def make(*listeners, **wanted):
        lb = balancer(amphorae=0, topology="SINGLE", **wanted)
        lb.listeners = list(listeners)
        secure(network, lb)
        return lb, naming.vip_device(lb.id)

    return make


def listener(port, *cidrs, protocol="TCP", peer_port=None):
    return Listener(
        id=new_id(),
        protocol=protocol,
        protocol_port=port,
        peer_port=peer_port,
        allowed_cidrs=list(cidrs),
    )


def test_rules_converge_when_one_ethertype_is_missing(network, world, secured):
    """A rule that only one family has is made for the other one too."""
    lb, group = secured(listener(80), dual=True)
    both = {Rule("IPv4", "tcp", 80), Rule("IPv6", "tcp", 80)}
    for lost in both:
        assert world.rules(group) == both
        world.remove_rule(group, lost)
        network.update_vip(lb)
    assert world.rules(group) == both


def test_peer_port_and_any_v4_do_not_collide(network, world, secured):
    """A listener for everybody on another's peer port is one rule (12)."""
    everybody = listener(1025, "0.0.0.0/0", peer_port=1026)
    lb, group = secured(listener(80, peer_port=1025), everybody)
    expected = {Rule("IPv4", "tcp", port) for port in (80, 1025, 1026)}
    assert world.rules(group) == expected
    network.update_vip(lb)
    assert world.rules(group) == expected


def test_peer_port_and_any_v6_do_not_collide(network, world, secured):
    """Neutron takes ``::/0`` and no prefix for the same: it is one rule (12)."""
    everybody = listener(1025, "::/0", "0.0.0.0/0", peer_port=1026)
    lb, group = secured(listener(80, peer_port=1025), everybody, dual=True)
    expected = {
        Rule(family, "tcp", port)
        for family in ("IPv4", "IPv6")
        for port in (80, 1025, 1026)
    }
    assert world.rules(group) == expected
    network.update_vip(lb)
    assert world.rules(group) == expected


def inside(rules):
    """Return protocols and ports for which only the group itself is let in."""
    return {(rule.protocol, rule.port) for rule in rules if rule.inside}


def test_only_the_group_itself_reaches_peers(network, world, secured):
    """Peer ports, VRRP and AH are for the amphorae; listeners are for their users."""
    lb, group = secured(listener(80, peer_port=1025), listener(81, "10.0.0.0/8"))
    lb.topology = "ACTIVE_STANDBY"
    network.update_vip(lb)
    assert inside(world.rules(group)) == {("tcp", 1025), ("112", 0), ("51", 0)}
    assert len(world.rules(group)) == 5


def test_rules_for_peers_that_let_everybody_in_are_replaced(network, world, secured):
    """What an older driver left open is closed, once, and the rest is not touched."""
    lb, group = secured(listener(80, peer_port=1025))
    lb.topology = "ACTIVE_STANDBY"
    network.update_vip(lb)
    before = world.all_rules(group)
    for rule in (Rule("IPv4", "tcp", 1025), Rule("IPv4", "112")):
        world.remove_rule(group, rule)
        body = rule.request("")
        del body["security_group_id"], body["remote_group_id"]
        world.add_rule(group, **body)
    for _ in range(2):
        network.update_vip(lb)
        assert inside(world.rules(group)) == {("tcp", 1025), ("112", 0), ("51", 0)}
        assert world.all_rules(group) == before


def test_tcp_and_udp_share_a_port(network, world, secured):
    """Two listeners on one port are two rules, and stay so when one goes (12)."""
    tcp, udp = listener(53), listener(53, protocol="UDP")
    lb, group = secured(tcp, udp)
    assert world.rules(group) == {Rule("IPv4", "tcp", 53), Rule("IPv4", "udp", 53)}
    tcp.provisioning_status = "DELETED"
    network.update_vip(lb, for_delete=True)
    assert world.rules(group) == {Rule("IPv4", "udp", 53)}


def test_cidr_spelling_does_not_flap(network, world, secured):
    """A network that is spelt in another way, host bits included, is no change."""
    cidrs = ["2001:DB8::/32", "10.0.0.9/24"]
    lb, group = secured(listener(443, *cidrs), dual=True)
    expected = {
        Rule("IPv4", "tcp", 443, "10.0.0.0/24"),
        Rule("IPv6", "tcp", 443, "2001:db8::/32"),
    }
    assert world.rules(group) == expected
    ids = set(network.get_security_group(group).security_group_rule_ids)
    lb.listeners[0].allowed_cidrs = ["10.0.0.0/24", "2001:0db8:0::/32"]
    network.update_vip(lb)
    assert set(network.get_security_group(group).security_group_rule_ids) == ids


def test_egress_and_foreign_rules_stay(network, world, secured):
    """Rules that the driver does not make are not removed with the others (11)."""
    lb, group = secured(listener(80))
    egress = world.all_rules(group)
    for rule in (
        {"protocol": "icmp"},
        {"protocol": None, "remote_ip_prefix": "198.51.100.0/24"},
        {"protocol": "tcp", "port_range_min": 7000, "port_range_max": 7010},
    ):
        world.add_rule(group, direction="ingress", ethertype="IPv4", **rule)
    foreign = [rule for rule in world.all_rules(group) if rule not in egress]
    assert len(foreign) == 3
    lb.listeners = []
    network.update_vip(lb)
    assert world.rules(group) == set()
    left = [rule for rule in egress if rule.startswith("egress")]
    assert world.all_rules(group) == sorted(left + foreign)


@contextlib.contextmanager
def watching(look):
    """Look again and again, at least once before the block and once after it."""
    seen, began, over = [look()], threading.Event(), threading.Event()

    def watch():
        while not over.is_set():
            began.set()
            seen.append(look())

    thread = threading.Thread(target=watch)
    thread.start()
    began.wait()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
    seen.append(look())


def test_rules_are_added_before_they_are_deleted(network, world, secured):
    """While everything is replaced, the old rules or the new ones are all there."""
    old, new = range(8000, 8003), range(9000, 9003)
    lb, group = secured(*[listener(port) for port in old])
    lb.listeners = [listener(port) for port in new]
    with watching(lambda: {rule.port for rule in world.rules(group)}) as seen:
        network.update_vip(lb)
    assert seen[-1] == set(new)
    assert all(ports >= set(old) or ports >= set(new) for ports in seen)


def test_rules_converge_when_two_change_them_differently(network, world, secured):
    """Two that want different rules do not fail each other, and the last one wins (10)."""
    lb, group = secured(listener(80))
    one, other = copy.deepcopy(lb), copy.deepcopy(lb)
    one.listeners = [listener(port) for port in (8000, 8001)]
    other.listeners = [listener(port) for port in (8001, 8002)]
    at_once(lambda: network.update_vip(one), lambda: network.update_vip(other))
    network.update_vip(other)
    assert {rule.port for rule in world.rules(group)} == {8001, 8002}


def test_strangers_security_group_is_not_adopted(network, world, balancer):
    """A group of that name in another project is neither used, changed nor deleted."""
    lb = balancer(amphorae=1)
    name = naming.vip_device(lb.id)
    theirs = world.make_group(name)
    vip = allocate(network, lb)
    with pytest.raises(exceptions.SecurityGroupNotFound):
        network.get_security_group(name)
    with pytest.raises(exceptions.MissingVIPSecurityGroup):
        network.update_vip(lb)
    ours = network.update_vip_sg(lb, vip)
    assert ours != theirs
    assert world.group_ids(name) == [ours]
    assert world.rules(name) == V4_RULES
    port = network.create_port(vip.network_id, naming.vrrp_port(lb.amphorae[0].id))
    lb.amphorae[0].vrrp_port_id = port.id
    network.update_aap_port_sg(lb, lb.amphorae[0], vip)
    assert world.port(port.id).security_group_ids == [ours]
    network.deallocate_vip(vip)
    assert world.group_ids(name) == []
    user = world.user_context()
    group = network.get_security_group_by_id(theirs, context=user)
    assert (group.name, len(group.security_group_rule_ids)) == (name, 2)
