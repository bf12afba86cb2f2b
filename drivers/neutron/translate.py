# SPDX-License-Identifier: Apache-2.0
"""Neutron's JSON as models, and how a VIP and its port tell of each other."""

from __future__ import annotations

import ipaddress
from typing import Any

import msgspec

from networker.drivers import naming
from networker.drivers.neutron.errors import Refused
from networker.models import (
    VIP,
    AdditionalVIP,
    FixedIP,
    HostRoute,
    Interface,
    Network,
    Port,
    Subnet,
    same_address,
)

#: A resource as Neutron's API shows it.
Json = dict[str, Any]


def network(data: Json) -> Network:
    """Return a network."""
    return Network(
        id=data["id"],
        name=data["name"],
        project_id=data["project_id"],
        subnets=data["subnets"],
        admin_state_up=data["admin_state_up"],
        provider_network_type=data.get("provider:network_type"),
        provider_physical_network=data.get("provider:physical_network"),
        provider_segmentation_id=data.get("provider:segmentation_id"),
        router_external=data.get("router:external"),
        mtu=data.get("mtu"),
        port_security_enabled=data.get("port_security_enabled"),
    )


def subnet(data: Json) -> Subnet:
    """Return a subnet."""
    return Subnet(
        id=data["id"],
        name=data["name"],
        project_id=data["project_id"],
        network_id=data["network_id"],
        gateway_ip=data["gateway_ip"],
        cidr=data["cidr"],
        ip_version=data["ip_version"],
        host_routes=[
            HostRoute(nexthop=route["nexthop"], destination=route["destination"])
            for route in data["host_routes"]
        ],
    )


def port(data: Json) -> Port:
    """Return a port."""
    pairs = data.get("allowed_address_pairs", [])
    return Port(
        id=data["id"],
        name=data["name"],
        project_id=data["project_id"],
        device_id=data["device_id"],
        device_owner=data["device_owner"],
        mac_address=data["mac_address"],
        network_id=data["network_id"],
        status=data["status"],
        admin_state_up=data["admin_state_up"],
        fixed_ips=fixed_ips(data),
        qos_policy_id=data.get("qos_policy_id"),
        security_group_ids=data.get("security_groups", []),
        vnic_type=data.get("binding:vnic_type", "normal"),
        allowed_addresses=[pair["ip_address"] for pair in pairs],
    )


def interface(data: Json, compute_id: str) -> Interface:
    """Return the interface of a server that a port is."""
    held = fixed_ips(data)
    return Interface(
        id=data["id"],
        port_id=data["id"],
        compute_id=compute_id,
        network_id=data["network_id"],
        subnet_id=held[0].subnet_id if held else None,
        fixed_ips=held,
        vnic_type=data.get("binding:vnic_type", "normal"),
    )


def fixed_ips(data: Json) -> list[FixedIP]:
    """Return the addresses of a port."""
    return [
        FixedIP(subnet_id=ip["subnet_id"], ip_address=ip["ip_address"])
        for ip in data["fixed_ips"]
    ]


def holds(data: Json, address: str | None) -> bool:
    """Tell whether a port has an address."""
    return any(same_address(ip["ip_address"], address) for ip in data["fixed_ips"])


def canonical(address: str) -> str:
    """Return an IP address in the one spelling in which Neutron writes it.

    :raises Refused: it is none
    """
    try:
        return str(ipaddress.ip_address(address))
    except ValueError as error:
        raise Refused(orig_msg=f"{address!r} is not a valid IP address") from error


def vip(wanted: VIP, data: Json, load_balancer_id: str) -> VIP:
    """Return a VIP with everything filled in that its port tells.

    :raises Refused: the port does not have the network or addresses that the VIP names
    """
    held = match(wanted, data)
    if held is None:
        raise Refused(
            orig_msg=f"port {data['id']} does not have the network, subnet or addresses "
            "that the VIP names"
        )
    first, *others = held
    return msgspec.structs.replace(
        wanted,
        load_balancer_id=load_balancer_id,
        ip_address=first.ip_address,
        subnet_id=first.subnet_id,
        network_id=data["network_id"],
        port_id=data["id"],
        octavia_owned=data["device_owner"] == naming.OWNER,
        qos_policy_id=data.get("qos_policy_id"),
        vnic_type=data.get("binding:vnic_type", "normal"),
        additional=[
            AdditionalVIP(
                load_balancer_id=load_balancer_id,
                ip_address=other.ip_address,
                subnet_id=other.subnet_id,
                network_id=data["network_id"],
                port_id=data["id"],
            )
            for other in others
        ],
    )


def match(wanted: VIP, data: Json) -> list[FixedIP] | None:
    """Return a port's addresses in the order that a VIP names them, others after them.

    :returns: None if the port is on another network or lacks one of them
    """
    if wanted.network_id not in (None, data["network_id"]):
        return None
    places = [_place(wanted), *map(_place, wanted.additional)]
    left = fixed_ips(data)
    chosen: dict[int, FixedIP] = {}
    # Who names an address chooses first, and who names nothing chooses last.
    for index in sorted(range(len(places)), key=lambda i: places[i].count(None)):
        fitting = [ip for ip in left if _fits(ip, *places[index])]
        if not fitting:
            return None
        chosen[index] = fitting[0]
        left.remove(fitting[0])
    return [chosen[index] for index in range(len(places))] + left


def _place(one: VIP | AdditionalVIP) -> tuple[str | None, str | None]:
    return one.ip_address or None, one.subnet_id or None


def _fits(held: FixedIP, address: str | None, subnet_id: str | None) -> bool:
    return (not address or same_address(held.ip_address, address)) and (
        not subnet_id or held.subnet_id == subnet_id
    )
