# SPDX-License-Identifier: Apache-2.0
"""Servers plugged into networks, and made ready for failover."""

from __future__ import annotations

import sqlite3

from networker import exceptions
from networker.drivers import naming
from networker.drivers.sandbox import addresses, groups, ports, records
from networker.models import Amphora, FixedIP, Interface, Port


def plug(
    tx: sqlite3.Connection, compute_id: str, network_id: str, ip_address: str | None
) -> Interface:
    """Do what :meth:`NetworkDriver.plug_network` says."""
    records.network(tx, network_id)
    server = records.server(tx, compute_id)
    address = addresses.canonical(ip_address) if ip_address else ""
    name = naming.member_port(compute_id)
    purpose = ("member", compute_id, network_id, address)
    mac, port = ports.made_for(tx, network_id, name, *purpose)
    port = port or _given(tx, compute_id, network_id, address)
    if port is None:
        port = Port(
            name=name,
            network_id=network_id,
            mac_address=mac,
            project_id=groups.SERVICE,
            fixed_ips=[FixedIP(ip_address=address or None)],
        )
        port = ports.add(tx, port)
    return _interface(ports.attach(tx, port, server))


def _given(
    tx: sqlite3.Connection, compute_id: str, network_id: str, address: str
) -> Port | None:
    """Return the server's port that was made with create_port, and given with plug_port.

    Its name tells the amphora, not the server.
    """
    ours = naming.member_port(compute_id)
    for port in ports.select(tx, device_id=compute_id, network_id=network_id):
        name, held = port.name or "", [f.ip_address for f in port.fixed_ips]
        given = name.startswith(naming.member_port("")) and name != ours
        if given and (not address or address in held):
            return port
    return None


def plug_port(tx: sqlite3.Connection, amphora: Amphora, port: Port) -> Interface:
    """Do what :meth:`NetworkDriver.plug_port` says."""
    server = records.server(tx, amphora.compute_id)
    interface = _interface(ports.attach(tx, ports.get(tx, port.id or ""), server))
    interface.amphora_id = amphora.id
    return interface


def unplug(
    tx: sqlite3.Connection, compute_id: str, network_id: str, ip_address: str | None
) -> None:
    """Do what :meth:`NetworkDriver.unplug_network` says."""
    found = ports.select(tx, device_id=compute_id, network_id=network_id)
    made = ports.select(tx, name=naming.member_port(compute_id), network_id=network_id)
    found += [port for port in made if not port.device_id]  # released for a failover
    if ip_address:
        address = addresses.canonical(ip_address)
        found = [p for p in found if address in [f.ip_address for f in p.fixed_ips]]
    ours = [port for port in found if (port.name or "").startswith(naming.OURS)]
    for port in ours:
        ports.delete(tx, port.id)
    if ours:
        return
    if found:
        raise exceptions.UnplugNetworkException(
            f"port {found[0].id} was not plugged through this interface",
            compute_id=compute_id,
            network_id=network_id,
            ip_address=ip_address,
        )
    records.network(tx, network_id)
    records.server(tx, compute_id)


def plugged(tx: sqlite3.Connection, compute_id: str) -> list[Interface]:
    """Do what :meth:`NetworkDriver.get_plugged_networks` says."""
    found = ports.select(tx, device_id=compute_id)
    if not found:
        records.server(tx, compute_id)
    return [_interface(port) for port in found]


def _interface(port: Port) -> Interface:
    return Interface(
        id=port.id,
        compute_id=port.device_id,
        network_id=port.network_id,
        subnet_id=port.fixed_ips[0].subnet_id if port.fixed_ips else None,
        port_id=port.id,
        fixed_ips=port.fixed_ips,
        vnic_type=port.vnic_type,
    )


def release(tx: sqlite3.Connection, amphora: Amphora) -> None:
    """Do what :meth:`NetworkDriver.failover_preparation` says."""
    found = ports.select(tx, device_id=amphora.compute_id)
    if not found:
        raise exceptions.PortNotFound(f"server {amphora.compute_id} has no port")
    management = addresses.canonical(amphora.lb_network_ip or "")
    for port in found:
        if management not in [fixed_ip.ip_address for fixed_ip in port.fixed_ips]:
            ports.release(tx, port.id)
