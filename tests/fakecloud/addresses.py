# SPDX-License-Identifier: Apache-2.0
"""How the ports of a fake cloud get their addresses: Neutron's IPAM."""

from __future__ import annotations

import ipaddress
import itertools
import random
from collections.abc import Iterator

from tests.fakecloud.networks import is_slaac
from tests.fakecloud.state import Json, State, neutron_fault

#: Among how many of the first free addresses of a subnet Neutron chooses.
_WINDOW = 1000


def allocate(state: State, port: Json, wanted: list[Json] | None) -> None:
    """Give addresses to a port that is in the state already.

    :param wanted: subnets, addresses or both; None for one address of each IP version
    """
    _choose(state, port, wanted)
    for subnet in _slaac(state, port):
        address = derived(subnet, port["mac_address"])
        if address in taken(state, subnet):
            raise in_use(address, subnet["id"])
        _hold(port, subnet, address)


def _choose(state: State, port: Json, wanted: list[Json] | None) -> None:
    """Give a port the addresses that it does not derive."""
    if wanted is None:
        for version in (4, 6):
            subnets = _subnets(state, port["network_id"], version)
            subnets = [subnet for subnet in subnets if not is_slaac(subnet)]
            if subnets:
                _hold(port, *_free(state, port["network_id"], subnets))
        return
    # All are looked at before the first one is taken.
    places = [(_place(state, port["network_id"], one), one) for one in wanted]
    for subnet, one in places:
        if "ip_address" not in one:
            if not is_slaac(subnet):
                _hold(port, *_free(state, port["network_id"], [subnet]))
            continue
        _refuse_chosen(port, subnet, one["ip_address"])
        if one["ip_address"] in taken(state, subnet):
            raise in_use(one["ip_address"], subnet["id"])
        _hold(port, subnet, one["ip_address"])


def _slaac(state: State, port: Json) -> list[Json]:
    """Return the subnets on which Neutron gives every port an address of its own."""
    if str(port["device_owner"]).startswith("network:router"):
        return []
    return [s for s in _subnets(state, port["network_id"]) if is_slaac(s)]


def derived(subnet: Json, mac: str) -> str:
    """Return the address that follows from a MAC address (RFC 4291 appendix A)."""
    octets = [int(octet, 16) for octet in mac.split(":")]
    octets = [octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]]
    low = int.from_bytes(bytes(octets), "big")
    return str(ipaddress.ip_network(subnet["cidr"])[low])


def _refuse_chosen(port: Json, subnet: Json, address: str) -> None:
    if is_slaac(subnet) and address != derived(subnet, port["mac_address"]):
        text = (
            f"IPv6 address {address} cannot be directly assigned to a port on subnet "
        )
        text += f"{subnet['id']} as the subnet is configured for automatic addresses"
        raise neutron_fault(400, "AllocationOnAutoAddressSubnet", text)


def in_use(address: str, subnet_id: str) -> Exception:
    """Return the refusal of an address that is allocated."""
    text = f"IP address {address} already allocated in subnet {subnet_id}"
    return neutron_fault(409, "IpAddressAlreadyAllocated", text)


def check(state: State, port: Json, wanted: list[Json]) -> None:
    """Refuse addresses for a port that its network does not have."""
    for one in wanted:
        _place(state, port["network_id"], one)


def change(state: State, port: Json, wanted: list[Json]) -> None:
    """Give other addresses to a port; those that are still wanted are kept."""
    named = {one.get("ip_address") for one in wanted}
    kept = [ip for ip in port["fixed_ips"] if ip["ip_address"] in named]
    left = [ip for ip in port["fixed_ips"] if ip not in kept]
    held = {ip["ip_address"] for ip in kept}
    new = [one for one in wanted if one.get("ip_address") not in held]
    added = []
    for one in new:
        same = [ip for ip in left if ip["subnet_id"] == one.get("subnet_id")]
        if "ip_address" in one or not same:
            added.append(one)
        else:
            left.remove(same[0])
            kept.append(same[0])
    before = port["fixed_ips"]
    slaac = {subnet["id"] for subnet in _slaac(state, port)}
    kept += [ip for ip in left if ip["subnet_id"] in slaac]
    port["fixed_ips"] = _in_order(kept)
    try:
        _choose(state, port, added)
    except BaseException:
        port["fixed_ips"] = before
        raise


