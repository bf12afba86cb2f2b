# SPDX-License-Identifier: Apache-2.0
"""Values that mean nothing, or something else than is meant: refused with their path."""

from __future__ import annotations

from typing import Any

import pytest

from networker import exceptions
from networker.drivers import naming
from networker.models import VIP, AdditionalVIP, Listener
from networker.testing.contract.steps import V4_RULES, allocate, secure
from networker.testing.contract.world import new_id

LISTENERS: dict[str, dict[str, Any]] = {
    "allowed_cidrs[0]": {"allowed_cidrs": [""]},
    "allowed_cidrs[1]": {"allowed_cidrs": ["10.0.0.0/8", " "]},
    "allowed_cidrs[2]": {"allowed_cidrs": ["10.0.0.0/8", "fd00::/8", "10.0.0.0/33"]},
    "protocol_port": {"protocol_port": 0},
    "peer_port": {"peer_port": 0},
    "protocol": {"protocol": "udp"},
    "protocol ": {"protocol": ""},
    "protocol  ": {"protocol": "SMTP"},
    "protocol_port ": {"protocol_port": 65536},
    "protocol_port  ": {"protocol_port": -1},
    "peer_port ": {"peer_port": 70000},
}


@pytest.fixture
def ruled(network, balancer):
    """A load balancer whose VIP has its group."""
    lb = balancer(amphorae=1)
    secure(network, lb)
    return lb


def refused(network, world, lb, path):
    """See to it that nothing is done for a load balancer with a wrong value."""
    for call in (
        lambda: network.update_vip(lb),
        lambda: network.update_vip_sg(lb, lb.vip),
        lambda: network.plug_vip(lb, lb.vip),
    ):
        with pytest.raises(exceptions.InvalidRequest) as caught:
            call()
        assert path in str(caught.value)
    assert world.rules(naming.vip_device(lb.id)) == V4_RULES
    assert world.ports(name=naming.vrrp_port(lb.amphorae[0].id)) == []


def test_of_a_listener(network, world, ruled):
    """Neither no rule without a word, nor another one than was meant."""
    for path, wrong in LISTENERS.items():
        right: dict[str, Any] = {
            "protocol": "TCP",
            "protocol_port": 8080,
            "peer_port": 1026,
        }
        ruled.listeners.append(Listener(id=new_id(), **{**right, **wrong}))
        where = f"load_balancer.listeners[2].{path.strip()}: "
        refused(network, world, ruled, where)
        ruled.listeners.pop()


def test_of_a_listener_that_goes(network, world, ruled):
    """What is being deleted asks for no rule, whatever else it says."""
    gone = Listener(protocol="udp", protocol_port=0, provisioning_status="DELETED")
    ruled.listeners.append(gone)
    network.update_vip(ruled)
    assert world.rules(naming.vip_device(ruled.id)) == V4_RULES


def test_of_a_load_balancer(network, world, ruled):
    """Its topology says whether VRRP is let in, its addresses which rules there are."""
    ruled.topology = "active_standby"
    refused(network, world, ruled, "load_balancer.topology: ")
    ruled.topology = "ACTIVE_STANDBY"
    ruled.vip.additional = [AdditionalVIP(ip_address="fd00::zz")]
    refused(network, world, ruled, "load_balancer.vip.additional[0].ip_address: ")
    ruled.vip.additional, ruled.vip.ip_address = [], "10.20.0"
    refused(network, world, ruled, "load_balancer.vip.ip_address: ")


def test_of_an_address_that_is_gone(network, world, balancer):
    """A further address whose subnet was deleted is named; the rest can be had."""
    network_id = world.make_network()
    v4 = world.make_subnet(network_id, "198.51.100.0/24")
    v6 = world.make_subnet(network_id, "2001:db8:7e57::/64", slaac=True)
    lb = balancer(amphorae=1)
    lb.vip = VIP(subnet_id=v4, additional=[AdditionalVIP(subnet_id=v6)])
    vip = allocate(network, lb)
    world.delete_subnet(v6)
    for call, failure in (
        (lambda: network.plug_vip(lb, vip), exceptions.PlugVIPException),
        (lambda: network.update_vip_sg(lb, vip), exceptions.PlugVIPException),
    ):
        with pytest.raises(failure) as caught:
            call()
        assert "vip.additional[0]" in str(caught.value)
        assert str(vip.additional[0].subnet_id) in str(caught.value)
    vip.additional = []
    network.plug_vip(lb, vip)
    network.unplug_vip(lb, vip)
    network.deallocate_vip(vip)
