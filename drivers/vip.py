# SPDX-License-Identifier: Apache-2.0
"""Match a VIP with its port, and choose the amphorae that carry it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from networker import exceptions
from networker.drivers import naming
from networker.models import (
    ALLOCATED,
    VIP,
    AdditionalVIP,
    Amphora,
    FixedIP,
    LoadBalancer,
    Port,
    same_address,
)

#: ``Amphora.status`` of an amphora that has no server and no port any more.
_DELETED = "DELETED"


def is_deleted(amphora: Amphora) -> bool:
    """Tell whether an amphora is only remembered."""
    return amphora.status == _DELETED


def allocated(load_balancer: LoadBalancer) -> list[Amphora]:
    """Return the amphorae that take part, each once.

    :raises InvalidRequest: one of them has no id or no server
    """
    found = {}
    for index, amphora in enumerate(load_balancer.amphorae):
        if amphora.status not in (None, ALLOCATED):
            continue
        for field in ("id", "compute_id"):
            if not (getattr(amphora, field) or "").strip():
                path = f"load_balancer.amphorae[{index}].{field}"
                raise exceptions.InvalidRequest(
                    f"plug_vip: {path} must not be empty", method="plug_vip"
                )
        found[amphora.id] = amphora
    return list(found.values())


def match(vip: VIP, port: Port) -> list[FixedIP] | None:
    """Return a port's addresses in the order that a VIP names them, others after them.

    :returns: None if the port is on another network or lacks one of them
    """
    if vip.network_id not in (None, port.network_id):
        return None
    return assign([vip, *vip.additional], port.fixed_ips)


def assign(
    wanted: Sequence[VIP | AdditionalVIP | FixedIP], held: Sequence[FixedIP]
) -> list[FixedIP] | None:
    """Return addresses in the order of those that ask for them, others after them.

    :param wanted: each asks for an address, a subnet, both or neither
    :returns: None if one of them has none
    """
    places = list(map(_place, wanted))
    left = list(held)
    chosen: dict[int, FixedIP] = {}
    # Who names an address chooses first, then who names a subnet, then the rest.
    for index in sorted(range(len(places)), key=lambda i: _freedom(*places[i])):
        fitting = [one for one in left if _fits(one, *places[index])]
        if not fitting:
            return None
        chosen[index] = fitting[0]
        left.remove(fitting[0])
    return [chosen[index] for index in range(len(places))] + left


def describe(vip: VIP, port: Port, load_balancer_id: str) -> VIP | None:
    """Return a VIP with everything filled in that its port tells.

    :returns: None if the port does not have the network or addresses that it names
    """
    held = match(vip, port)
    if not held:
        return None
    first, *others = held
    return msgspec.structs.replace(
        vip,
        load_balancer_id=load_balancer_id,
        ip_address=first.ip_address,
        subnet_id=first.subnet_id,
        network_id=port.network_id,
        port_id=port.id,
        octavia_owned=port.device_owner == naming.OWNER,
        # Of the VRRP ports, which carry the traffic; the VIP's port may tell, too.
        qos_policy_id=vip.qos_policy_id or port.qos_policy_id,
        vnic_type=vip.vnic_type if vip.vnic_type != "normal" else port.vnic_type,
        additional=[
            AdditionalVIP(
                load_balancer_id=load_balancer_id,
                ip_address=other.ip_address,
                subnet_id=other.subnet_id,
                network_id=port.network_id,
                port_id=port.id,
            )
            for other in others
        ],
    )


def misfit(vip: VIP, port: Port) -> str:
    """Say what of a VIP a port does not have, with its path."""
    if vip.network_id not in (None, port.network_id):
        return f"vip.network_id: port {port.id} is not on network {vip.network_id}"
    if not port.fixed_ips:
        return (
            f"vip: port {port.id} has no address: network {port.network_id} has no "
            "subnet, or gives addresses only to ports of servers"
        )
    places: dict[str, VIP | AdditionalVIP] = {"vip": vip}
    places |= {f"vip.additional[{n}]": one for n, one in enumerate(vip.additional)}
    for number, (path, one) in enumerate(places.items()):
        fitting = assign([*places.values()][: number + 1], port.fixed_ips)
        if fitting is None:
            wanted = [one.ip_address and f"address {one.ip_address}"]
            wanted += [one.subnet_id and f"an address on subnet {one.subnet_id}"]
            asked = ", ".join(filter(None, wanted)) or "an address for it"
            return f"{path}: port {port.id} does not have {asked}"
    return f"vip: port {port.id} does not have its addresses"


def _place(one: VIP | AdditionalVIP | FixedIP) -> tuple[str | None, str | None]:
    return one.ip_address or None, one.subnet_id or None


def _freedom(address: str | None, subnet_id: str | None) -> tuple[bool, bool]:
    return address is None, subnet_id is None


def _fits(held: FixedIP, address: str | None, subnet_id: str | None) -> bool:
    return (not address or same_address(held.ip_address, address)) and (
        not subnet_id or held.subnet_id == subnet_id
    )
