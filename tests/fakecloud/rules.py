# SPDX-License-Identifier: Apache-2.0
"""Rules of security groups: how Neutron reads, checks and compares them."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Sequence
from typing import Any

from tests.fakecloud import attributes
from tests.fakecloud.state import SERVICE, Json, bad_request, neutron_fault, now

_NUMBERS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "hopopt": 0,
    "icmp": 1,
    "igmp": 2,
    "ip": 0,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
_WITH_PORTS = {_NUMBERS[name] for name in ("dccp", "sctp", "tcp", "udp", "udplite")}
_ICMP = {_NUMBERS["icmp"], _NUMBERS["ipv6-icmp"]}
_ANYWHERE = (None, "0.0.0.0/0", "::/0")


def initial(group: Json, more: Sequence[Json] = ()) -> list[Json]:
    """Return the rules that a group begins with: everything may go out.

    :param more: further rules of groups but the default one

    Into the default group everything may come in from its own ports.
    """
    own = {"security_group_id": group["id"], "description": None}
    owner = {"project_id": group["project_id"], "tenant_id": group["project_id"]}
    bodies: list[Json] = [] if group["name"] == "default" else [*more]
    for ethertype in ("IPv4", "IPv6"):
        bodies.append({"direction": "egress", "ethertype": ethertype})
        if group["name"] == "default":
            inside = {"remote_group_id": group["id"]}
            bodies.append({"direction": "ingress", "ethertype": ethertype, **inside})
    return [_rule(body | own) | owner for body in bodies]


def read(body: Json) -> Json:
    """Return the rule that a request asks for, with what follows from single values."""
    attributes.refuse_unknown(body, {*_DEFAULTS, "security_group_id", "direction"})
    for name in ("security_group_id", "direction"):
        if name not in body:
            text = f"Failed to parse request. Required attribute '{name}' not specified"
            raise bad_request(text)
    rule = _rule(body)
    if rule["direction"] not in ("ingress", "egress"):
        _refuse_value("direction", rule["direction"])
    names = {"ipv4": "IPv4", "ipv6": "IPv6"}
    if str(rule["ethertype"]).lower() not in names:
        _refuse_value("ethertype", rule["ethertype"])
    rule["ethertype"] = names[rule["ethertype"].lower()]
    rule["protocol"] = _protocol(rule["protocol"])
    for name in ("port_range_min", "port_range_max"):
        rule[name] = _port(rule[name])
    rule["remote_ip_prefix"] = _prefix(rule["remote_ip_prefix"])
    return rule


def validate(rule: Json) -> None:
    """Refuse a rule whose values do not go together, and complete it."""
    if rule["ethertype"] == "IPv6" and rule["protocol"] in ("icmp", "icmpv6"):
        rule["protocol"] = "ipv6-icmp"
    if (rule["port_range_min"], rule["port_range_max"]) == (1, 65535):
        rule["port_range_min"] = rule["port_range_max"] = None
    _check_ports(rule, rule["port_range_min"], rule["port_range_max"])
    prefix = rule["remote_ip_prefix"]
    if prefix:
        interface = ipaddress.ip_interface(prefix)
        if rule["ethertype"] != f"IPv{interface.version}":
            text = f"Conflicting value ethertype {rule['ethertype']} for CIDR {prefix}"
            raise neutron_fault(400, "SecurityGroupRuleParameterConflict", text)
        rule["normalized_cidr"] = str(interface.network)
    if prefix and rule["remote_group_id"]:
        text = "Only one of remote_ip_prefix or remote_group_id or "
        text += "remote_address_group_id may be provided."
        raise neutron_fault(400, "SecurityGroupMultipleRemoteEntites", text)


def key(rule: Json) -> tuple[Any, ...]:
    """Return what no two rules of a group may have in common."""
    prefix = rule["remote_ip_prefix"]
    return (
        rule["direction"],
        rule["ethertype"],
        _number(rule["protocol"]),
        rule["port_range_min"],
        rule["port_range_max"],
        None if prefix in _ANYWHERE else prefix,
        rule["remote_group_id"],
    )


_DEFAULTS: Json = {
    "ethertype": "IPv4",
    "protocol": None,
    "port_range_min": None,
    "port_range_max": None,
    "remote_ip_prefix": None,
    "remote_group_id": None,
    "description": "",
}


def _rule(body: Json) -> Json:
    return {
        **_DEFAULTS,
        **body,
        "id": str(uuid.uuid4()),
        "project_id": SERVICE,
        "tenant_id": SERVICE,
        "remote_address_group_id": None,
        "normalized_cidr": None,
        "belongs_to_default_sg": False,
        "created_at": now(),
        "updated_at": now(),
        "revision_number": 0,
    }


def _number(protocol: str | None) -> int | None:
    if protocol is None:
        return None
    return _NUMBERS[protocol] if protocol in _NUMBERS else int(protocol)


def _protocol(value: Any) -> str | None:
    text = str(value).lower()
    if value is None or text == "any":
        return None
    if text in _NUMBERS or (text.isdigit() and int(text) <= 255):
        return text
    known = ", ".join(repr(name) for name in ("any", *_NUMBERS))
    text = f"Security group rule protocol {value} not supported. Only protocol values "
    text += f"(None, {known}) and integer representations [0 to 255] are supported."
    raise neutron_fault(400, "SecurityGroupRuleInvalidProtocol", text)


def _port(value: Any) -> int | None:
    if value is None:
        return None
    if not str(value).isdigit() or int(value) > 65535:
        text = f"Invalid value for port {value}"
        raise neutron_fault(400, "SecurityGroupInvalidPortValue", text)
    return int(value)


def _prefix(value: Any) -> str | None:
    if not value:
        return None
    try:
        return str(ipaddress.ip_interface(value))
    except ValueError as error:
        text = f"Invalid CIDR {value} given as IP prefix."
        raise neutron_fault(400, "InvalidCIDR", text) from error


def _check_ports(rule: Json, first: int | None, last: int | None) -> None:
    if first is None and last is None:
        return
    number = _number(rule["protocol"])
    if number is None:
        text = "Must also specify protocol if port range is given."
        raise neutron_fault(400, "SecurityGroupProtocolRequiredWithPorts", text)
    if number in _WITH_PORTS:
        if 0 in (first, last):
            text = "Invalid value for port 0"
            raise neutron_fault(400, "SecurityGroupInvalidPortValue", text)
        if first is None or last is None or first > last:
            text = "For TCP/UDP protocols, port_range_min must be <= port_range_max"
            raise neutron_fault(400, "SecurityGroupInvalidPortRange", text)
    elif number not in _ICMP:
        text = f"Ports cannot be specified for protocol {number}. Ports are only "
        text += "supported for DCCP, SCTP, TCP, UDP, UDPLITE."
        raise neutron_fault(400, "SecurityGroupInvalidProtocolForPort", text)


def _refuse_value(name: str, value: Any) -> None:
    raise bad_request(
        f"Invalid input for {name}. Reason: {value} is not in valid_values."
    )
