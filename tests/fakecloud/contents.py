# SPDX-License-Identifier: Apache-2.0
"""What a fake cloud begins with: the networks and servers of the lab cloud."""

from __future__ import annotations

import ipaddress

from tests.fakecloud.groups import Groups
from tests.fakecloud.ports import Ports, bind
from tests.fakecloud.state import DEMO, SERVICE, Json, Server, State, known_id, now

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
        network = _network(name, project_id, mtu)
        state.networks[network["id"]] = network
    for name, (network_name, cidr) in _SUBNETS.items():
        network = state.networks[known_id("network", network_name)]
        subnet = _subnet(name, network, cidr)
        state.subnets[subnet["id"]] = subnet
        network["subnets"] = sorted([*network["subnets"], subnet["id"]])
        network["revision_number"] += 1
    policy = _resource("policy", "vip-qos", SERVICE) | {"shared": True, "rules": []}
    state.policies[policy["id"]] = policy
    _router(state)
    group = Groups(state).make("lb-mgmt-sec-grp", SERVICE)
    for number in range(_SERVERS):
        _server(state, f"amphora-{number}", group["id"])


def _resource(kind: str, name: str, project_id: str) -> Json:
    return {
        "id": known_id(kind, name),
        "name": name,
        "project_id": project_id,
        "tenant_id": project_id,
        "description": "",
        "tags": [],
        "created_at": now(),
        "updated_at": now(),
        "revision_number": 0,
    }


def _network(name: str, project_id: str, mtu: int) -> Json:
    external = name == "public"
    network = _resource("network", name, project_id) | {
        "admin_state_up": True,
        "mtu": mtu,
        "status": "ACTIVE",
        "subnets": [],
        "shared": False,
        "availability_zone_hints": [],
        "availability_zones": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "router:external": external,
        "port_security_enabled": True,
        "qos_policy_id": None,
        "dns_domain": "",
        "revision_number": 1,
    }
    return network | {"is_default": False} if external else network


def _subnet(name: str, network: Json, cidr: str) -> Json:
    block = ipaddress.ip_network(cidr)
    version = block.version
    # Neutron gives out the last address of an IPv6 subnet, and makes the first one,
    # which is the anycast address of routers, the gateway.
    gateway = str(block[1] if version == 4 else block[0])
    last = block[-2] if version == 4 else block[-1]
    mode = None if version == 4 else "dhcpv6-stateful"
    first = block[1] if name == "lb-mgmt-subnet" or version == 6 else block[2]
    return _resource("subnet", name, network["project_id"]) | {
        "network_id": network["id"],
        "ip_version": version,
        "subnetpool_id": None,
        "enable_dhcp": name != "public-subnet",
        "ipv6_ra_mode": mode,
        "ipv6_address_mode": mode,
        "gateway_ip": None if name == "lb-mgmt-subnet" else gateway,
        "cidr": cidr,
        "allocation_pools": [{"start": str(first), "end": str(last)}],
        "host_routes": [],
        "dns_nameservers": [],
        "router:external": network["router:external"],
        "service_types": [],
    }


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
