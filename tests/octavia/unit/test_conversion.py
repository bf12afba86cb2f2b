# SPDX-License-Identifier: Apache-2.0
"""What crosses the bus of Octavia's graph of objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from octavia.common.data_models import Amphora, Vip
from octavia.network.data_models import FixedIP, Port, Subnet
from oslo_config import cfg

from networker.octavia import options
from networker.octavia.driver import NetworkerDriver
from networker.octavia.lookups import Lookups
from tests.octavia.unit.objects import balancer, grown, new
from tests.octavia.unit.recorder import Recorder

#: Words of objects and fields that no method needs.
FOREIGN = ("member", "pool", "l7", "cert_", "created_at", "qos")


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """What the drivers of this test would send."""
    options.register(cfg.CONF)
    recorder = Recorder()
    monkeypatch.setattr(Lookups, "_clients", recorder)
    return recorder


CALLS: dict[str, Callable[[NetworkerDriver, Any], Any]] = {
    "allocate_vip": lambda driver, lb: driver.allocate_vip(lb),
    "deallocate_vip": lambda driver, lb: driver.deallocate_vip(lb.vip),
    "failover_preparation": lambda d, lb: d.failover_preparation(lb.amphorae[0]),
    "get_network_configs": lambda driver, lb: driver.get_network_configs(lb),
    "plug_aap_port": lambda driver, lb: driver.plug_aap_port(
        lb, lb.vip, lb.amphorae[0], Subnet(id=new(), network_id=new())
    ),
    "plug_port": lambda driver, lb: driver.plug_port(
        lb.amphorae[0], Port(id=new(), fixed_ips=[FixedIP(new(), "10.1.0.1")])
    ),
    "plug_vip": lambda driver, lb: driver.plug_vip(lb, lb.vip),
    "unplug_aap_port": lambda driver, lb: driver.unplug_aap_port(
        lb.vip, lb.amphorae[0], Subnet(id=new(), network_id=new())
    ),
    "unplug_vip": lambda driver, lb: driver.unplug_vip(lb, lb.vip),
    "update_aap_port_sg": lambda driver, lb: driver.update_aap_port_sg(
        lb, lb.amphorae[0], lb.vip
    ),
    "update_vip": lambda driver, lb: driver.update_vip(lb),
    "update_vip_sg": lambda driver, lb: driver.update_vip_sg(lb, lb.vip),
}


@pytest.mark.parametrize("method", CALLS)
def test_a_large_load_balancer_is_a_small_message(recorder, method):
    """1000 members and 50 rules of layer 7 are not on the bus, nor is anything else."""
    CALLS[method](NetworkerDriver(), grown(members=1000, rules=50))
    text = msgspec.json.encode(recorder.sent[method]).decode()
    assert len(text) < 1500
    assert [foreign for foreign in FOREIGN if foreign in text] == []


def test_allocation_sends_what_it_needs(recorder):
    """The VIP goes as it is wanted, but for the QoS policy, which VRRP ports get."""
    lb = grown(members=1, rules=1)
    lb.vip.sg_ids, lb.vip.octavia_owned = ["group"], True
    NetworkerDriver().allocate_vip(lb)
    assert recorder.sent["allocate_vip"]["load_balancer"] == {
        "id": lb.id,
        "project_id": lb.project_id,
        "vip": {
            "port_id": lb.vip.port_id,
            "network_id": lb.vip.network_id,
            "subnet_id": lb.vip.subnet_id,
            "ip_address": "10.20.0.9",
            "octavia_owned": True,
            "sg_ids": ["group"],
        },
    }


def test_listeners_are_what_rules_are_made_of(recorder):
    """Of a listener its ports, protocol, status and the texts of its CIDRs are sent."""
    lb = balancer(new(), new())
    lb.vip.ip_address, lb.vip.port_id = "10.20.0.9", new()
    NetworkerDriver().update_vip(lb, for_delete=True)
    sent = recorder.sent["update_vip"]
    assert sent["for_delete"] is True
    assert sent["load_balancer"]["listeners"] == [
        {
            "protocol": "TCP",
            "protocol_port": 80,
            "peer_port": 1104,
            "provisioning_status": "ACTIVE",
        },
        {
            "protocol": "TCP",
            "protocol_port": 443,
            "peer_port": 1467,
            "provisioning_status": "ACTIVE",
            "allowed_cidrs": ["10.0.0.0/8", "192.0.2.0/24"],
        },
    ]


def test_fields_that_are_none_are_not_sent(recorder):
    """What Octavia does not know, lists included, is left out."""
    lb = balancer()
    lb.listeners = lb.additional_vips = lb.amphorae = None
    lb.vip.sg_ids = lb.vip.vnic_type = lb.topology = None
    NetworkerDriver().update_vip_sg(lb, lb.vip)
    assert recorder.sent["update_vip_sg"] == {"load_balancer": {"id": lb.id}, "vip": {}}


def test_a_task_that_reverts_has_dictionaries(recorder):
    """A subnet may come as a dictionary, and a VIP without its load balancer."""
    driver = NetworkerDriver()
    amphora = Amphora(id=new(), status="ALLOCATED")
    subnet = Subnet(id=new(), network_id=new(), cidr="10.0.0.0/8").to_dict()
    vip = Vip(**Vip(load_balancer_id=new(), port_id=new()).to_dict(recurse=True))
    driver.unplug_aap_port(vip, amphora, subnet)
    driver.deallocate_vip(vip)
    known = {"id": subnet["id"], "network_id": subnet["network_id"]}
    assert recorder.sent["unplug_aap_port"]["subnet"] == known
    assert recorder.sent["deallocate_vip"]["vip"] == {
        "load_balancer_id": vip.load_balancer_id,
        "port_id": vip.port_id,
    }


def test_the_load_balancer_of_a_vip_is_found_either_way(recorder):
    """A VIP that only leads to its load balancer is known by that one's id."""
    lb = balancer(new(), new())
    lb.vip.load_balancer_id, lb.vip.port_id = None, new()
    NetworkerDriver().deallocate_vip(lb.vip)
    assert recorder.sent["deallocate_vip"]["vip"]["load_balancer_id"] == lb.id


def test_a_port_is_asked_for_in_lists(recorder):
    """Tuples, dictionaries and None are what callers of create_port give."""
    NetworkerDriver().create_port(
        "net", fixed_ips=({"subnet_id": "s"},), security_group_ids=None, vnic_type=None
    )
    assert recorder.sent["create_port"] == {
        "network_id": "net",
        "fixed_ips": [{"subnet_id": "s"}],
        "secondary_ips": [],
        "security_group_ids": [],
    }
