# SPDX-License-Identifier: Apache-2.0
"""The amphorae's ports on a VIP's subnet: unplugged."""

from __future__ import annotations

import sqlite3

from networker import exceptions
from networker.drivers import naming, rules
from networker.drivers.sandbox import (
    addresses,
    groups,
    lending,
    ports,
    records,
    vips,
)
from networker.drivers.sandbox.errors import missing
from networker.models import VIP, Amphora, LoadBalancer, Port, Subnet


def unplug(tx: sqlite3.Connection, load_balancer: LoadBalancer, vip: VIP) -> None:
    """Do what :meth:`NetworkDriver.unplug_vip` says."""
    if not (vip.subnet_id or vip.network_id):
        raise exceptions.InvalidRequest(
            "unplug_vip: vip names neither a subnet_id nor a network_id",
            method="unplug_vip",
        )
    known = _network_id(tx, vip)
    network_id = known or vip.network_id
    group_id = groups.find(tx, naming.vip_device(load_balancer.id or ""))
    found = [
        _unplug(tx, vip, network_id, amphora, group_id)
        for amphora in load_balancer.amphorae
    ]
    if not (any(found) or known):
        lost: dict[str, str | None] = {"load_balancer_id": load_balancer.id}
        lost["subnet_id"] = vip.subnet_id
        raise missing(exceptions.PluggedVIPNotFound, **lost)


def unplug_one(
    tx: sqlite3.Connection, vip: VIP, amphora: Amphora, subnet: Subnet
) -> None:
    """Do what :meth:`NetworkDriver.unplug_aap_port` says."""
    owner = vip.load_balancer_id or vips.owner_of(ports.select(tx, id=vip.port_id))
    group_id = groups.find(tx, naming.vip_device(owner)) if owner else None
    _unplug(tx, vip, subnet.network_id, amphora, group_id)


def _unplug(
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
        lending.give_back(tx, port, group_id)
    return bool(made or reused)


def _network_id(tx: sqlite3.Connection, vip: VIP) -> str | None:
    """Return the VIP's network; None if what the VIP names does not exist."""
    try:
        if vip.subnet_id:
            return records.subnet(tx, vip.subnet_id).network_id
        return records.network(tx, vip.network_id or "").id
    except exceptions.NotFound:
        return None


def _vrrp_ports(
    tx: sqlite3.Connection, network_id: str | None, amphora: Amphora
) -> list[Port]:
    found = []
    if amphora.id:
        name = naming.vrrp_port(amphora.id)
        mine = {"name": name, "project_id": groups.SERVICE}
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
