# SPDX-License-Identifier: Apache-2.0
"""How many addresses the networks of a fake cloud have and use."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from tests.fakecloud import addresses
from tests.fakecloud.state import Json, State


def show(state: State, network: Json) -> Json:
    """Return a network's numbers as the API shows them, with those of its subnets."""
    found = [s for s in state.subnets.values() if s["network_id"] == network["id"]]
    subnets = [_subnet(state, subnet) for subnet in found]
    details = [one["ip_availability_details"] for one in subnets]
    return {
        "network_id": network["id"],
        "network_name": network["name"],
        "project_id": network["project_id"],
        "tenant_id": network["project_id"],
        "subnet_ip_availability": subnets,
        "used_ips": _sum(subnets, "used_ips"),
        "total_ips": _sum(subnets, "total_ips"),
        "ip_availability_details": {
            name: _sum(details, name) for name in (details[0] if details else ())
        },
    }


def _sum(parts: Sequence[Json], name: str) -> int:
    return sum(part[name] for part in parts)


def _subnet(state: State, subnet: Json) -> Json:
    block = ipaddress.ip_network(subnet["cidr"])
    held = [int(ipaddress.ip_address(a)) for a in addresses.taken(state, subnet)]
    pools = addresses.pools(subnet)
    pooled = sum(last - first + 1 for first, last in pools)
    used = [n for n in held if any(first <= n <= last for first, last in pools)]
    return {
        "subnet_id": subnet["id"],
        "subnet_name": subnet["name"],
        "ip_version": subnet["ip_version"],
        "cidr": subnet["cidr"],
        "used_ips": len(held),
        "total_ips": pooled,
        "ip_availability_details": {
            "total_ips_in_subnet": block.num_addresses
            - (2 if block.version == 4 else 0),
            "total_ips_in_allocation_pool": pooled,
            "used_ips_in_subnet": len(held),
            "used_ips_in_allocation_pool": len(used),
        },
    }
