# SPDX-License-Identifier: Apache-2.0
"""Look up networks, subnets, ports, security groups and QoS policies."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TypeVar

from networker import exceptions
from networker.drivers.sandbox.errors import missing
from networker.drivers.sandbox.records import (
    addresses,
    inventory,
    ports,
    security_groups,
)
from networker.drivers.sandbox.records.visibility import sees
from networker.models import (
    Network,
    NetworkIPAvailability,
    Port,
    QosPolicy,
    SecurityGroup,
    Subnet,
    SubnetIPAvailability,
    UserContext,
)

Kind = TypeVar("Kind", Network, Subnet, Port)


def network(
    tx: sqlite3.Connection, network_id: str, context: UserContext | None
) -> Network:
    """Return a network that who asks may see."""
    if not sees(tx, context, "networks", network_id):
        raise missing(exceptions.NetworkNotFound, network_id=network_id)
    return inventory.network(tx, network_id)


def subnet(
    tx: sqlite3.Connection, subnet_id: str, context: UserContext | None
) -> Subnet:
    """Return a subnet that who asks may see."""
    if not sees(tx, context, "subnets", subnet_id):
        raise missing(exceptions.SubnetNotFound, subnet_id=subnet_id)
    return inventory.subnet(tx, subnet_id)


def port(tx: sqlite3.Connection, port_id: str, context: UserContext | None) -> Port:
    """Return a port that who asks may see."""
    if not sees(tx, context, "ports", port_id):
        raise missing(exceptions.PortNotFound, port_id=port_id)
    return ports.get(tx, port_id)


def security_group(
    tx: sqlite3.Connection, group_id: str, context: UserContext | None
) -> SecurityGroup:
    """Return a security group that who asks may see."""
    seen = sees(tx, context, "security_groups", group_id)
    found = security_groups.shown(tx, group_id) if seen else None
    if found is None:
        raise missing(exceptions.SecurityGroupNotFound, security_group_id=group_id)
    return found


def qos_policy(
    tx: sqlite3.Connection, policy_id: str, context: UserContext | None
) -> QosPolicy:
    """Return a QoS policy that who asks may see."""
    if not sees(tx, context, "qos_policies", policy_id):
        raise missing(exceptions.QosPolicyNotFound, qos_policy_id=policy_id)
    return inventory.qos_policy(tx, policy_id)


def _smallest(found: Iterable[Kind]) -> Kind | None:
    return min(found, key=lambda each: each.id or "", default=None)


def network_named(tx: sqlite3.Connection, name: str) -> Network:
    """Return the network with a name."""
    found = _smallest(n for n in inventory.networks(tx) if n.name == name)
    if found is None:
        raise exceptions.NetworkNotFound(f"no network is named {name!r}")
    return found


def subnet_named(tx: sqlite3.Connection, name: str) -> Subnet:
    """Return the subnet with a name."""
    found = _smallest(s for s in inventory.subnets(tx) if s.name == name)
    if found is None:
        raise exceptions.SubnetNotFound(f"no subnet is named {name!r}")
    return found


def port_where(tx: sqlite3.Connection, **equal: str) -> Port:
    """Return the port with the smallest id of those whose columns have these values.

    :raises PortNotFound: there is none
    """
    found = _smallest(ports.select(tx, **equal))
    if found is None:
        wanted = " and ".join(f"{field} {value!r}" for field, value in equal.items())
        raise exceptions.PortNotFound(f"no port has {wanted}")
    return found


def security_group_named(tx: sqlite3.Connection, name: str) -> SecurityGroup:
    """Return the service's own security group with a name."""
    found = security_groups.shown(tx, security_groups.find(tx, name) or "")
    if found is None:
        raise exceptions.SecurityGroupNotFound(security_group_id=name)
    return found


def ip_availability(tx: sqlite3.Connection, network_id: str) -> NetworkIPAvailability:
    """Return how many addresses a network and its subnets have and use."""
    network = inventory.network(tx, network_id)
    subnets = [_availability(tx, each) for each in inventory.subnets(tx, network_id)]
    return NetworkIPAvailability(
        project_id=network.project_id,
        network_id=network.id,
        network_name=network.name,
        total_ips=sum(each.total_ips or 0 for each in subnets),
        used_ips=sum(each.used_ips or 0 for each in subnets),
        subnet_ip_availability=subnets,
    )


def _availability(tx: sqlite3.Connection, subnet: Subnet) -> SubnetIPAvailability:
    return SubnetIPAvailability(
        subnet_id=subnet.id,
        subnet_name=subnet.name,
        cidr=subnet.cidr,
        ip_version=subnet.ip_version,
        total_ips=addresses.total(subnet),
        used_ips=addresses.used(tx, subnet),
    )
