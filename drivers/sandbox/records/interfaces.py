# SPDX-License-Identifier: Apache-2.0
"""Connect servers to networks, and disconnect them."""

from __future__ import annotations

import sqlite3

from networker.drivers import naming
from networker.drivers.delta import AddressChange, NewInterface, OldInterface
from networker.drivers.sandbox.errors import Rejected
from networker.drivers.sandbox.records import (
    addresses,
    inventory,
    ports,
    security_groups,
)
from networker.models import FixedIP, Interface, Port


def plug(tx: sqlite3.Connection, new: NewInterface) -> Interface:
    """Connect a server to a network, by the port that is there for it or a new one."""
    compute_id, network_id = new.compute_id, new.network_id
    inventory.network(tx, network_id)
    server = inventory.server(tx, compute_id)
    address = addresses.canonical(new.address) if new.address else ""
    name = naming.member_port(compute_id)
    purpose = ("member", compute_id, network_id, address)
    mac, port = ports.made_for(tx, network_id, name, *purpose)
    port = port or _given(tx, compute_id, network_id, address)
    if port is None:
        port = Port(
            name=name,
            network_id=network_id,
            mac_address=mac,
            project_id=security_groups.SERVICE,
            fixed_ips=[*new.fixed_ips] or [FixedIP()],
            vnic_type=new.vnic_type,
        )
        port = ports.add(tx, port)
    for subnet_id in filter(None, (wanted.subnet_id for wanted in new.fixed_ips)):
        # It was made for a call that wanted other subnets.
        port = ports.add_address(tx, port.id or "", subnet_id, None)
    return shown(ports.attach(tx, port, server))


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


def readdress(tx: sqlite3.Connection, change: AddressChange) -> Interface:
    """Give a port of a server addresses, and take others from it."""
    ports.get(tx, change.port_id)
    for subnet_id in change.lost:
        ports.remove_addresses(tx, change.port_id, subnet_id)
    for subnet_id in change.gained:
        ports.add_address(tx, change.port_id, subnet_id, None)
    interface = shown(ports.get(tx, change.port_id))
    interface.compute_id = change.compute_id
    return interface


def unplug(tx: sqlite3.Connection, gone: OldInterface) -> None:
    """Disconnect a server, or make sure that server and network exist."""
    compute_id, network_id = gone.compute_id, gone.network_id
    found = ports.select(tx, device_id=compute_id, network_id=network_id)
    for owner in filter(None, (compute_id, gone.amphora_id)):
        made = ports.select(tx, name=naming.member_port(owner), network_id=network_id)
        # Without a device: released for a failover.
        found += [port for port in made if not port.device_id]
    if gone.port_id:
        found = [port for port in found if port.id == gone.port_id]
    if gone.address:
        address = addresses.canonical(gone.address)
        found = [p for p in found if address in [f.ip_address for f in p.fixed_ips]]
    ours = [port for port in found if (port.name or "").startswith(naming.MEMBER)]
    for port in ours:
        if _carries(tx, port):
            # It goes when the VIP is unplugged.
            ports.rename(tx, port.id, naming.vrrp_port(compute_id))
        else:
            ports.delete(tx, port.id)
    if ours:
        return
    others = [port for port in found if _is_others(gone, port)]
    if others:
        raise Rejected(
            f"port {others[0].id} was not plugged through this interface", None
        )
    inventory.network(tx, network_id)
    inventory.server(tx, compute_id)


def _carries(tx: sqlite3.Connection, port: Port) -> bool:
    """Tell whether an amphora has its VIP on a port."""
    names = [
        security_groups.name_of(tx, group_id) for group_id in port.security_group_ids
    ]
    in_group = any(name.startswith(naming.DEVICE) for name in names)
    return bool(port.allowed_addresses) and in_group


def _is_others(gone: OldInterface, port: Port) -> bool:
    """Tell whether a port is meant that no call about members may touch."""
    was_members = port.name == naming.vrrp_port(gone.compute_id)
    vrrp = (port.name or "").startswith(naming.VRRP)
    return not vrrp or (gone.is_named and not was_members)


def shown(port: Port) -> Interface:
    """Return a port as the interface of a server that it is."""
    return Interface(
        id=port.id,
        compute_id=port.device_id,
        network_id=port.network_id,
        subnet_id=port.fixed_ips[0].subnet_id if port.fixed_ips else None,
        port_id=port.id,
        fixed_ips=port.fixed_ips,
        vnic_type=port.vnic_type,
    )
