# SPDX-License-Identifier: Apache-2.0
"""Stop routing the traffic of a VIP to one amphora."""

from __future__ import annotations

import sqlite3

from networker.drivers import naming
from networker.drivers.sandbox.records import (
    ports,
    security_groups,
    vip_ports,
    vrrp_ports,
)
from networker.models import VIP, Amphora, Subnet


def run(tx: sqlite3.Connection, vip: VIP, amphora: Amphora, subnet: Subnet) -> None:
    """Stop routing the traffic of a VIP to one amphora."""
    owner = vip.load_balancer_id or vip_ports.owner_of(ports.select(tx, id=vip.port_id))
    group_id = security_groups.find(tx, naming.vip_device(owner)) if owner else None
    vrrp_ports.unplug(tx, vip, subnet.network_id, amphora, group_id)
