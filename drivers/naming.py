# SPDX-License-Identifier: Apache-2.0
"""Names and MAC addresses by which resources are found again.

A driver keeps no state, so what it made must be recognizable. Names, device ids and the
device owner are those that Octavia's own driver uses, so that either can take over what
the other made. MAC addresses are derived from what a port is for: Neutron accepts a MAC
only once on a network, which makes creating a port an insert with a unique key.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from typing import Any

#: ``device_owner`` of ports that the driver makes, until a server takes them.
OWNER = "Octavia"
#: What the names of all ports made by the driver begin with.
OURS = "octavia-lb-"
#: What the names of the amphorae's ports on a VIP's subnet begin with.
VRRP = f"{OURS}vrrp-"
#: What the names of servers' ports on member networks begin with.
MEMBER = f"{OURS}member-"
#: What the device of a VIP's port and the name of a security group begin with.
DEVICE = "lb-"
#: First octets of derived MAC addresses, unless an operator wants others.
MAC_PREFIX = "02:6e:77"


def vip_port(load_balancer_id: str) -> str:
    """Name the port that reserves a load balancer's VIP."""
    return f"{OURS}{load_balancer_id}"


def vip_device(load_balancer_id: str) -> str:
    """Name the device that a VIP's port belongs to; also the security group."""
    return f"{DEVICE}{load_balancer_id}"


def owner_of(device_id: str) -> str:
    """Return the load balancer whose VIP's port has a device id; empty if none."""
    return device_id.removeprefix(DEVICE) if device_id.startswith(DEVICE) else ""


def vrrp_port(amphora_id: str) -> str:
    """Name an amphora's port on the VIP's subnet."""
    return f"{VRRP}{amphora_id}"


def member_port(compute_id: str) -> str:
    """Name a server's port on a member network."""
    return f"{MEMBER}{compute_id}"


def mac_address(prefix: str, *purpose: str | None) -> str:
    """Derive the MAC address of a port from what it is for.

    :param prefix: first octets, locally administered (IEEE 802), such as ``02:6e:77``
    :param purpose: what makes the port unique on its network; a salt may be part of it
    :returns: an address that is the same for the same purpose, everywhere
    """
    key = "\0".join(part or "" for part in purpose)
    digest = hashlib.sha256(key.encode()).digest()
    octets = prefix.lower().split(":")
    octets += [f"{byte:02x}" for byte in digest[: 6 - len(octets)]]
    return ":".join(octets)


def is_derived(address: str | None, mac: str) -> bool:
    """Tell whether a port with a MAC address derives an address (RFC 4291, appendix A)."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return parsed.version == 6 and parsed.packed[8:] == _identifier(mac)


def without_derived(places: Sequence[dict[str, Any]], mac: str) -> list[dict[str, Any]]:
    """Return the places of a port without the addresses that it derives.

    On an IPv6 subnet with SLAAC, Neutron gives every new port the address that follows from
    its MAC address, whatever is asked for. Who asks for just that address is told that it
    is in use: by the very port that is being made. So it must not be named.

    A place of which nothing else is known needs no word at all.
    """
    kept = []
    for place in places:
        if is_derived(place.get("ip_address"), mac):
            place = {k: v for k, v in place.items() if k != "ip_address"}
        if place:
            kept.append(place)
    return kept


def _identifier(mac: str) -> bytes:
    octets = bytes.fromhex(mac.replace(":", ""))
    return bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
