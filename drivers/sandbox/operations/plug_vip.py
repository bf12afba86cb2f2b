# SPDX-License-Identifier: Apache-2.0
"""Route the traffic of a VIP to the load balancer's amphorae."""

from __future__ import annotations

import sqlite3

from networker.drivers import rules
from networker.drivers.sandbox.operations import update_vip_sg
from networker.drivers.sandbox.records import ports, vip_ports, vrrp_ports
from networker.drivers.vip import allocated
from networker.models import VIP, Amphora, LoadBalancer


def run(tx: sqlite3.Connection, load_balancer: LoadBalancer, vip: VIP) -> list[Amphora]:
    """Route the traffic of a VIP to the load balancer's amphorae."""
    amphorae = allocated(load_balancer)
    rules.wanted(load_balancer, vip)
    owner = load_balancer.id or ""
    vip = vip_ports.describe(vip, ports.get(tx, vip.port_id or ""), owner)
    group_ids = [update_vip_sg.run(tx, load_balancer, vip), *vip.sg_ids]
    return [vrrp_ports.plug(tx, owner, vip, amphora, group_ids) for amphora in amphorae]
