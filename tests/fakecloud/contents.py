# SPDX-License-Identifier: Apache-2.0
"""What a fake cloud begins with: the networks and servers of the lab cloud."""

from __future__ import annotations

from tests.fakecloud import networks
from tests.fakecloud.groups import Groups
from tests.fakecloud.ports import Ports, bind
from tests.fakecloud.state import DEMO, SERVICE, Server, State, known_id

_NETWORKS = {
    "public": (SERVICE, 1500),
    "lb-mgmt-net": (SERVICE, 1450),
    "vip-net": (DEMO, 1450),
    "member-net-1": (DEMO, 1450),
    "member-net-2": (DEMO, 1450),
}
_SUBNETS = {
    "public-subnet": ("public", "203.0.113.0/24"),
    "lb-mgmt-subnet": ("lb-mgmt-net", "10.90.0.0/20"),
    "vip-subnet": ("vip-net", "10.20.0.0/20"),
    "vip-subnet6": ("vip-net", "fd00:20::/64"),
    "member-subnet-1": ("member-net-1", "10.31.0.0/20"),
    "member-subnet-1b": ("member-net-1", "10.39.0.0/24"),
    "member-subnet-2": ("member-net-2", "10.32.0.0/20"),
}
_SERVERS = 4


def populate(state: State) -> None:
    """Create everything."""
    for name, (project_id, mtu) in _NETWORKS.items():
        external = {"router:external": True, "is_default": False}
        network = networks.network(name, project_id)
        network |= {"id": known_id("network", name), "mtu": mtu}
        network |= external if name == "public" else {}
        state.networks[network["id"]] = network
    for name, (network_name, cidr) in _SUBNETS.items():
        network = state.networks[known_id("network", network_name)]
        subnet = networks.subnet(name, network, cidr) | {"id": known_id("subnet", name)}
        subnet["enable_dhcp"] = name != "public-subnet"
        if name == "lb-mgmt-subnet":
            networks.set_gateway(subnet, None)
        networks.add(state, network, subnet)
    policy = networks.resource("vip-qos", SERVICE) | {
        "id": known_id("policy", "vip-qos")
    }
    state.policies[policy["id"]] = policy | {"shared": True, "rules": []}
    _router(state)
    group = Groups(state).make("lb-mgmt-sec-grp", SERVICE)
    for number in range(_SERVERS):
        _server(state, f"amphora-{number}", group["id"])


def _router(state: State) -> None:
    """Make the port by which a router holds the gateway of the VIPs' subnet."""
    address = {"subnet_id": known_id("subnet", "vip-subnet"), "ip_address": "10.20.0.1"}
    body = {
        "network_id": known_id("network", "vip-net"),
        "project_id": DEMO,
        "device_id": known_id("router", "lab-router"),
        "device_owner": "network:router_interface",
        "fixed_ips": [address],
        "security_groups": [],
    }
    (port,) = Ports(state).create([body])
    port["port_security_enabled"] = False


def _server(state: State, name: str, group_id: str) -> None:
    body = {
        "network_id": known_id("network", "lb-mgmt-net"),
        "security_groups": [group_id],
    }
    (port,) = Ports(state).create([body])
    server = Server(known_id("server", name), name, [port["id"]])
    state.servers[server.id] = server
    bind(port, server)
