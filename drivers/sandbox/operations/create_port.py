# SPDX-License-Identifier: Apache-2.0
"""Create a port of the service's own project."""

from __future__ import annotations

import sqlite3

import msgspec

from networker.context import current_operation_id
from networker.drivers import naming
from networker.drivers import vip as vips
from networker.drivers.sandbox.errors import Rejected
from networker.drivers.sandbox.records import inventory, ports, security_groups
from networker.models import FixedIP, Port


def run(tx: sqlite3.Connection, wanted: Port) -> Port:
    """Create a port of the service's own project, or find it.

    :param wanted: what the port shall be
    """
    network_id, name = (
        inventory.network(tx, wanted.network_id or "").id or "",
        wanted.name,
    )
    if not all(place.subnet_id or place.ip_address for place in wanted.fixed_ips):
        raise Rejected("a fixed IP names neither a subnet_id nor an ip_address")
    group_ids = wanted.security_group_ids or [security_groups.default(tx)]
    purpose = ("port", name or current_operation_id(), network_id)
    mac, made = ports.made_for(tx, network_id, name or "", *purpose)
    if made is None:
        new = msgspec.structs.replace(
            wanted,
            project_id=security_groups.SERVICE,
            device_owner=naming.OWNER,
            mac_address=mac,
            fixed_ips=wanted.fixed_ips or [FixedIP()],
            security_group_ids=group_ids,
        )
        return ports.add(tx, new)
    port_id = made.id or ""
    if vips.assign(wanted.fixed_ips, made.fixed_ips) is None:
        raise Rejected(f"port {port_id} was made for it with other addresses", 409)
    ports.set_groups(tx, port_id, group_ids)
    ports.set_allowed(tx, port_id, wanted.allowed_addresses)
    ports.set_policy(tx, port_id, wanted.qos_policy_id)
    return ports.get(tx, port_id)
