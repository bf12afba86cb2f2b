# SPDX-License-Identifier: Apache-2.0
"""Read deltas: which interfaces come, change their addresses, and go."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NoReturn

from networker import exceptions
from networker.models import Delta, FixedIP, Interface


@dataclasses.dataclass(frozen=True)
class NewInterface:
    """An interface that a server is to have.

    :param fixed_ips: subnets, addresses, or both; any address if there are none
    """

    compute_id: str
    network_id: str
    fixed_ips: Sequence[FixedIP] = ()
    vnic_type: str = "normal"
    amphora_id: str | None = None

    @property
    def address(self) -> str:
        """The address that it was asked with, as it was spelt; empty if with none."""
        return next((ip.ip_address for ip in self.fixed_ips if ip.ip_address), "")


@dataclasses.dataclass(frozen=True)
class AddressChange:
    """A port of a server whose addresses are to change.

    :param gained: ids of subnets on which it is to have an address
    :param lost: ids of subnets on which it is to have none
    """

    compute_id: str
    port_id: str
    gained: Sequence[str]
    lost: Sequence[str]
    amphora_id: str | None = None


@dataclasses.dataclass(frozen=True)
class OldInterface:
    """Interfaces that a server is to lose: all that the driver made on a network.

    :param port_id: only this one
    :param address: only the one with this address
    """

    compute_id: str
    network_id: str
    amphora_id: str | None = None
    port_id: str | None = None
    address: str | None = None

    @property
    def is_named(self) -> bool:
        """Whether one interface is meant, and not whichever there are."""
        return bool(self.port_id or self.address)


def check(deltas: Sequence[Delta]) -> None:
    """Refuse deltas that contradict themselves or each other.

    :raises InvalidRequest: they do
    """
    _once("server", [delta.compute_id for delta in deltas])
    for delta in deltas:
        new = [nic.network_id for nic in delta.add_nics]
        _once("network", [*new, *{nic.network_id for nic in delta.delete_nics}])
        for subnet in delta.add_subnets:
            if not subnet.port_id and subnet.network_id not in new:
                _refuse(f"subnet {subnet.subnet_id} has no port and no new interface")
        _check_subnets(delta)
    _once(
        "port",
        [change.port_id for delta in deltas for change in address_changes(delta)],
    )


def _check_subnets(delta: Delta) -> None:
    """Refuse a subnet that one interface or port is to have twice, or to have and lose.

    The addresses that a new interface has and those that its delta names by itself may be
    the same.
    """
    for nic in delta.add_nics:
        _once("address", [ip.ip_address for ip in nic.fixed_ips if ip.ip_address])
        loose = [ip.subnet_id for ip in nic.fixed_ips if not ip.ip_address]
        _once("subnet", filter(None, loose))
    places = [(one.port_id or one.network_id, one) for one in delta.add_subnets]
    for place in dict.fromkeys(place for place, _ in places):
        gained = [one.subnet_id for where, one in places if where == place]
        lost = [one.subnet_id for one in delta.delete_subnets if one.port_id == place]
        _once("subnet", [*gained, *dict.fromkeys(lost)])


def new_interfaces(delta: Delta) -> list[NewInterface]:
    """Return the interfaces that a server is to have."""
    return [
        NewInterface(
            compute_id=delta.compute_id or "",
            network_id=nic.network_id or "",
            fixed_ips=[*filter(_says, nic.fixed_ips), *_more(delta, nic)],
            vnic_type=nic.vnic_type or "normal",
            amphora_id=delta.amphora_id,
        )
        for nic in delta.add_nics
    ]


def address_changes(delta: Delta) -> list[AddressChange]:
    """Return the ports of a server that get and lose addresses."""
    going = {nic.network_id for nic in delta.delete_nics}
    gained = [(one.port_id, one.subnet_id or "") for one in delta.add_subnets]
    lost = [
        (one.port_id, one.subnet_id or "")
        for one in delta.delete_subnets
        if one.network_id not in going
    ]
    return [
        AddressChange(
            compute_id=delta.compute_id or "",
            port_id=port_id,
            gained=[subnet for port, subnet in gained if port == port_id],
            lost=[subnet for port, subnet in lost if port == port_id],
            amphora_id=delta.amphora_id,
        )
        for port_id in dict.fromkeys(port for port, _ in [*gained, *lost])
        if port_id
    ]


def old_interfaces(delta: Delta) -> list[OldInterface]:
    """Return the interfaces that a server is to lose."""
    return [
        OldInterface(
            compute_id=delta.compute_id or "",
            network_id=nic.network_id or "",
            amphora_id=delta.amphora_id,
            port_id=nic.port_id or None,
        )
        for nic in delta.delete_nics
    ]


def _more(delta: Delta, nic: Interface) -> Iterator[FixedIP]:
    """Return the addresses of a new interface that its delta names by itself."""
    named = {fixed_ip.subnet_id for fixed_ip in nic.fixed_ips}
    for one in delta.add_subnets:
        new = not one.port_id and one.network_id == nic.network_id
        if new and one.subnet_id not in named:
            yield FixedIP(subnet_id=one.subnet_id)


def _says(fixed_ip: FixedIP) -> bool:
    return bool(fixed_ip.subnet_id or fixed_ip.ip_address)


def _once(kind: str, ids: Iterable[str | None]) -> None:
    for one, times in Counter(ids).items():
        if times > 1:
            _refuse(f"{kind} {one} is named twice")


def _refuse(text: str) -> NoReturn:
    raise exceptions.InvalidRequest(f"apply_delta: {text}", method="apply_delta")
