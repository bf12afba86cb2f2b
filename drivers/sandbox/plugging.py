# SPDX-License-Identifier: Apache-2.0
"""The amphorae's ports on a VIP's subnet, and the security group of them all."""

from __future__ import annotations

import sqlite3

import msgspec

from networker import exceptions
from networker.drivers import naming, rules
from networker.drivers.sandbox import addresses, groups, ports, records, vips
from networker.drivers.vip import allocated
from networker.models import VIP, Amphora, FixedIP, LoadBalancer, Port


def plug(
    tx: sqlite3.Connection, load_balancer: LoadBalancer, vip: VIP
) -> list[Amphora]:
    """Do what :meth:`NetworkDriver.plug_vip` says."""
    amphorae = allocated(load_balancer)
    owner = load_balancer.id or ""
    vip = vips.describe(vip, ports.get(tx, vip.port_id or ""), owner)
    name = naming.vip_device(owner)
    group_id = groups.find(tx, name) or groups.add(tx, name)
    groups.reconcile(tx, group_id, rules.wanted(load_balancer, vip))
    group_ids = [group_id, *vip.sg_ids]
    ports.set_groups(tx, vip.port_id or "", group_ids)
    return [_plug(tx, owner, vip, amphora, group_ids) for amphora in amphorae]


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
    port = port or _plugged(tx, network_id, amphora)
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
    if all(held.subnet_id != vip.subnet_id for held in port.fixed_ips):
        addresses.take(tx, port.id or "", network_id, wanted)
    return port


def _plugged(tx: sqlite3.Connection, network_id: str, amphora: Amphora) -> Port | None:
    """Return a port that the amphora has on the network, but for the management's."""
    management = amphora.lb_network_ip and addresses.canonical(amphora.lb_network_ip)
    for port in ports.select(tx, network_id=network_id, device_id=amphora.compute_id):
        # While the management address is not known, any other port could be its.
        known = management or (port.name or "").startswith(naming.OURS)
        if known and management not in [f.ip_address for f in port.fixed_ips]:
            return port
    return None


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
    found = False
    for amphora in load_balancer.amphorae:
        for port in _vrrp_ports(tx, network_id, amphora):
            ports.delete(tx, port.id)
            found = True
        for port in _reused(tx, network_id, amphora, group_id):
            ports.set_groups(
                tx, port.id or "", [g for g in port.security_group_ids if g != group_id]
            )
            ports.set_allowed(tx, port.id or "", [])
            found = True
    if not (found or known):
        raise exceptions.PluggedVIPNotFound(
            load_balancer_id=load_balancer.id, subnet_id=vip.subnet_id
        )


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
        found = ports.select(tx, name=name, network_id=network_id)
    if amphora.vrrp_port_id:
        known = ports.select(tx, id=amphora.vrrp_port_id)
        found += [p for p in known if (p.name or "").startswith(naming.VRRP)]
    return found


def _reused(
    tx: sqlite3.Connection,
    network_id: str | None,
    amphora: Amphora,
    group_id: str | None,
) -> list[Port]:
    """Return ports that the amphora had on the network before the VIP was plugged."""
    if not (amphora.compute_id and group_id):
        return []
    plugged = ports.select(tx, network_id=network_id, device_id=amphora.compute_id)
    return [port for port in plugged if group_id in port.security_group_ids]


def update(tx: sqlite3.Connection, load_balancer: LoadBalancer, vip: VIP) -> None:
    """Do what :meth:`NetworkDriver.update_vip` says."""
    group_id = groups.find(tx, naming.vip_device(load_balancer.id or ""))
    if group_id is None:
        raise exceptions.PluggedVIPNotFound(load_balancer_id=load_balancer.id)
    groups.reconcile(tx, group_id, rules.wanted(load_balancer, vip))
