# SPDX-License-Identifier: Apache-2.0
"""Ports that are VIPs: what they tell of the VIP, and whose it is."""

from __future__ import annotations

import sqlite3

from networker import exceptions
from networker.drivers import naming
from networker.drivers import vip as vips
from networker.drivers.sandbox.errors import Rejected
from networker.drivers.sandbox.records import security_groups
from networker.models import VIP, Port


def describe(vip: VIP, port: Port, load_balancer_id: str) -> VIP:
    """Return a VIP with everything that its port tells filled in.

    :raises Rejected: the port is not what the VIP names
    """
    described = vips.describe(vip, port, load_balancer_id)
    if described is None:
        raise Rejected(vips.misfit(vip, port), None)
    return described


def refuse_others(tx: sqlite3.Connection, port: Port, owner: str) -> None:
    """Refuse a port for a load balancer's VIP that another one uses.

    :raises VIPInUse: another load balancer uses it
    """
    name, device = port.name or "", port.device_id or ""
    if port.device_owner == naming.OWNER and device:
        user = naming.owner_of(device) or device
    elif name.startswith(naming.OURS):
        user = "" if name == naming.vip_port(owner) else name
    else:
        held = [
            security_groups.name_of(tx, group_id)
            for group_id in port.security_group_ids
        ]
        named = {one for one in held if one.startswith(naming.DEVICE)}
        user = naming.owner_of(min(named - {naming.vip_device(owner)}, default=""))
    if user not in ("", owner):
        raise exceptions.VIPInUse(
            load_balancer_id=owner,
            ip_address=port.fixed_ips[0].ip_address if port.fixed_ips else None,
            port_id=port.id,
            orig_msg=f"port {port.id} is used by another load balancer: {user}",
        )


def owner_of(vip_ports: list[Port]) -> str:
    """Return the load balancer that a VIP's port says it belongs to, or nothing."""
    owners = (naming.owner_of(port.device_id or "") for port in vip_ports)
    return next(filter(None, owners), "")
