# SPDX-License-Identifier: Apache-2.0
"""Addresses that ports derive from their MAC addresses (RFC 4291, appendix A).

On an IPv6 subnet with SLAAC, Neutron gives every new port the address that follows from its
MAC address, whatever is asked for. Who asks for just that address is told that it is in
use: by the very port that is being made. So it must not be named.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from networker.drivers.neutron.translate import Json


def is_derived(address: str | None, mac: str) -> bool:
    """Tell whether an address is one that a port with a MAC address derives."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return parsed.version == 6 and parsed.packed[8:] == _identifier(mac)


def unnamed(places: Sequence[Json], mac: str) -> list[Json]:
    """Return the places of a port without the addresses that it derives.

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
