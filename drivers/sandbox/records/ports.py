# SPDX-License-Identifier: Apache-2.0
"""The ports of a sandbox: found, made, changed, attached to servers, and removed."""

from __future__ import annotations

import itertools
import sqlite3
import uuid
from collections.abc import Iterable

import msgspec

from networker import exceptions
from networker.drivers import naming
from networker.drivers.sandbox.errors import Rejected, missing
from networker.drivers.sandbox.records import addresses, inventory
from networker.drivers.sandbox.records.inventory import ServerRecord
from networker.models import FixedIP, Port

#: ``device_owner`` of a port that a server has.
ATTACHED = "compute:nova"
#: What Neutron lets ``vnic_type`` be (API v2, ``binding:vnic_type``).
_VNIC_TYPES = {
    "accelerator-direct",
    "accelerator-direct-physical",
    "baremetal",
    "direct",
    "direct-physical",
    "macvtap",
    "normal",
    "remote-managed",
    "smart-nic",
    "vdpa",
    "virtio-forwarder",
}


def select(tx: sqlite3.Connection, **equal: str | None) -> list[Port]:
    """Return the ports whose columns have these values, oldest first."""
    where = " AND ".join(f"{column} = :{column}" for column in equal) or "true"
    # The names of columns come from code, the values are bound.
    statement = f"SELECT * FROM ports WHERE {where} ORDER BY rowid"  # noqa: S608
    return [_port(tx, row) for row in tx.execute(statement, equal).fetchall()]


def find(tx: sqlite3.Connection, port_id: str) -> Port | None:
    """Return a port, or None if it does not exist."""
    found = select(tx, id=port_id)
    return found[0] if found else None


def get(tx: sqlite3.Connection, port_id: str) -> Port:
    """Return a port.

    :raises PortNotFound: it does not exist
    """
    port = find(tx, port_id)
    if port is None:
        raise missing(exceptions.PortNotFound, port_id=port_id)
    return port


def with_group(tx: sqlite3.Connection, group_id: str) -> list[Port]:
    """Return the ports that have a security group."""
    rows = tx.execute(
        "SELECT ports.* FROM ports JOIN port_security_groups ON port_id = ports.id "
        "WHERE security_group_id = ?",
        (group_id,),
    )
    return [_port(tx, row) for row in rows.fetchall()]


def _port(tx: sqlite3.Connection, row: sqlite3.Row) -> Port:
    fixed_ips = tx.execute(
        "SELECT subnet_id, address AS ip_address FROM fixed_ips "
        "WHERE port_id = ? ORDER BY rowid",
        (row["id"],),
    )
    groups = tx.execute(
        "SELECT security_group_id FROM port_security_groups "
        "WHERE port_id = ? ORDER BY rowid",
        (row["id"],),
    )
    allowed = tx.execute(
        "SELECT address FROM allowed_addresses WHERE port_id = ? ORDER BY rowid",
        (row["id"],),
    )
    lists = {
        "fixed_ips": [dict(fixed_ip) for fixed_ip in fixed_ips],
        "security_group_ids": [group[0] for group in groups],
        "allowed_addresses": [address[0] for address in allowed],
    }
    return msgspec.convert({**row, **lists}, Port, strict=False)


def made_for(
    tx: sqlite3.Connection, network_id: str, name: str, *purpose: str
) -> tuple[str, Port | None]:
    """Return the MAC address for a purpose, and the port that has it, if it was made.

    A stranger may have the address already: then the purpose gets another one.
    """
    for salt in itertools.count():
        salted = (*purpose, str(salt)) if salt else purpose
        mac = naming.mac_address(naming.MAC_PREFIX, *salted)
        found = select(tx, network_id=network_id, mac_address=mac)
        if not found:
            return mac, None
        if found[0].name == name:
            break
    return mac, found[0]


def add(tx: sqlite3.Connection, port: Port) -> Port:
    """Make a port.

    :param port: what it shall be; its fixed IPs name subnets, addresses, both or neither
    :returns: what it is
    :raises SubnetNotFound: a subnet does not exist
    :raises Rejected: an address, subnet, security group, QoS policy, MAC address or VNIC
        type does not fit
    :raises AddressInUse: another port holds a wanted address
    :raises NoMoreAddresses: a subnet has none left
    """
    port_id = port.id or str(uuid.uuid4())
    network_id = port.network_id or ""
    _insert(tx, port_id, port)
    # Addresses that are named come first, lest they are given to those that are not.
    for fixed_ip in sorted(port.fixed_ips, key=lambda f: not f.ip_address):
        addresses.take(tx, port_id, network_id, fixed_ip)
    set_groups(tx, port_id, port.security_group_ids)
    set_allowed(tx, port_id, port.allowed_addresses)
    set_policy(tx, port_id, port.qos_policy_id)
    return get(tx, port_id)


