# SPDX-License-Identifier: Apache-2.0
"""What Neutron shows of ports, security groups and rules, as far as the driver reads it."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

#: A resource of another kind, the body of a request, or a part of one.
Json = dict[str, Any]


class FixedIPAnswer(TypedDict):
    """An address of a port."""

    subnet_id: str
    ip_address: str


class AddressPair(TypedDict):
    """An address that a port may send from besides its own."""

    ip_address: str
    mac_address: NotRequired[str]


class RuleAnswer(TypedDict):
    """A rule of a security group."""

    id: str
    description: str
    created_at: str
    updated_at: str
    security_group_id: str
    direction: str
    ethertype: str
    protocol: str | None
    port_range_min: int | None
    port_range_max: int | None
    remote_ip_prefix: str | None
    remote_group_id: NotRequired[str | None]
    remote_address_group_id: NotRequired[str | None]


class GroupAnswer(TypedDict):
    """A security group with its rules."""

    id: str
    name: str
    description: str
    project_id: str
    created_at: str
    updated_at: str
    revision_number: int
    security_group_rules: list[RuleAnswer]
    stateful: NotRequired[bool]
    tags: NotRequired[list[str]]


#: A port. What comes from an extension is not there where the cloud lacks that.
PortAnswer = TypedDict(
    "PortAnswer",
    {
        "id": str,
        "name": str,
        "description": str,
        "project_id": str,
        "updated_at": str,
        "revision_number": int,
        "network_id": str,
        "device_id": str,
        "device_owner": str,
        "mac_address": str,
        "status": str,
        "admin_state_up": bool,
        "fixed_ips": list[FixedIPAnswer],
        "allowed_address_pairs": NotRequired[list[AddressPair]],
        "security_groups": NotRequired[list[str]],
        "qos_policy_id": NotRequired[str | None],
        "dns_name": NotRequired[str],
        "binding:vnic_type": NotRequired[str],
    },
)
