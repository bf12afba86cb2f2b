# SPDX-License-Identifier: Apache-2.0
"""Give addresses to ports, and take them back."""

from __future__ import annotations

import ipaddress
import sqlite3

from networker import exceptions
from networker.drivers.sandbox.errors import Rejected
from networker.drivers.sandbox.records import inventory
from networker.models import FixedIP, Subnet

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def canonical(text: str) -> str:
    """Return an address in the one spelling that the tables hold.

    :raises Rejected: it is none
    """
    try:
        # An address with a zone (RFC 4007) means nothing outside of its host.
        return str(ipaddress.ip_address(text.replace("%", " ")))
    except ValueError as error:
        raise Rejected(f"{text!r} is not a valid IP address") from error


def take(
    tx: sqlite3.Connection, port_id: str, network_id: str, wanted: FixedIP
) -> None:
    """Give a port an address.

    :param wanted: the subnet, the address, both or neither
    :raises SubnetNotFound: the subnet does not exist
    :raises Rejected: the address or the subnet is not of this network
    :raises AddressInUse: another port holds the address
    :raises NoMoreAddresses: none is left
    """
    subnets = _subnets(tx, network_id, wanted.subnet_id)
    if wanted.ip_address:
        address = canonical(wanted.ip_address)
        subnets = [s for s in subnets if _usable(s, ipaddress.ip_address(address))]
        if not subnets:
            where = f"subnet {wanted.subnet_id}" if wanted.subnet_id else "the network"
            raise Rejected(f"IP address {address} is not a usable address of {where}")
        _hold(tx, port_id, subnets[0], address)
        return
    for subnet in [s for s in subnets if s.ip_version == 4] or subnets:
        free = _free(tx, subnet)
        if free is not None:
            _hold(tx, port_id, subnet, free)
            return
    text = f"No more IP addresses available on network {network_id}."
    raise exceptions.NoMoreAddresses(orig_msg=text, orig_code=409)


def release(tx: sqlite3.Connection, port_id: str, subnet_id: str) -> None:
    """Take from a port the addresses that it has on a subnet."""
    tx.execute(
        "DELETE FROM fixed_ips WHERE port_id = ? AND subnet_id = ?",
        (port_id, subnet_id),
    )


def total(subnet: Subnet) -> int:
    """Return how many addresses of a subnet ports can have."""
    return _hosts(subnet) - bool(subnet.gateway_ip)


def used(tx: sqlite3.Connection, subnet: Subnet) -> int:
    """Return how many addresses of a subnet ports have."""
    counted = "SELECT count(*) FROM fixed_ips WHERE subnet_id = ?"
    return int(tx.execute(counted, (subnet.id,)).fetchone()[0])


def _hosts(subnet: Subnet) -> int:
    network = ipaddress.ip_network(subnet.cidr or "")
    return network.num_addresses - (2 if network.version == 4 else 1)


def _subnets(
    tx: sqlite3.Connection, network_id: str, subnet_id: str | None
) -> list[Subnet]:
    if not subnet_id:
        subnets = inventory.subnets(tx, network_id)
        if not subnets:
            raise Rejected(f"network {network_id} has no subnet", None)
        return subnets
    subnet = inventory.subnet(tx, subnet_id)
    if subnet.network_id != network_id:
        raise Rejected(f"subnet {subnet_id} is not on network {network_id}")
    return [subnet]


def _usable(subnet: Subnet, address: _Address) -> bool:
    network = ipaddress.ip_network(subnet.cidr or "")
    reserved = {str(network.network_address), subnet.gateway_ip}
    if network.version == 4:
        reserved.add(str(network.broadcast_address))
    return address in network and str(address) not in reserved


def _hold(tx: sqlite3.Connection, port_id: str, subnet: Subnet, address: str) -> None:
    held = _holder(tx, subnet, address)
    if held == port_id:
        raise Rejected(f"IP address {address} is wanted twice")
    if held:
        text = f"IP address {address} already allocated in subnet {subnet.id}"
        raise exceptions.AddressInUse(
            ip_address=address,
            orig_msg=text,
            orig_code=409,
        )
    row = (port_id, subnet.id, address)
    tx.execute("INSERT INTO fixed_ips VALUES (?, ?, ?)", row)


def _holder(tx: sqlite3.Connection, subnet: Subnet, address: str) -> str | None:
    row = tx.execute(
        "SELECT port_id FROM fixed_ips WHERE subnet_id = ? AND address = ?",
        (subnet.id, address),
    ).fetchone()
    return str(row[0]) if row else None


def _free(tx: sqlite3.Connection, subnet: Subnet) -> str | None:
    """Return an address that nobody holds, from the start of the subnet if possible."""
    network, size = ipaddress.ip_network(subnet.cidr or ""), _hosts(subnet)
    taken = used(tx, subnet)
    if taken >= total(subnet):
        return None
    # As many addresses as are taken are likely to be the first ones.
    candidates = (str(network[1 + (taken + i) % size]) for i in range(size))
    return next(
        address
        for address in candidates
        if address != subnet.gateway_ip and not _holder(tx, subnet, address)
    )
