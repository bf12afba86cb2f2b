# SPDX-License-Identifier: Apache-2.0
"""A picture of what a load balancer has in a cloud, the same for every run.

Ids and addresses are replaced by what they are of, so that the pictures of two load
balancers that lived the same life are equal. Everything is text, lists and dictionaries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import tenacity
from openstack.compute.v2.server import Server
from openstack.network.v2.port import Port
from openstack.network.v2.security_group import SecurityGroup

from tests.octavia.flows.cloud import View

Snapshot = dict[str, Any]

_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")
_UNKNOWN = "<other>"
#: Seconds between two looks at a cloud that may still be busy, and until it is given up.
_PAUSE, _PATIENCE = 1.0, 90.0


class Roles:
    """What ids and addresses are of.

    :param roles: by id or address
    """

    def __init__(self, roles: Mapping[str, str]) -> None:
        self._roles = dict(sorted(roles.items(), key=lambda item: -len(item[0])))

    def also(self, roles: Mapping[str, str]) -> Roles:
        """Return these roles and others."""
        return Roles({**self._roles, **roles})

    def exactly(self, one: str | None) -> str | None:
        """Return the role of an id or address."""
        return self._roles.get(one, _UNKNOWN) if one else None

    def within(self, text: str) -> str:
        """Replace each id and address in a text."""
        for one, role in self._roles.items():
            text = text.replace(one, role)
        return _ID.sub(_UNKNOWN, text)


def of(view: View, roles: Roles) -> Snapshot:
    """Describe what is there."""
    named = roles.also({g.id: roles.within(g.name) for g in view.groups})
    ports: dict[str, Any] = {}
    for name, port in sorted(_named(view.ports, roles), key=lambda item: item[0]):
        described = _port(port, port.id in view.attached, named)
        ports.setdefault(name, []).append(described)
    return {
        "ports": {name: sorted(same, key=str) for name, same in ports.items()},
        "groups": {
            roles.within(g.name): _group(g, named)
            for g in sorted(view.groups, key=lambda g: roles.within(g.name))
        },
        "servers": sorted(_server(server, roles) for server in view.servers),
    }


def settled(
    take: Callable[[], Snapshot], servers: int, pause: float = _PAUSE
) -> Snapshot:
    """Take snapshots until nothing changes any more, and return the last.

    :param servers: how many there have to be in the end, since Nova deletes them later
    :param pause: seconds between two of them
    """
    last: list[Snapshot] = [{}]

    def moving(now: Snapshot) -> bool:
        before, last[0] = last[0], now
        return now != before or len(now["servers"]) != servers

    return tenacity.Retrying(
        retry=tenacity.retry_if_result(moving),
        wait=tenacity.wait_fixed(pause),
        stop=tenacity.stop_after_delay(_PATIENCE),
        retry_error_callback=lambda _: last[0],
    )(take)


def _named(ports: list[Port], roles: Roles) -> list[tuple[str, Port]]:
    def name(port: Port) -> str:
        own = port.name or f"port of {port.device_id}"
        return f"{roles.within(own)} on {roles.exactly(port.network_id)}"

    return [(name(port), port) for port in ports]


def _port(port: Port, attached: bool, roles: Roles) -> dict[str, Any]:
    ips, pairs = port.fixed_ips or [], port.allowed_address_pairs or []
    return {
        "device_id": roles.within(port.device_id or ""),
        "device_owner": port.device_owner,
        "project": roles.exactly(port.project_id),
        "admin_state_up": port.is_admin_state_up,
        "attached": attached,
        "subnets": sorted(str(roles.exactly(ip["subnet_id"])) for ip in ips),
        "address_pairs": sorted(str(roles.exactly(p["ip_address"])) for p in pairs),
        "groups": sorted(str(roles.exactly(g)) for g in port.security_group_ids),
        "qos": roles.exactly(port.qos_policy_id),
        "vnic_type": port.binding_vnic_type,
    }


def _group(group: SecurityGroup, roles: Roles) -> dict[str, Any]:
    return {
        "project": roles.exactly(group.project_id),
        "rules": sorted(_rule(rule, roles) for rule in group.security_group_rules),
    }


def _rule(rule: Mapping[str, Any], roles: Roles) -> str:
    low, high = rule["port_range_min"], rule["port_range_max"]
    remote = rule["remote_ip_prefix"] or roles.exactly(rule["remote_group_id"])
    protocol = rule["protocol"] or "any protocol"
    ports = f" {low}-{high}" if (low, high) != (None, None) else ""
    what = f"{rule['direction']} {rule['ethertype']} {protocol}{ports}"
    return f"{what}, remote {remote or 'any'}"


def _server(server: Server, roles: Roles) -> str:
    return f"{roles.within(server.name)} {server.status}"
