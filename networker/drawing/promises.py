# SPDX-License-Identifier: Apache-2.0
"""What the interface promises of a load balancer's ports, and where it is not so."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from networker.drivers import naming
from networker.models import (
    Amphora,
    LoadBalancer,
    Port,
    SecurityGroup,
    same_address,
)


@dataclasses.dataclass(frozen=True)
class Expected:
    """What is known of an amphora, to compare its VRRP port with.

    :param amphora: as it was named
    :param compute_id: of its server, if that is known
    :param vip: the VIP's port, if it was found
    :param group: the load balancer's own group, if it was found
    """

    amphora: Amphora
    compute_id: str | None
    vip: Port | None
    group: SecurityGroup | None


def of_vip(
    port: Port, group: SecurityGroup | None, load_balancer: LoadBalancer
) -> list[str]:
    """Return in what a VIP's port is not as allocate_vip and plug_vip leave it."""
    return list(_of_vip(port, group, load_balancer))


def _of_vip(
    port: Port, group: SecurityGroup | None, load_balancer: LoadBalancer
) -> Iterator[str]:
    lb_id = load_balancer.id or ""
    device, has = naming.vip_device(lb_id), port.device_id or ""
    if port.name == naming.vip_port(lb_id) and has != device:
        yield f"Its device is {has!r} instead of {device!r}."
    elif naming.owner_of(has) not in {"", lb_id}:
        yield f"Another load balancer uses it: its device is {has!r}."
    if not port.fixed_ips:
        yield "It has no address."
    wanted = load_balancer.vip.ip_address if load_balancer.vip else None
    if wanted and not port.get_subnet_id(wanted):
        yield f"It has not the address {wanted}."
    yield from _in_group(port, group)


def of_vrrp(port: Port, expected: Expected, plugged: Sequence[Port]) -> list[str]:
    """Return in what a VRRP port is not as plug_vip leaves it.

    :param plugged: the ports of the server, as it tells
    """
    found = list(_plugged(port, expected, plugged))
    found += of_interface(port)
    found += _in_group(port, expected.group)
    if expected.vip:
        found += _for_vip(port, expected.vip)
    address = expected.amphora.vrrp_ip
    if address and not port.get_subnet_id(address):
        found.append(f"It has not the address {address}.")
    return found


def _plugged(port: Port, expected: Expected, plugged: Sequence[Port]) -> Iterator[str]:
    if not port.device_id:
        yield "It is plugged into no server."
    elif expected.compute_id and port.device_id != expected.compute_id:
        yield (
            f"It is plugged into the server {port.device_id} instead of "
            f"{expected.compute_id}."
        )
    elif port.id not in {each.id for each in plugged}:
        yield f"The server {port.device_id} does not have it."


def _for_vip(port: Port, vip: Port) -> Iterator[str]:
    if port.network_id != vip.network_id:
        yield f"It is on the network {port.network_id}, and the VIP is not."
    for fixed_ip in vip.fixed_ips:
        address = fixed_ip.ip_address
        if not _allows(port, address):
            yield f"It may not send from the VIP's address {address}."
    subnets = {fixed_ip.subnet_id for fixed_ip in vip.fixed_ips}
    if not subnets & {fixed_ip.subnet_id for fixed_ip in port.fixed_ips}:
        yield "It has no address on the VIP's subnet."


def of_interface(port: Port) -> list[str]:
    """Return in what a port that a server has does not carry traffic."""
    found = []
    if port.admin_state_up is False:
        found.append("It is switched off: its admin state is down.")
    elif port.status not in {None, "ACTIVE"}:
        found.append(f"Its status is {port.status} instead of ACTIVE.")
    if not port.fixed_ips:
        found.append("It has no address.")
    return found


def carrier(ports: Iterable[Port], vip: Port | None) -> Port | None:
    """Return the port that carries the VIP under a name of its own, if there is one.

    A port that a server had on the VIP's network before is used as it is.
    """
    if vip is None:
        return None
    for port in ports:
        same_network = port.network_id == vip.network_id
        if same_network and any(_allows(port, ip.ip_address) for ip in vip.fixed_ips):
            return port
    return None


def _allows(port: Port, address: str | None) -> bool:
    return any(same_address(each, address) for each in port.allowed_addresses)


def _in_group(port: Port, group: SecurityGroup | None) -> Iterator[str]:
    if group and group.id not in port.security_group_ids:
        yield f"It is not in the security group {group.name}."
