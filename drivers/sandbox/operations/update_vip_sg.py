# SPDX-License-Identifier: Apache-2.0
"""Make the security group of a VIP, bring its rules in line, and set it on the VIP."""

from __future__ import annotations

import sqlite3

from networker.drivers import naming, rules
from networker.drivers.sandbox.records import (
    port_backup,
    ports,
    security_groups,
    vip_ports,
)
from networker.models import VIP, LoadBalancer


def run(tx: sqlite3.Connection, load_balancer: LoadBalancer, vip: VIP) -> str:
    """Make the VIP's security group, bring its rules in line, and set it on the VIP."""
    owner, port_id = load_balancer.id or "", vip.port_id or ""
    rules.wanted(load_balancer, vip)
    port = ports.get(tx, port_id)
    vip = vip_ports.describe(vip, port, owner)
    vip_ports.refuse_others(tx, port, owner)
    name = naming.vip_device(owner)
    group_id = security_groups.find(tx, name) or security_groups.add(tx, name)
    security_groups.reconcile(tx, group_id, rules.wanted(load_balancer, vip))
    port_backup.save(tx, port)
    ports.set_groups(tx, port_id, [group_id, *vip.sg_ids])
    return group_id
