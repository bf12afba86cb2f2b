# SPDX-License-Identifier: Apache-2.0
"""Route the traffic of a VIP to one amphora."""

from __future__ import annotations

import sqlite3

import msgspec

from networker.drivers.sandbox.errors import Rejected
from networker.drivers.sandbox.records import inventory, vrrp_ports
from networker.models import VIP, Amphora, LoadBalancer, Subnet


def run(
    tx: sqlite3.Connection,
    load_balancer: LoadBalancer,
    vip: VIP,
    amphora: Amphora,
    subnet: Subnet,
) -> Amphora:
    """Route the traffic of a VIP to one amphora."""
    place = inventory.subnet(tx, subnet.id or "")
    if place.network_id != subnet.network_id:
        raise Rejected(f"subnet {place.id} is not on network {subnet.network_id}")
    owner = load_balancer.id or ""
    group_ids = [vrrp_ports.group_of(tx, owner), *vip.sg_ids]
    vip = msgspec.structs.replace(vip, subnet_id=place.id, network_id=place.network_id)
    return vrrp_ports.plug(tx, owner, vip, amphora, group_ids)
