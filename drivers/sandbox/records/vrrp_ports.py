# SPDX-License-Identifier: Apache-2.0
"""The ports that amphorae have on a VIP's subnet."""

from __future__ import annotations

import sqlite3

import msgspec

from networker import exceptions
from networker.drivers import naming, rules
from networker.drivers.sandbox.records import (
    addresses,
    inventory,
    port_backup,
    ports,
    security_groups,
)
from networker.models import VIP, Amphora, FixedIP, Port


def group_of(tx: sqlite3.Connection, owner: str) -> str:
    """Return the id of a load balancer's security group.

    :raises MissingVIPSecurityGroup: there is none
    """
    group_id = security_groups.find(tx, naming.vip_device(owner))
    if group_id is None:
        raise exceptions.MissingVIPSecurityGroup(load_balancer_id=owner)
    return group_id


def plug(
    tx: sqlite3.Connection,
    owner: str,
    vip: VIP,
    amphora: Amphora,
    group_ids: list[str],
) -> Amphora:
    """Find or make an amphora's port, and put the VIP on it."""
    server = inventory.server(tx, amphora.compute_id)
    port = _vrrp_port(tx, owner, vip, amphora)
    port_id = port.id or ""
    port = ports.attach(tx, port, server)
    ports.set_groups(tx, port_id, group_ids)
    ports.set_allowed(tx, port_id, rules.addresses(vip))
    own = [f.ip_address for f in port.fixed_ips if f.subnet_id == vip.subnet_id]
    return msgspec.structs.replace(
        amphora,
        vrrp_ip=own[0],
        ha_ip=vip.ip_address,
        vrrp_port_id=port_id,
        ha_port_id=vip.port_id,
    )


def unplug(
    tx: sqlite3.Connection,
    vip: VIP,
    network_id: str | None,
    amphora: Amphora,
    group_id: str | None,
) -> bool:
    """Unplug one amphora, and tell whether there was anything to unplug."""
    made = _vrrp_ports(tx, network_id, amphora)
    for port in made:
        ports.delete(tx, port.id)
    reused = _reused(tx, vip, network_id, amphora, group_id)
    for port in reused:
        ports.set_allowed(tx, port.id or "", [])
        port_backup.restore(tx, port, group_id)
    return bool(made or reused)


def _vrrp_port(tx: sqlite3.Connection, owner: str, vip: VIP, amphora: Amphora) -> Port:
    network_id, amphora_id = vip.network_id or "", amphora.id or ""
    name = naming.vrrp_port(amphora_id)
    purpose = ("vrrp", owner, amphora_id, network_id)
    mac, port = ports.made_for(tx, network_id, name, *purpose)
    port = port or _made(tx, network_id, name) or _plugged(tx, network_id, amphora)
    wanted = FixedIP(subnet_id=vip.subnet_id)
    if port is None:
        port = Port(
            name=name,
            network_id=network_id,
            mac_address=mac,
            project_id=security_groups.SERVICE,
            fixed_ips=[wanted],
        )
        return ports.add(tx, port)
    port_backup.save(tx, port)
    if all(held.subnet_id != vip.subnet_id for held in port.fixed_ips):
        addresses.take(tx, port.id or "", network_id, wanted)
    return port


def _made(tx: sqlite3.Connection, network_id: str, name: str) -> Port | None:
    """Return the port of that name which the service made in another way."""
    mine = {
        "network_id": network_id,
        "name": name,
        "project_id": security_groups.SERVICE,
    }
    return next(iter(ports.select(tx, **mine)), None)


def _plugged(tx: sqlite3.Connection, network_id: str, amphora: Amphora) -> Port | None:
    """Return a port that the amphora has on the network, but for the management's."""
    management = amphora.lb_network_ip and addresses.canonical(amphora.lb_network_ip)
    for port in ports.select(tx, network_id=network_id, device_id=amphora.compute_id):
        # While the management address is not known, any other port could be its.
        known = management or (port.name or "").startswith(naming.OURS)
        if known and management not in [f.ip_address for f in port.fixed_ips]:
            return port
    return None


def _vrrp_ports(
    tx: sqlite3.Connection, network_id: str | None, amphora: Amphora
) -> list[Port]:
    found = []
    if amphora.id:
        name = naming.vrrp_port(amphora.id)
        mine = {"name": name, "project_id": security_groups.SERVICE}
        found = ports.select(tx, network_id=network_id, **mine)
    if amphora.vrrp_port_id:
        found += ports.select(tx, id=amphora.vrrp_port_id)
    if amphora.compute_id and network_id:
        # One that was a member's first has the server's name.
        place = {"network_id": network_id, "device_id": amphora.compute_id}
        found += ports.select(tx, **place)
    return [port for port in found if (port.name or "").startswith(naming.VRRP)]


def _reused(
    tx: sqlite3.Connection,
    vip: VIP,
    network_id: str | None,
    amphora: Amphora,
    group_id: str | None,
) -> list[Port]:
    """Return ports that the amphora had on the network before the VIP was plugged."""
    if not amphora.compute_id:
        return []
    sent = set(map(addresses.canonical, rules.addresses(vip)))
    plugged = ports.select(tx, network_id=network_id, device_id=amphora.compute_id)
    return [
        port
        for port in plugged
        if group_id in port.security_group_ids or sent & {*port.allowed_addresses}
    ]
