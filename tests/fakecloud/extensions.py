# SPDX-License-Identifier: Apache-2.0
"""The extensions of a fake cloud's Neutron, and what a Neutron without one lacks."""

from __future__ import annotations

from collections.abc import Iterable

from tests.fakecloud.state import Json

ALIASES = (
    "allowed-address-pairs",
    "binding",
    "dns-integration",
    "empty-string-filtering",
    "external-net",
    "net-mtu",
    "network-ip-availability",
    "network-ip-availability-details",
    "port-security",
    "port-security-groups-filtering",
    "project-id",
    "provider",
    "qos",
    "qos-port-network-policy",
    "revision-if-match",
    "security-group",
    "standard-attr-description",
    "standard-attr-revisions",
    "standard-attr-tag",
    "standard-attr-timestamp",
    "stateful-security-group",
)
_RESOURCES = {
    "security-groups": "security-group",
    "security-group-rules": "security-group",
    "qos/policies": "qos",
    "network-ip-availabilities": "network-ip-availability",
}
_ATTRIBUTES = {
    "security-group": {"security_groups"},
    "qos": {"qos_policy_id", "qos_network_policy_id"},
    "dns-integration": {"dns_name", "dns_assignment", "dns_domain"},
}


def lacks(missing: Iterable[str], kind: str) -> bool:
    """Tell whether a Neutron without some extensions does not know a resource."""
    return _RESOURCES.get(kind) in set(missing)


def unknown_attributes(missing: Iterable[str]) -> set[str]:
    """Return the attributes that a Neutron without some extensions does not know."""
    return {name for alias in missing for name in _ATTRIBUTES.get(alias, ())}


def show(alias: str) -> Json:
    """Return an extension as the API shows it."""
    return {
        "alias": alias,
        "name": alias,
        "description": "",
        "updated": "2020-01-01T00:00:00-00:00",
        "links": [],
    }