def _insert(tx: sqlite3.Connection, port_id: str, port: Port) -> None:
    if port.vnic_type not in _VNIC_TYPES:
        raise Rejected(f"vnic_type {port.vnic_type} is not in valid_values.")
    row = (
        port_id,
        port.network_id,
        port.name or "",
        port.project_id,
        port.mac_address,
        port.device_id or "",
        port.device_owner or "",
        port.status or "DOWN",
        port.admin_state_up is not False,
        port.vnic_type,
    )
    try:
        tx.execute(
            "INSERT INTO ports (id, network_id, name, project_id, mac_address, "
            "device_id, device_owner, status, admin_state_up, vnic_type)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
    except sqlite3.IntegrityError as error:
        raise Rejected(f"port {port_id}: {error}", 409) from error


def rename(tx: sqlite3.Connection, port_id: str | None, name: str) -> None:
    """Give a port another name."""
    tx.execute("UPDATE ports SET name = ? WHERE id = ?", (name, port_id))


def set_groups(tx: sqlite3.Connection, port_id: str, group_ids: Iterable[str]) -> None:
    """Replace a port's security security_groups.

    :raises Rejected: one does not exist
    """
    tx.execute("DELETE FROM port_security_groups WHERE port_id = ?", (port_id,))
    for group_id in dict.fromkeys(group_ids):
        known = "SELECT 1 FROM security_groups WHERE id = ?"
        if not tx.execute(known, (group_id,)).fetchone():
            raise Rejected(f"security group {group_id} does not exist", 404)
        row = (port_id, group_id)
        tx.execute("INSERT INTO port_security_groups VALUES (?, ?)", row)


def set_allowed(tx: sqlite3.Connection, port_id: str, allowed: Iterable[str]) -> None:
    """Replace the addresses that a port may send from besides its own.

    :raises Rejected: one is no address
    """
    tx.execute("DELETE FROM allowed_addresses WHERE port_id = ?", (port_id,))
    for address in dict.fromkeys(map(addresses.canonical, allowed)):
        row = (port_id, address)
        tx.execute("INSERT INTO allowed_addresses VALUES (?, ?)", row)


def set_policy(tx: sqlite3.Connection, port_id: str, policy_id: str | None) -> None:
    """Set a port's QoS policy, or take it away.

    :raises Rejected: it does not exist
    """
    try:
        policy = inventory.qos_policy(tx, policy_id).id if policy_id else None
    except exceptions.QosPolicyNotFound as error:
        raise Rejected(str(error), 404) from error
    tx.execute("UPDATE ports SET qos_policy_id = ? WHERE id = ?", (policy, port_id))


def set_admin_state(tx: sqlite3.Connection, port_id: str, up: bool) -> None:
    """Let a port carry traffic, or not."""
    tx.execute(
        "UPDATE ports SET admin_state_up = :up, status = CASE WHEN :up "
        "AND device_id <> '' AND device_owner = :attached THEN 'ACTIVE' ELSE 'DOWN' END "
        "WHERE id = :id",
        {"id": port_id, "up": up, "attached": ATTACHED},
    )


def add_address(
    tx: sqlite3.Connection, port_id: str, subnet_id: str, ip_address: str | None
) -> Port:
    """Give a port an address on a subnet, unless it has it, or any if none is named."""
    port = get(tx, port_id)
    address = addresses.canonical(ip_address) if ip_address else None
    held = [f.ip_address for f in port.fixed_ips if f.subnet_id == subnet_id]
    if address not in held if address else not held:
        wanted = FixedIP(subnet_id=subnet_id, ip_address=address)
        addresses.take(tx, port_id, port.network_id or "", wanted)
    return get(tx, port_id)


def remove_addresses(tx: sqlite3.Connection, port_id: str, subnet_id: str) -> Port:
    """Take from a port all the addresses that it has on a subnet."""
    get(tx, port_id)
    addresses.release(tx, port_id, subnet_id)
    return get(tx, port_id)


def attach(tx: sqlite3.Connection, port: Port, server: ServerRecord) -> Port:
    """Give a port to a server, as the compute service does; repeating it is harmless.

    :raises Rejected: another device has it
    """
    if port.device_id not in ("", server.id):
        raise Rejected(f"port {port.id} is in use by {port.device_id}", 409)
    tx.execute(
        "UPDATE ports SET device_id = ?, device_owner = ?, dns_name = ?, "
        "status = CASE WHEN admin_state_up THEN 'ACTIVE' ELSE 'DOWN' END WHERE id = ?",
        (server.id, ATTACHED, server.name, port.id),
    )
    return get(tx, port.id or "")


def release(tx: sqlite3.Connection, port_id: str | None) -> None:
    """Blank what ties a port to its server, as failover preparation does."""
    tx.execute(
        "UPDATE ports SET device_id = '', status = 'DOWN', dns_name = '' WHERE id = ?",
        (port_id,),
    )


def detach(tx: sqlite3.Connection, port_id: str | None) -> None:
    """Take a port from its server, as the compute service does."""
    release(tx, port_id)
    tx.execute("UPDATE ports SET device_owner = '' WHERE id = ?", (port_id,))


def delete(tx: sqlite3.Connection, port_id: str | None) -> None:
    """Remove a port; it is no error if it is gone."""
    tx.execute("DELETE FROM ports WHERE id = ?", (port_id,))
