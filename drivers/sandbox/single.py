# SPDX-License-Identifier: Apache-2.0
"""Ports made, changed and deleted one by one."""

from __future__ import annotations

import sqlite3

import msgspec

from networker.context import current_operation_id
from networker.drivers import naming
from networker.drivers import vip as vips
from networker.drivers.sandbox import addresses, groups, ports, records
from networker.drivers.sandbox.errors import Refused
from networker.models import FixedIP, Port

#: What the owners of ports begin with that routers hold on to.
_ROUTED = ("network:router_", "network:floatingip")


def create(tx: sqlite3.Connection, wanted: Port) -> Port:
    """Do what :meth:`NetworkDriver.create_port` says.

    :param wanted: what the port shall be
    """
    network_id, name = (
        records.network(tx, wanted.network_id or "").id or "",
        wanted.name,
    )
    if not all(place.subnet_id or place.ip_address for place in wanted.fixed_ips):
        raise Refused("a fixed IP names neither a subnet_id nor an ip_address")
    group_ids = wanted.security_group_ids or [groups.default(tx)]
    purpose = ("port", name or current_operation_id(), network_id)
    mac, made = ports.made_for(tx, network_id, name or "", *purpose)
    if made is None:
        new = msgspec.structs.replace(
            wanted,
            project_id=groups.SERVICE,
            device_owner=naming.OWNER,
            mac_address=mac,
            fixed_ips=wanted.fixed_ips or [FixedIP()],
            security_group_ids=group_ids,
        )
        return ports.add(tx, new)
    port_id = made.id or ""
    if vips.assign(wanted.fixed_ips, made.fixed_ips) is None:
        raise Refused(f"port {port_id} was made for it with other addresses", 409)
    ports.set_groups(tx, port_id, group_ids)
    ports.set_allowed(tx, port_id, wanted.allowed_addresses)
    ports.set_policy(tx, port_id, wanted.qos_policy_id)
    return ports.get(tx, port_id)


def delete(tx: sqlite3.Connection, port_id: str) -> None:
    """Do what :meth:`NetworkDriver.delete_port` says."""
    port = ports.find(tx, port_id)
    if port is not None and (port.device_owner or "").startswith(_ROUTED):
        raise Refused(f"port {port_id} has owner {port.device_owner}", 409)
    ports.delete(tx, port_id)


def add_address(
    tx: sqlite3.Connection, port_id: str, subnet_id: str, ip_address: str | None
) -> Port:
    """Do what :meth:`NetworkDriver.plug_fixed_ip` says."""
    port = ports.get(tx, port_id)
    address = addresses.canonical(ip_address) if ip_address else None
    held = [f.ip_address for f in port.fixed_ips if f.subnet_id == subnet_id]
    if address not in held if address else not held:
        wanted = FixedIP(subnet_id=subnet_id, ip_address=address)
        addresses.take(tx, port_id, port.network_id or "", wanted)
    return ports.get(tx, port_id)


def remove_addresses(tx: sqlite3.Connection, port_id: str, subnet_id: str) -> Port:
    """Do what :meth:`NetworkDriver.unplug_fixed_ip` says."""
    ports.get(tx, port_id)
    addresses.release(tx, port_id, subnet_id)
    return ports.get(tx, port_id)


def set_admin_state(tx: sqlite3.Connection, port_id: str, up: bool) -> None:
    """Do what :meth:`NetworkDriver.set_port_admin_state_up` says."""
    ports.get(tx, port_id)
    ports.set_admin_state(tx, port_id, up)


def set_policy(tx: sqlite3.Connection, port_id: str, policy_id: str | None) -> None:
    """Do what :meth:`NetworkDriver.apply_qos_on_port` says."""
    ports.get(tx, port_id)
    if policy_id:
        records.qos_policy(tx, policy_id)
    ports.set_policy(tx, port_id, policy_id)
