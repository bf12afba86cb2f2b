# SPDX-License-Identifier: Apache-2.0
"""Set the security groups of an amphora's VRRP port."""

from __future__ import annotations

import sqlite3

from networker.drivers.sandbox.records import port_backup, ports, vrrp_ports
from networker.drivers.vip import is_deleted
from networker.models import VIP, Amphora, LoadBalancer


def run(
    tx: sqlite3.Connection, load_balancer: LoadBalancer, amphora: Amphora, vip: VIP
) -> None:
    """Set the VIP's security group and the user's on an amphora's VRRP port."""
    if is_deleted(amphora):
        return
    port = ports.get(tx, amphora.vrrp_port_id or "")
    group_ids = [vrrp_ports.group_of(tx, load_balancer.id or ""), *vip.sg_ids]
    port_backup.save(tx, port)
    ports.set_groups(tx, port.id or "", group_ids)
