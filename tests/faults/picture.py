# SPDX-License-Identifier: Apache-2.0
"""What exists in a fake cloud, item by item, in words that are the same in every run.

Ids, and addresses that Neutron chooses at random, are replaced by what they stand for.
"""

from __future__ import annotations

import json
from typing import Any

from networker.drivers import rules
from tests.fakecloud.state import Json, State

#: What a port keeps for its whole life, whoever looks.
_PLAIN = (
    "name",
    "network_id",
    "project_id",
    "device_id",
    "admin_state_up",
    "mac_address",
    "dns_name",
    "binding:host_id",
    "binding:vnic_type",
    "qos_policy_id",
)


def picture(state: State) -> str:
    """Return everything that requests can change, as text that can be compared."""
    # A project's default group is made when it is first needed, and never removed.
    groups = [g for g in state.groups.values() if g["name"] != "default"]
    shown = {
        "ports": sorted(_texts(_port(state, port) for port in state.ports.values())),
        "groups": sorted(_texts(_group(state, g) for g in groups)),
        "servers": {
            server.id: sorted(_name(state.ports.get(i)) for i in server.port_ids)
            for server in state.servers.values()
        },
    }
    return json.dumps(shown, indent=1)


def _texts(items: Any) -> list[str]:
    return [json.dumps(item, sort_keys=True) for item in items]


def _name(port: Json | None) -> str:
    return f"{port['name']} on {port['network_id']}" if port else "nothing"


def _port(state: State, port: Json) -> Json:
    mine = port["fixed_ips"]
    description = port["description"]
    groups = [state.groups[i]["name"] for i in port["security_groups"]]
    return {name: port[name] for name in _PLAIN} | {
        # Nova leaves a port that it has detached without an owner, whatever was there.
        "device_owner": port["device_owner"] if port["device_id"] else "",
        "security_groups": sorted(groups),
        "fixed_ips": sorted(ip["subnet_id"] for ip in mine),
        "pairs": sorted(_holders(state, port)),
        # Marks differ from call to call.
        "description": "" if description.startswith("networker ") else description,
    }


def _holders(state: State, port: Json) -> list[str]:
    """Name those whose addresses a port may send from."""
    held = {ip["ip_address"]: p for p in state.ports.values() for ip in p["fixed_ips"]}
    pairs = port["allowed_address_pairs"]
    return [_name(held.get(pair["ip_address"])) for pair in pairs]


def _group(state: State, group: Json) -> Json:
    held = [r for r in state.rules.values() if r["security_group_id"] == group["id"]]
    known = sorted(str(rules.read(rule) or rule["direction"]) for rule in held)
    return {"name": group["name"], "rules": known}
