# SPDX-License-Identifier: Apache-2.0
"""Translate Neutron's JSON into the interface's models, and compare it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from networker.drivers.neutron.api.answers import GroupAnswer, Json, PortAnswer
from networker.drivers.neutron.api.errors import Refused
from networker.drivers.vip import describe, misfit
from networker.models import (
    VIP,
    FixedIP,
    HostRoute,
    Interface,
    Network,
    NetworkIPAvailability,
    Port,
    QosPolicy,
    SecurityGroup,
    Subnet,
    SubnetIPAvailability,
    same_address,
)


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


def port(data: PortAnswer) -> Port:
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
        security_group_ids=groups(data),
        vnic_type=data.get("binding:vnic_type", "normal"),
        allowed_addresses=[pair["ip_address"] for pair in pairs],
    )


def security_group(data: GroupAnswer) -> SecurityGroup:
    """Return a security group."""
    return SecurityGroup(
        id=data["id"],
        name=data["name"],
        project_id=data["project_id"],
        description=data.get("description"),
        security_group_rule_ids=[rule["id"] for rule in data["security_group_rules"]],
        tags=data.get("tags", []),
        stateful=data.get("stateful"),
    )


def qos_policy(data: Json) -> QosPolicy:
    """Return a QoS policy."""
    return QosPolicy(id=data["id"], name=data["name"], project_id=data["project_id"])


def ip_availability(data: Json) -> NetworkIPAvailability:
    """Return how many addresses a network and its subnets have and use."""
    return NetworkIPAvailability(
        project_id=data.get("project_id") or data.get("tenant_id"),
        network_id=data["network_id"],
        network_name=data["network_name"],
        total_ips=data["total_ips"],
        used_ips=data["used_ips"],
        subnet_ip_availability=[
            SubnetIPAvailability(
                subnet_id=subnet["subnet_id"],
                subnet_name=subnet["subnet_name"],
                cidr=subnet["cidr"],
                ip_version=subnet["ip_version"],
                total_ips=subnet["total_ips"],
                used_ips=subnet["used_ips"],
            )
            for subnet in data["subnet_ip_availability"]
        ],
    )


def interface(data: PortAnswer, compute_id: str) -> Interface:
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


def fixed_ips(data: PortAnswer) -> list[FixedIP]:
    """Return the addresses of a port."""
    return [
        FixedIP(subnet_id=ip["subnet_id"], ip_address=ip["ip_address"])
        for ip in data["fixed_ips"]
    ]


def groups(data: PortAnswer) -> list[str]:
    """Return the ids of a port's security groups, none where the cloud has none."""
    held: list[str] = data.get("security_groups", [])
    return held


def holds(data: PortAnswer, address: str | None) -> bool:
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


def vip(wanted: VIP, data: PortAnswer, load_balancer_id: str) -> VIP:
    """Return a VIP with everything filled in that its port tells.

    :raises Refused: the port does not have the network or addresses that the VIP names
    """
    described = describe(wanted, port(data), load_balancer_id)
    if described is None:
        raise Refused(orig_msg=misfit(wanted, port(data)))
    return described


def attributes(port: PortAnswer, names: Iterable[str]) -> Json:
    """Return some attributes of a port as they are, such as to change them back."""
    held: Mapping[str, Any] = port
    return {name: held[name] for name in names}


def difference(port: PortAnswer, wanted: dict[str, Any]) -> Json:
    """Return what of a port's attributes is not as wanted.

    :param wanted: attributes; ``security_groups`` in any order
    """
    return {
        name: value
        for name, value in wanted.items()
        if _comparable(port.get(name)) != _comparable(value)
    }


def _comparable(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return sorted(_identity(v) if isinstance(v, dict) else v for v in value)


def _identity(place: Json) -> str:
    """Return what tells an address or an address pair from others.

    An address that is only wanted is named by its subnet, and is no address of a port's.
    """
    return str(place.get("ip_address") or f"any of {place.get('subnet_id')}")