def _subnets(state: State, network_id: str, version: int | None = None) -> list[Json]:
    found = [s for s in state.subnets.values() if s["network_id"] == network_id]
    found = [s for s in found if version in (None, s["ip_version"])]
    return sorted(found, key=lambda subnet: str(subnet["id"]))


def _hold(port: Json, subnet: Json, address: str) -> None:
    held = [
        *port["fixed_ips"],
        {"subnet_id": subnet["id"], "ip_address": address},
    ]
    port["fixed_ips"] = _in_order(held)


def _in_order(held: list[Json]) -> list[Json]:
    """Return addresses in the database's order."""
    return sorted(held, key=lambda ip: str(ip["ip_address"]))


def taken(state: State, subnet: Json) -> set[str]:
    """Return the addresses of a subnet that ports hold."""
    return {
        ip["ip_address"]
        for port in state.ports.values()
        for ip in port["fixed_ips"]
        if ip["subnet_id"] == subnet["id"]
    }


def _free(state: State, network_id: str, subnets: list[Json]) -> tuple[Json, str]:
    for subnet in subnets:
        held = taken(state, subnet)
        # Nearly always the first guess is free.
        first, last = pools(subnet)[0]
        guess = first + random.randrange(min(last - first + 1, _WINDOW))
        if (address := _text(subnet, guess)) not in held:
            return subnet, address
        free = (one for one in _pool(subnet) if one not in held)
        window = list(itertools.islice(free, _WINDOW))
        if window:
            return subnet, random.choice(window)
    text = f"No more IP addresses available on network {network_id}."
    raise neutron_fault(409, "IpAddressGenerationFailure", text)


def _pool(subnet: Json) -> Iterator[str]:
    for first, last in pools(subnet):
        yield from (_text(subnet, number) for number in range(first, last + 1))


def _text(subnet: Json, number: int) -> str:
    version = (
        ipaddress.IPv4Address if subnet["ip_version"] == 4 else ipaddress.IPv6Address
    )
    return str(version(number))


def pools(subnet: Json) -> list[tuple[int, int]]:
    """Return first and last address of each allocation pool of a subnet, as numbers."""
    return [
        (
            int(ipaddress.ip_address(pool["start"])),
            int(ipaddress.ip_address(pool["end"])),
        )
        for pool in subnet["allocation_pools"]
    ]


def _place(state: State, network_id: str, wanted: Json) -> Json:
    """Return the subnet in which an address is wanted."""
    subnets = _subnets(state, network_id)
    if not subnets:
        raise _invalid("IP allocation requires subnets for network")
    address = wanted.get("ip_address")
    if "subnet_id" in wanted:
        subnet = state.subnets.get(wanted["subnet_id"])
        if subnet is None:
            text = f"Subnet {wanted['subnet_id']} could not be found."
            raise neutron_fault(404, "SubnetNotFound", text)
        if subnet not in subnets:
            raise _invalid(
                f"Failed to create port on network {network_id}, because fixed_ips "
                f"included invalid subnet {subnet['id']}"
            )
        if address is not None and not _usable(subnet, address):
            text = f"IP address {address} is not a valid IP for the specified subnet."
            raise neutron_fault(400, "InvalidIpForSubnet", text)
        return subnet
    if address is None:
        raise _invalid("IP allocation requires subnet_id or ip_address")
    for subnet in subnets:
        if _usable(subnet, address):
            return subnet
    text = (
        f"IP address {address} is not a valid IP for any of the subnets on the "
        "specified network."
    )
    raise neutron_fault(400, "InvalidIpForNetwork", text)


def _invalid(why: str) -> Exception:
    text = f"Invalid input for operation: {why}."
    return neutron_fault(400, "InvalidInput", text)


def _usable(subnet: Json, text: str) -> bool:
    block = ipaddress.ip_network(subnet["cidr"])
    address = ipaddress.ip_address(text)
    if address not in block:
        return False
    ends = (block.network_address, block.broadcast_address)
    return block.version == 6 or address not in ends
