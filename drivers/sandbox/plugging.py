# SPDX-License-Identifier: Apache-2.0
"""The amphorae's ports on a VIP's subnet, and the security group of them all: made."""

from __future__ import annotations

import sqlite3

import msgspec

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
from networker.drivers.sandbox.errors import Refused
from networker.drivers.vip import allocated, is_deleted
from networker.models import VIP, Amphora, FixedIP, LoadBalancer, Port, Subnet


def plug(
    tx: sqlite3.Connection, load_balancer: LoadBalancer, vip: VIP
) -> list[Amphora]:
    """Do what :meth:`NetworkDriver.plug_vip` says."""
    amphorae = allocated(load_balancer)
    rules.wanted(load_balancer, vip)
    owner = load_balancer.id or ""
    vip = vips.describe(vip, ports.get(tx, vip.port_id or ""), owner)
    group_ids = [secure(tx, load_balancer, vip), *vip.sg_ids]
    return [_plug(tx, owner, vip, amphora, group_ids) for amphora in amphorae]


def secure(tx: sqlite3.Connection, load_balancer: LoadBalancer, vip: VIP) -> str:
    """Do what :meth:`NetworkDriver.update_vip_sg` says."""
    owner, port_id = load_balancer.id or "", vip.port_id or ""
    rules.wanted(load_balancer, vip)
    port = ports.get(tx, port_id)
    vip = vips.describe(vip, port, owner)
    vips.refuse_others(tx, port, owner)
    name = naming.vip_device(owner)
    group_id = groups.find(tx, name) or groups.add(tx, name)
    groups.reconcile(tx, group_id, rules.wanted(load_balancer, vip))
    lending.lend(tx, port)
    ports.set_groups(tx, port_id, [group_id, *vip.sg_ids])
    return group_id


def plug_one(
    tx: sqlite3.Connection,
    load_balancer: LoadBalancer,
    vip: VIP,
    amphora: Amphora,
    subnet: Subnet,
) -> Amphora:
    """Do what :meth:`NetworkDriver.plug_aap_port` says."""
    place = records.subnet(tx, subnet.id or "")
    if place.network_id != subnet.network_id:
        raise Refused(f"subnet {place.id} is not on network {subnet.network_id}")
    owner = load_balancer.id or ""
    group_ids = [_group(tx, owner), *vip.sg_ids]
    vip = msgspec.structs.replace(vip, subnet_id=place.id, network_id=place.network_id)
    return _plug(tx, owner, vip, amphora, group_ids)


def secure_one(
    tx: sqlite3.Connection, load_balancer: LoadBalancer, vip: VIP, amphora: Amphora
) -> None:
    """Do what :meth:`NetworkDriver.update_aap_port_sg` says."""
    if is_deleted(amphora):
        return
    port = ports.get(tx, amphora.vrrp_port_id or "")
    group_ids = [_group(tx, load_balancer.id or ""), *vip.sg_ids]
    lending.lend(tx, port)
    ports.set_groups(tx, port.id or "", group_ids)


def update(
    tx: sqlite3.Connection, load_balancer: LoadBalancer, vip: VIP, for_delete: bool
) -> None:
    """Do what :meth:`NetworkDriver.update_vip` says."""
    owner = load_balancer.id or ""
    wanted = rules.wanted(load_balancer, vip)
    if for_delete and groups.find(tx, naming.vip_device(owner)) is None:
        return
    groups.reconcile(tx, _group(tx, owner), wanted)


def _group(tx: sqlite3.Connection, owner: str) -> str:
    group_id = groups.find(tx, naming.vip_device(owner))
    if group_id is None:
        raise exceptions.MissingVIPSecurityGroup(load_balancer_id=owner)
    return group_id


def _plug(
    tx: sqlite3.Connection,
    owner: str,
    vip: VIP,
    amphora: Amphora,
    group_ids: list[str],
) -> Amphora:
    server = records.server(tx, amphora.compute_id)
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
            project_id=groups.SERVICE,
            fixed_ips=[wanted],
        )
        return ports.add(tx, port)
    lending.lend(tx, port)
    if all(held.subnet_id != vip.subnet_id for held in port.fixed_ips):
        addresses.take(tx, port.id or "", network_id, wanted)
    return port


def _made(tx: sqlite3.Connection, network_id: str, name: str) -> Port | None:
    """Return the port of that name which the service made in another way."""
    mine = {"network_id": network_id, "name": name, "project_id": groups.SERVICE}
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
