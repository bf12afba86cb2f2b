# SPDX-License-Identifier: Apache-2.0
"""What a new sandbox begins with, and how a file that cannot say it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from networker.drivers.sandbox import SandboxError, TopologyError
from networker.drivers.sandbox.topology import identify, project_id
from tests.unit.test_sandbox import SERVERS, TINY, VIP_NET, new_driver

NET = "networks: [{name: a}]\n"
S = "subnets: [{name: s, network: a, cidr: 10.0.0.0/8"
T = "{name: t, network: a, cidr: 10.9.0.0/16}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("networks: [", "line 1, column 12"),
        ("networks: [{name: 2020-13-45}]", "month must be in 1..12"),
        ("\0", "special characters are not allowed"),
        ("", "Expected `object`, got `null`"),
        ("networks: []\nrouters: []", "unknown field `routers`"),
        ("networks: [{name: a, mtv: 9}]", "unknown field `mtv` - at `$.networks[0]`"),
        ("networks: [{name: a, mtu: 9}]", "- at `$.networks[0].mtu`"),
        ("networks: [{name: ''}]", "- at `$.networks[0].name`"),
        ("networks: [{name: a}, {name: a}]", "'a' is taken - at `$.networks[1].name`"),
        ("networks: []\n" + S + "}]", "no network 'a' - at `$.subnets[0]"),
        (
            NET + "subnets: [{name: s, network: a, cidr: 10.0.0.1/8}]",
            "has host bits set",
        ),
        (NET + "subnets: [{name: s, network: a, cidr: ten}]", "`$.subnets[0].cidr`"),
        (NET + "subnets: [{name: s, network: a, cidr: 10.0.0.0/31}]", "has no room"),
        (NET + S + ", gateway_ip: 11.0.0.1}]", "11.0.0.1 is outside"),
        (NET + S + ", gateway_ip: x}]", "`$.subnets[0].gateway_ip`"),
        (NET + S + "}, " + T + "]", "overlaps s - at `$.subnets[1].cidr`"),
        (
            NET + "qos_policies: [{name: q, shared: maybe}]",
            "`$.qos_policies[0].shared`",
        ),
        (NET + "qos_policies: [{name: q}, {name: q}]", "`$.qos_policies[1].name`"),
        (NET + "servers: [{name: s, networks: [b]}]", "at `$.servers[0].networks`"),
        (NET + "servers: [{name: s, networks: [a]}]", "no subnet - at `$.servers[0]`"),
    ],
)
def test_a_malformed_topology_is_explained(
    tmp_path: Path, text: str, complaint: str
) -> None:
    """The error names file, place and fault in one line; nothing is in the way after."""
    with pytest.raises(TopologyError) as caught:
        new_driver(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'topology.yaml'}: ")
    assert complaint in message
    assert "\n" not in message
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, SandboxError)
    assert list(new_driver(tmp_path, TINY).backdoor.servers()) == [
        "amphora-0",
        "amphora-1",
    ]


def test_a_topology_that_is_missing_is_named(tmp_path: Path) -> None:
    """A path to nothing is an error, not the packaged topology."""
    driver = new_driver(tmp_path, TINY)
    (tmp_path / "net.sqlite").unlink()
    (tmp_path / "topology.yaml").unlink()
    with pytest.raises(TopologyError, match=r"topology\.yaml: No such file"):
        driver.backdoor.networks()


def test_the_packaged_topology(tmp_path: Path) -> None:
    """It has the lab cloud's names, and ids that are the same everywhere."""
    driver = new_driver(tmp_path)
    networks = {network.name: network for network in driver.backdoor.networks()}
    subnets = {subnet.name: subnet for subnet in driver.backdoor.subnets()}
    names = ["public", "lb-mgmt-net", "vip-net", "member-net-1", "member-net-2"]
    assert list(networks) == names
    assert [network.id for network in networks.values()] == [
        identify("network", name) for name in names
    ]
    assert [n.name for n in networks.values() if n.router_external] == ["public"]
    assert networks["vip-net"].id == VIP_NET == "64d1c0d5-4019-5f88-99f4-74b33c16ea1a"
    assert networks["vip-net"].project_id == project_id("demo")
    assert networks["lb-mgmt-net"].mtu == 1450
    assert subnets["lb-mgmt-subnet"].gateway_ip is None
    assert subnets["vip-subnet6"].gateway_ip == "fd00:20::1"
    assert {name: subnet.cidr for name, subnet in subnets.items()} == {
        "public-subnet": "203.0.113.0/24",
        "lb-mgmt-subnet": "10.90.0.0/20",
        "vip-subnet": "10.20.0.0/20",
        "vip-subnet6": "fd00:20::/64",
        "member-subnet-1": "10.31.0.0/20",
        "member-subnet-1b": "10.39.0.0/24",
        "member-subnet-2": "10.32.0.0/20",
    }
    (policy,) = driver.backdoor.tables()["qos_policies"]
    assert policy == {
        "id": identify("qos policy", "vip-qos"),
        "name": "vip-qos",
        "project_id": project_id("service"),
        "shared": 1,
    }
    assert list(driver.backdoor.servers().values()) == SERVERS
    for server in SERVERS:
        (port,) = driver.backdoor.ports(device_id=server)
        assert (port.name, port.status) == ("", "ACTIVE")
        assert port.device_owner == "compute:nova"
        assert port.network_id == networks["lb-mgmt-net"].id
