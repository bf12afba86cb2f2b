# SPDX-License-Identifier: Apache-2.0
"""Save what a port was before a VIP was put on it, and restore it."""

from __future__ import annotations

import sqlite3

import msgspec

from networker.drivers import naming
from networker.drivers.sandbox.records import addresses, ports, security_groups
from networker.models import Port


class Before(msgspec.Struct):
    """What a port was before it was lent.

    :param groups: ids of its security groups
    :param allowed: what it might send from
    :param subnets: ids of the subnets on which it had addresses
    """

    groups: list[str]
    allowed: list[str]
    subnets: list[str]


def save(tx: sqlite3.Connection, port: Port) -> None:
    """Keep what a port is, unless it was made for a VIP or is lent already."""
    made = (port.name or "").startswith(naming.VRRP)
    if made or port.device_owner == naming.OWNER:
        return
    before = Before(
        groups=port.security_group_ids,
        allowed=port.allowed_addresses,
        subnets=[fixed_ip.subnet_id or "" for fixed_ip in port.fixed_ips],
    )
    row = (port.id, msgspec.json.encode(before).decode())
    tx.execute("INSERT OR IGNORE INTO lent_ports VALUES (?, ?)", row)


def restore(tx: sqlite3.Connection, port: Port, group_id: str | None) -> None:
    """Make a port what it was, or take it out of a load balancer's group at least."""
    port_id = port.id or ""
    row = tx.execute(
        "SELECT before FROM lent_ports WHERE port_id = ?", (port_id,)
    ).fetchone()
    if row is None:
        kept = [one for one in port.security_group_ids if one != group_id]
        ports.set_groups(tx, port_id, kept)
        return
    before = msgspec.json.decode(row[0], type=Before)
    there = [one for one in before.groups if security_groups.shown(tx, one)]
    ports.set_groups(tx, port_id, there)
    ports.set_allowed(tx, port_id, before.allowed)
    for fixed_ip in port.fixed_ips:
        if fixed_ip.subnet_id not in before.subnets:
            addresses.release(tx, port_id, fixed_ip.subnet_id or "")
    tx.execute("DELETE FROM lent_ports WHERE port_id = ?", (port_id,))
