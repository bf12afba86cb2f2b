# SPDX-License-Identifier: Apache-2.0
"""Bring the rules of a VIP's security group in line with the listeners."""

from __future__ import annotations

import sqlite3

from networker.drivers import naming, rules
from networker.drivers.sandbox.records import security_groups, vrrp_ports
from networker.models import VIP, LoadBalancer


def run(
    tx: sqlite3.Connection, load_balancer: LoadBalancer, *, for_delete: bool
) -> None:
    """Bring the VIP's security group in line with the load balancer's listeners."""
    owner, vip = load_balancer.id or "", load_balancer.vip or VIP()
    wanted = rules.wanted(load_balancer, vip)
    if for_delete and security_groups.find(tx, naming.vip_device(owner)) is None:
        return
    security_groups.reconcile(tx, vrrp_ports.group_of(tx, owner), wanted)
