# SPDX-License-Identifier: Apache-2.0
"""What Octavia gets: objects of its own classes."""

from __future__ import annotations

import pytest
from octavia.common import data_models, utils
from octavia.network import data_models as network_models

from networker import models
from networker.octavia import results
from tests.octavia.unit.objects import balancer, new

SUBNET = models.Subnet(
    id=new(),
    network_id=new(),
    project_id="ours",
    cidr="10.0.0.0/8",
    ip_version=4,
    host_routes=[models.HostRoute(nexthop="10.0.0.2", destination="192.0.2.0/24")],
)
NETWORK = models.Network(id=SUBNET.network_id, mtu=1450, subnets=[SUBNET.id or ""])
PORT = models.Port(
    id=new(),
    network=NETWORK,
    fixed_ips=[
        models.FixedIP(subnet_id=SUBNET.id, ip_address="10.0.0.7", subnet=SUBNET)
    ],
    security_group_ids=["one"],
    vnic_type="direct",
    allowed_addresses=["10.0.0.9"],
)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (SUBNET, network_models.Subnet),
        (NETWORK, network_models.Network),
        (PORT, network_models.Port),
        (models.Interface(port_id=new()), network_models.Interface),
        (models.QosPolicy(id=new(), name="gold"), network_models.QosPolicy),
        (models.SecurityGroup(tags=["t"]), network_models.SecurityGroup),
        (models.NetworkIPAvailability(), network_models.Network_IP_Availability),
        (models.Amphora(id=new()), data_models.Amphora),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_octavias_tasks_can_take_it_apart_and_together(model, kind):
    """An object made of the dictionary that a task stores is the object again."""
    made = results.octavia(model)
    assert type(made) is kind
    stored = made.to_dict(recurse=True)
    assert kind(**stored).to_dict(recurse=True) == stored
    for name, value in stored.items():
        if isinstance(value, (str, int, bool)):
            assert value == getattr(model, name)


def test_a_port_is_complete_and_can_be_changed():
    """Tasks put networks and subnets into ports, and read them there."""
    port = results.octavia(PORT)
    (fixed_ip,) = port.fixed_ips
    assert type(fixed_ip) is network_models.FixedIP
    assert port.get_subnet_id("10.0.0.7") == SUBNET.id
    assert fixed_ip.subnet.host_routes[0].nexthop == "10.0.0.2"
    assert port.network.subnets == [SUBNET.id]
    assert not hasattr(port, "allowed_addresses")
    port.fixed_ips.append(network_models.FixedIP(subnet_id=new()))
    port.network = None
    assert [len(PORT.fixed_ips), len(port.fixed_ips)] == [1, 2]


def test_octavia_counts_addresses():
    """The availability of a subnet is the dictionary that the API looks into."""
    counted = models.SubnetIPAvailability(subnet_id="s", total_ips=250, used_ips=248)
    found = results.octavia(
        models.NetworkIPAvailability(project_id="p", subnet_ip_availability=[counted])
    )
    assert utils.subnet_ip_availability(found, "s", 2)
    assert not utils.subnet_ip_availability(found, "s", 3)
    assert found.subnet_ip_availability[0]["subnet_id"] == "s"
    assert found.tenant_id == "p"


def test_a_vip_is_the_callers():
    """The VIP leads to the caller's load balancer, and keeps what it said of the VIP."""
    lb = balancer()
    lb.vip.qos_policy_id, lb.vip.sg_ids, lb.vip.vnic_type = "gold", ["mine"], "direct"
    other = models.AdditionalVIP(ip_address="fd00::7", subnet_id="s6", port_id="p")
    vip, additional = results.virtual_ips(
        models.VIP(
            port_id="p", ip_address="10.0.0.7", octavia_owned=True, additional=[other]
        ),
        lb,
    )
    assert type(vip) is data_models.Vip
    assert vip.load_balancer is lb
    assert vip.to_dict() == {
        "load_balancer_id": lb.id,
        "load_balancer": None,
        "ip_address": "10.0.0.7",
        "subnet_id": None,
        "network_id": None,
        "port_id": "p",
        "qos_policy_id": "gold",
        "octavia_owned": True,
        "vnic_type": "direct",
        "sg_ids": ["mine"],
    }
    (made,) = additional
    assert type(made) is data_models.AdditionalVip
    assert made.load_balancer is lb
    assert [made.load_balancer_id, made.ip_address] == [lb.id, "fd00::7"]


def test_fields_of_another_release_are_no_error(monkeypatch):
    """A class with fewer fields gets those, one with more has its defaults for them."""

    class Older(data_models.BaseDataModel):  # type: ignore[misc]
        def __init__(self, id=None, fixed_ips=None):  # noqa: A002
            self.id, self.fixed_ips = id, fixed_ips

    class Newer(network_models.FixedIP):  # type: ignore[misc]
        def __init__(self, ip_address=None, flavour="plain"):
            super().__init__(ip_address=ip_address)
            self.flavour = flavour

    changed = {models.Port: Older, models.FixedIP: Newer}
    monkeypatch.setattr(results, "_CLASSES", changed)
    port = results.octavia(PORT)
    assert vars(port).keys() == {"id", "fixed_ips"}
    assert port.fixed_ips[0].flavour == "plain"
