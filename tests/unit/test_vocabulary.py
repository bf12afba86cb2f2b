# SPDX-License-Identifier: Apache-2.0
"""Models, names and rules: small things that drivers rely on."""

from __future__ import annotations

import pytest

from networker import exceptions
from networker.drivers import naming, rules
from networker.drivers.rules import Rule
from networker.models import (
    VIP,
    AdditionalVIP,
    FixedIP,
    Listener,
    LoadBalancer,
    Network,
    Port,
    same_address,
)

VIP4 = VIP(ip_address="192.0.2.5")
DUAL = VIP(ip_address="192.0.2.5", additional=[AdditionalVIP(ip_address="2001:db8::5")])


def row(**values):
    """Return a rule as Neutron writes it."""
    return {
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": "tcp",
        "port_range_min": 80,
        "port_range_max": 80,
        "remote_ip_prefix": None,
    } | values


def test_addresses_are_compared_as_addresses():
    """Two spellings of one IPv6 address are the same, and nothing equals None."""
    assert same_address("2001:DB8:0::1", "2001:db8::1")
    assert not same_address("192.0.2.1", "192.0.2.2")
    assert not same_address(None, None)


def test_tenant_id_is_the_project():
    """The seed's name can be read and not be written."""
    network = Network(project_id="p")
    assert network.tenant_id == "p"
    with pytest.raises(AttributeError):
        network.tenant_id = "q"  # type: ignore[misc]


def test_subnet_of_an_address():
    """A port knows from which subnet it has an address."""
    port = Port(fixed_ips=[FixedIP(subnet_id="s", ip_address="2001:db8::1")])
    assert port.get_subnet_id("2001:DB8::0001") == "s"
    assert port.get_subnet_id("2001:db8::2") is None


def test_lists_are_not_shared():
    """Two models made with defaults have lists of their own."""
    one, other = LoadBalancer(), LoadBalancer()
    one.amphorae.append(None)  # type: ignore[arg-type]
    assert other.amphorae == []


def test_mac_addresses_are_derived():
    """The same purpose gives the same local unicast address, another another."""
    mac = naming.mac_address("02:6E:77", "vip", "lb", "net")
    assert mac == naming.mac_address("02:6e:77", "vip", "lb", "net")
    assert mac.startswith("02:6e:77:")
    assert len(mac.split(":")) == 6
    others = {naming.mac_address("02:6e:77", "vip", "lb", str(i)) for i in range(100)}
    assert len(others | {mac}) == 101
    assert naming.mac_address("02", "a", None) != naming.mac_address("02", "a", "b")


def test_a_rule_for_everybody_covers_the_others():
    """No narrower rule is made beside one that is open for every source."""
    lb = LoadBalancer(
        listeners=[
            Listener(protocol="TCP", protocol_port=80, allowed_cidrs=["0.0.0.0/0"]),
            Listener(protocol="TCP", protocol_port=80, allowed_cidrs=["192.0.2.0/24"]),
        ]
    )
    assert rules.wanted(lb, VIP4) == {Rule("IPv4", "tcp", 80)}


def test_own_groups_replace_the_listeners_rules():
    """With sg_ids only the peers' and VRRP's rules are made."""
    lb = LoadBalancer(
        topology="ACTIVE_STANDBY",
        listeners=[Listener(protocol="TCP", protocol_port=80, peer_port=1025)],
    )
    own = VIP(ip_address="192.0.2.5", sg_ids=["mine"])
    assert rules.wanted(lb, own) == {
        Rule("IPv4", "tcp", 1025),
        Rule("IPv4", "112"),
        Rule("IPv4", "51"),
    }


def test_a_cidr_opens_its_own_family_only():
    """On a dual-stack VIP an IPv4 CIDR makes no IPv6 rule."""
    lb = LoadBalancer(
        listeners=[
            Listener(protocol="SCTP", protocol_port=9, allowed_cidrs=["192.0.2.9/24"])
        ]
    )
    assert rules.wanted(lb, DUAL) == {Rule("IPv4", "sctp", 9, "192.0.2.0/24")}


def test_bad_cidrs_are_named():
    """A CIDR that is none is refused with its path."""
    listener = Listener(id="web", protocol="TCP", protocol_port=1, allowed_cidrs=["x"])
    path = r"listeners\[0\]\.allowed_cidrs\[0\]: 'x'"
    with pytest.raises(exceptions.InvalidRequest, match=path):
        rules.wanted(LoadBalancer(listeners=[listener]), VIP4)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (row(), Rule("IPv4", "tcp", 80)),
        (row(remote_ip_prefix="0.0.0.0/0"), Rule("IPv4", "tcp", 80)),
        (row(remote_ip_prefix="10.0.0.0/8"), Rule("IPv4", "tcp", 80, "10.0.0.0/8")),
        (row(protocol="17"), Rule("IPv4", "udp", 80)),
        (
            row(protocol="vrrp", port_range_min=None, port_range_max=None),
            Rule("IPv4", "112"),
        ),
        (row(protocol=None), None),
        (row(protocol="icmp"), None),
        (row(direction="egress"), None),
        (row(remote_group_id="g"), None),
        (row(port_range_max=90), None),
    ],
)
def test_rules_are_read_in_one_spelling(given, read):
    """Neutron's spellings of a rule are one; what is not ours to change is None."""
    assert rules.read(given) == read


def test_what_is_written_is_what_is_read():
    """A rule survives being made."""
    for rule in rules.wanted(
        LoadBalancer(
            topology="ACTIVE_STANDBY",
            listeners=[
                Listener(
                    protocol="TCP", protocol_port=80, allowed_cidrs=["192.0.2.9/24"]
                )
            ],
        ),
        DUAL,
    ):
        assert rules.read(rule.request("group")) == rule
