# SPDX-License-Identifier: Apache-2.0
"""The attributes of a port in a request: which there are, and what may be in them."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable
from typing import Any

from tests.fakecloud.state import Fault, Json, bad_request, neutron_fault

_MAC = re.compile(r"[0-9a-f]{2}([-:][0-9a-f]{2}){5}", re.IGNORECASE)
_VNIC_TYPES = {
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
}
_READ_ONLY = {"id", "network_id", "project_id", "tenant_id", "status"}
_NEVER = {"id", "status", "binding:vif_type", "binding:vif_details"}


def require(body: Any, name: str) -> Json:
    """Return what a body has under a name."""
    if not isinstance(body, dict) or not isinstance(body.get(name), dict):
        raise bad_request(f"Unable to find '{name}' in request body")
    found: Json = body[name]
    return found


def many(body: Any, name: str) -> list[Json] | None:
    """Return the resources of a bulk request, None if it is for a single one."""
    if not isinstance(body, dict) or f"{name}s" not in body:
        return None
    found: list[Json] = body[f"{name}s"]
    if not found:
        raise bad_request("Resources required")
    return found


def refuse_unknown(body: Json, known: set[str]) -> None:
    """Refuse attributes that the resource does not have."""
    unknown = sorted(set(body) - known)
    if unknown:
        raise bad_request(f"Unrecognized attribute(s) '{', '.join(unknown)}'")


def port_to_make(body: Json) -> Json:
    """Return the attributes of a port that is to be made."""
    for name in sorted(_NEVER & set(body)):
        raise bad_request(f"Attribute '{name}' not allowed in POST")
    refuse_unknown(body, {*_CONVERTERS, "network_id", "project_id", "tenant_id"})
    if "network_id" not in body:
        text = "Failed to parse request. Required attribute 'network_id' not specified"
        raise bad_request(text)
    _uuid("network_id", body["network_id"])
    return _converted(body)


def port_to_change(body: Json) -> Json:
    """Return the attributes of a port that are to be changed."""
    for name in sorted(_READ_ONLY & set(body)):
        raise bad_request(f"Cannot update read-only attribute {name}")
    refuse_unknown(body, set(_CONVERTERS))
    return _converted(body)


def boolean(value: Any) -> bool:
    """Read a truth value as Neutron does."""
    known = {"true": True, "1": True, "false": False, "0": False}
    found = known.get(str(value).lower())
    if found is None:
        text = f"Invalid input for operation: '{value}' cannot be converted to boolean."
        raise neutron_fault(400, "InvalidInput", text)
    return found


def _converted(body: Json) -> Json:
    return {
        name: _CONVERTERS[name](name, value) if name in _CONVERTERS else value
        for name, value in body.items()
    }


def _invalid(name: str, why: str) -> Exception:
    return bad_request(f"Invalid input for {name}. Reason: {why}.")


def _string(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _invalid(name, f"'{value}' is not a valid string")
    if len(value) > 255:
        raise _invalid(name, f"'{value}' exceeds maximum length of 255")
    return value


def _dns_name(name: str, value: Any) -> str:
    if not re.fullmatch("[A-Za-z0-9-]{0,63}", _string(name, value)):
        why = f"'{value}' not a valid PQDN or FQDN. Reason: Name '{value}' must be "
        why += (
            "1-63 characters long, each of which can only be alphanumeric or a hyphen"
        )
        raise _invalid(name, why)
    return str(value)


def _boolean(name: str, value: Any) -> bool:
    return boolean(value)


def _uuid(name: str, value: Any) -> str:
    try:
        return str(uuid.UUID(value))
    except (ValueError, AttributeError, TypeError) as error:
        raise _invalid(name, f"'{value}' is not a valid UUID") from error


def _optional_uuid(name: str, value: Any) -> str | None:
    return None if value is None else _uuid(name, value)


def _mac(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not _MAC.fullmatch(str(value)) or value == "00:00:00:00:00:00":
        raise _invalid(name, f"'{value}' is not a valid MAC address")
    return str(value).lower().replace("-", ":")


def _fixed_ips(name: str, value: Any) -> list[Json]:
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, dict):
            raise _invalid(name, f"Invalid data format for fixed IP: '{one}'")
    seen: list[str] = []
    read = []
    for one in value:
        wanted = {k: one[k] for k in ("subnet_id", "ip_address") if k in one}
        if "ip_address" in wanted:
            address = wanted["ip_address"]
            if address in seen:
                raise _invalid(name, f"Duplicate IP address '{address}'")
            seen.append(address)
            if not _is_address(address):
                raise _invalid(name, f"'{address}' is not a valid IP address")
            wanted["ip_address"] = str(ipaddress.ip_address(address))
        if "subnet_id" in wanted:
            _uuid(name, wanted["subnet_id"])
        read.append(wanted)
    return read


def _is_address(text: Any) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _groups(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _invalid(name, f"'{value}' is not a list")
    for one in value:
        if value.count(one) > 1:
            raise _invalid(name, f"Duplicate items in the list: '{one}'")
    return [_uuid(name, one) for one in value]


def pair_twice(mac_address: str | None, ip_address: str) -> Fault:
    """Return the refusal of an address pair that is there already."""
    text = "Request contains duplicate address pair: mac_address {} ip_address {}."
    text = text.format(mac_address, ip_address)
    return neutron_fault(400, "DuplicateAddressPairInRequest", text)


def _pairs(name: str, value: Any) -> list[Json]:
    if not isinstance(value, list):
        raise bad_request("Allowed address pairs must be a list.")
    seen = set()
    for pair in value:
        if "ip_address" not in pair:
            text = "AllowedAddressPair must contain ip_address"
            raise neutron_fault(400, "AllowedAddressPairsMissingIP", text)
        key = pair.get("mac_address"), pair["ip_address"]
        if key in seen:
            raise pair_twice(*key)
        seen.add(key)
        refuse_unknown(pair, {"mac_address", "ip_address"})
        if not _is_address(pair["ip_address"].partition("/")[0]):
            raise bad_request(f"'{pair['ip_address']}' is not a valid IP address")
    return list(value)


def _vnic_type(name: str, value: Any) -> str:
    if value not in _VNIC_TYPES:
        raise _invalid(name, f"{value} is not in valid_values")
    return str(value)


_CONVERTERS: dict[str, Callable[[str, Any], Any]] = {
    "name": _string,
    "description": _string,
    "device_id": _string,
    "device_owner": _string,
    "dns_name": _dns_name,
    "admin_state_up": _boolean,
    "mac_address": _mac,
    "fixed_ips": _fixed_ips,
    "security_groups": _groups,
    "allowed_address_pairs": _pairs,
    "qos_policy_id": _optional_uuid,
    "binding:vnic_type": _vnic_type,
}
