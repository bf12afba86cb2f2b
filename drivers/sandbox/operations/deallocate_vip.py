# SPDX-License-Identifier: Apache-2.0
"""Remove everything that reserves a virtual IP."""

from __future__ import annotations

import sqlite3

from networker import exceptions
from networker.drivers import naming
from networker.drivers.sandbox.errors import Rejected
from networker.drivers.sandbox.records import (
    port_backup,
    ports,
    security_groups,
    vip_ports,
)
from networker.models import VIP, Port


def run(tx: sqlite3.Connection, vip: VIP) -> None:
    """Remove everything that reserves a virtual IP."""
    port_id, owner = (vip.port_id or "").strip(), (vip.load_balancer_id or "").strip()
    if not (port_id or owner):
        raise exceptions.VIPConfigurationNotFound
    given = [port] if (port := ports.find(tx, port_id)) else []
    owner = owner or vip_ports.owner_of(given) or _carried(tx, given)
    device = naming.vip_device(owner)
    _check_free(given + ports.select(tx, name=naming.vip_port(owner)), owner)
    made = [port for port in given if port.device_owner == naming.OWNER]
    for port in made:
        if vip_ports.owner_of([port]) not in ("", owner):
            text = f"port {port.id} reserves the VIP of another load balancer: "
            raise Rejected(f"{text}{port.device_id}", None)
    _remove_groups(tx, device)
    for port in made + ports.select(tx, device_id=device, device_owner=naming.OWNER):
        ports.delete(tx, port.id)


def _carried(tx: sqlite3.Connection, vip_ports: list[Port]) -> str:
    """Return the load balancer whose VIP a user's port carries, or nothing."""
    held = [one for port in vip_ports for one in port.security_group_ids]
    owners = (
        naming.owner_of(security_groups.name_of(tx, group_id)) for group_id in held
    )
    return next(filter(None, owners), "")


def _check_free(vip_ports: list[Port], owner: str) -> None:
    for port in vip_ports:
        ours = (port.name or "").startswith(naming.OURS)
        if ours and (port.device_owner or "").startswith("compute:"):
            raise exceptions.VIPInUse(
                ip_address=port.fixed_ips[0].ip_address if port.fixed_ips else None,
                load_balancer_id=owner or None,
                port_id=port.id,
                orig_msg=f"port {port.id} is attached to server {port.device_id}",
                orig_code=409,
            )


def _remove_groups(tx: sqlite3.Connection, name: str) -> None:
    while group_id := security_groups.find(tx, name):
        for port in ports.with_group(tx, group_id):
            if (port.name or "").startswith(naming.VRRP):
                ports.delete(tx, port.id)
            else:
                port_backup.restore(tx, port, group_id)
        security_groups.delete(tx, group_id)
