# SPDX-License-Identifier: Apache-2.0
"""Stop routing the traffic of a VIP to the load balancer's amphorae."""

from __future__ import annotations

import sqlite3

from networker import exceptions
from networker.drivers import naming
from networker.drivers.sandbox.errors import missing
from networker.drivers.sandbox.records import inventory, security_groups, vrrp_ports
from networker.models import VIP, LoadBalancer


def run(tx: sqlite3.Connection, load_balancer: LoadBalancer, vip: VIP) -> None:
    """Stop routing the traffic of a VIP to the load balancer's amphorae."""
    if not (vip.subnet_id or vip.network_id):
        raise exceptions.InvalidRequest(
            "unplug_vip: vip names neither a subnet_id nor a network_id",
            method="unplug_vip",
        )
    known = _network_id(tx, vip)
    network_id = known or vip.network_id
    group_id = security_groups.find(tx, naming.vip_device(load_balancer.id or ""))
    found = [
        vrrp_ports.unplug(tx, vip, network_id, amphora, group_id)
        for amphora in load_balancer.amphorae
    ]
    if not (any(found) or known):
        lost: dict[str, str | None] = {"load_balancer_id": load_balancer.id}
        lost["subnet_id"] = vip.subnet_id
        raise missing(exceptions.PluggedVIPNotFound, **lost)


def _network_id(tx: sqlite3.Connection, vip: VIP) -> str | None:
    """Return the VIP's network; None if what the VIP names does not exist."""
    try:
        if vip.subnet_id:
            return inventory.subnet(tx, vip.subnet_id).network_id
        return inventory.network(tx, vip.network_id or "").id
    except exceptions.NotFound:
        return None
