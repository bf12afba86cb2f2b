# SPDX-License-Identifier: Apache-2.0
"""The networks and subnets of a fake cloud."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Sequence

from tests.fakecloud import attributes
from tests.fakecloud.state import (
    SERVICE,
    Json,
    State,
    hidden_fault,
    neutron_fault,
    now,
)


def resource(name: str, project_id: str) -> Json:
    """Return what every resource has."""
    return {
        "id": str(uuid.uuid4()),
        "name": name,
        "project_id": project_id,
        "tenant_id": project_id,
        "description": "",
        "tags": [],
        "created_at": now(),
        "updated_at": now(),
        "revision_number": 0,
    }


def network(name: str, project_id: str) -> Json:
    """Return a new network."""
    return resource(name, project_id) | {
        "admin_state_up": True,
        "mtu": 1450,
        "status": "ACTIVE",
        "subnets": [],
        "shared": False,
        "availability_zone_hints": [],
        "availability_zones": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "router:external": False,
        "port_security_enabled": True,
        "qos_policy_id": None,
        "dns_domain": "",
        "revision_number": 1,
    }


def subnet(name: str, of: Json, cidr: str) -> Json:
    """Return a new subnet of a network, with a gateway."""
    block = ipaddress.ip_network(cidr)
    mode = None if block.version == 4 else "dhcpv6-stateful"
    made = resource(name, of["project_id"]) | {
        "network_id": of["id"],
        "ip_version": block.version,
        "subnetpool_id": None,
        "enable_dhcp": True,
        "ipv6_ra_mode": mode,
        "ipv6_address_mode": mode,
        "cidr": cidr,
        "host_routes": [],
        "dns_nameservers": [],
        "router:external": of["router:external"],
        "service_types": [],
    }
    # Neutron makes the first address of an IPv6 subnet, which is the anycast address of
    # routers, the gateway.
    set_gateway(made, str(block[1] if block.version == 4 else block[0]))
    return made


def is_slaac(subnet: Json) -> bool:
    """Tell whether ports derive their addresses of a subnet from their MAC addresses."""
    return subnet["ipv6_address_mode"] in ("slaac", "dhcpv6-stateless")


def _is_on(ip: Json, subnet_id: str) -> bool:
    return bool(ip["subnet_id"] == subnet_id)


def set_gateway(made: Json, gateway: str | None) -> None:
    """Set the gateway of a new subnet, which is not in the pool of its addresses."""
    block = ipaddress.ip_network(made["cidr"])
    # Neutron gives out the last address of an IPv6 subnet.
    last = block[-2] if block.version == 4 else block[-1]
    first = block[2] if gateway and block.version == 4 else block[1]
    made["gateway_ip"] = gateway
    made["allocation_pools"] = [{"start": str(first), "end": str(last)}]


def add(state: State, of: Json, made: Json) -> None:
    """Add a subnet to a network."""
    state.subnets[made["id"]] = made
    of["subnets"] = sorted([*of["subnets"], made["id"]])
    of["revision_number"] += 1


class Networks:
    """The operations on networks and subnets.

    :param caller: the project whose user asks
    """

    def __init__(self, state: State, caller: str = SERVICE) -> None:
        self._state = state
        self._caller = caller

    def create(self, bodies: Sequence[Json]) -> list[Json]:
        """Make networks."""
        made = []
        for body in bodies:
            attributes.refuse_unknown(body, {"name"})
            made.append(network(body.get("name", ""), self._caller))
            self._state.networks[made[-1]["id"]] = made[-1]
        return made

    def create_subnets(self, bodies: Sequence[Json]) -> list[Json]:
        """Make subnets of networks of the caller's."""
        modes = {"ipv6_address_mode", "ipv6_ra_mode"}
        known = {"name", "network_id", "cidr", "ip_version", "gateway_ip", *modes}
        made = []
        for body in bodies:
            attributes.refuse_unknown(body, known)
            of = self._state.networks.get(body["network_id"])
            if of is None or of["project_id"] != self._caller:
                raise hidden_fault()
            made.append(subnet(body.get("name", ""), of, body["cidr"]))
            made[-1] |= {name: body[name] for name in modes & body.keys()}
            if "gateway_ip" in body:
                set_gateway(made[-1], body["gateway_ip"])
            add(self._state, of, made[-1])
        return made

    def delete_subnet(self, subnet_id: str) -> None:
        """Delete a subnet of which ports have no addresses but derived ones."""
        subnet = self._state.subnets[subnet_id]
        ports = self._state.ports.values()
        held = [p for p in ports for ip in p["fixed_ips"] if _is_on(ip, subnet_id)]
        if held and not is_slaac(subnet):
            text = f"Unable to complete operation on subnet {subnet_id}: One or more "
            text += "ports have an IP allocation from this subnet."
            raise neutron_fault(409, "SubnetInUse", text)
        for port in held:
            left = [ip for ip in port["fixed_ips"] if not _is_on(ip, subnet_id)]
            port["fixed_ips"] = left
            port["revision_number"] += 1
        del self._state.subnets[subnet_id]
        of = self._state.networks[subnet["network_id"]]
        of["subnets"] = [one for one in of["subnets"] if one != subnet_id]

    def delete(self, network_id: str) -> None:
        """Delete a network on which there is no port, and its subnets."""
        if any(p["network_id"] == network_id for p in self._state.ports.values()):
            text = f"Unable to complete operation on network {network_id}. There are "
            text += "one or more ports still in use on the network."
            raise neutron_fault(409, "NetworkInUse", text)
        for subnet_id in self._state.networks.pop(network_id)["subnets"]:
            del self._state.subnets[subnet_id]
