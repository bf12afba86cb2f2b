# SPDX-License-Identifier: Apache-2.0
"""The security groups of a sandbox, and their rules."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from networker import models
from networker.drivers import rules
from networker.drivers.rules import Rule
from networker.drivers.sandbox.topology import project_id

#: The project that the driver works in.
SERVICE = project_id("service")
#: Name of the group of ports for which no other is named.
DEFAULT = "default"


class SecurityGroup(msgspec.Struct):
    """A security group, with those of its rules that a driver may change."""

    id: str
    name: str
    project_id: str
    rules: set[Rule]


def everything(tx: sqlite3.Connection) -> list[SecurityGroup]:
    """Return all security groups, oldest first."""
    rows = tx.execute("SELECT * FROM security_groups ORDER BY rowid").fetchall()
    return [
        SecurityGroup(**row, rules={rule for rule, _ in _managed(tx, row["id"])})
        for row in rows
    ]


def find(tx: sqlite3.Connection, name: str) -> str | None:
    """Return the id of the oldest security group of the driver's with a name, or None."""
    row = tx.execute(
        "SELECT id FROM security_groups WHERE name = ? AND project_id = ? "
        "ORDER BY rowid LIMIT 1",
        (name, SERVICE),
    ).fetchone()
    return str(row[0]) if row else None


def name_of(tx: sqlite3.Connection, group_id: str) -> str:
    """Return what a group of the driver's is called; nothing if it is somebody else's."""
    row = tx.execute(
        "SELECT name FROM security_groups WHERE id = ? AND project_id = ?",
        (group_id, SERVICE),
    ).fetchone()
    return str(row[0]) if row else ""


def default(tx: sqlite3.Connection) -> str:
    """Return the id of the group that new ports of the driver's get, made if need be."""
    return find(tx, DEFAULT) or add(tx, DEFAULT)


def shown(tx: sqlite3.Connection, group_id: str) -> models.SecurityGroup | None:
    """Return a security group as the interface shows it, or None."""
    row = tx.execute(
        "SELECT * FROM security_groups WHERE id = ?", (group_id,)
    ).fetchone()
    if row is None:
        return None
    rule_ids = [str(rule["id"]) for rule in rules_of(tx, group_id)]
    return models.SecurityGroup(
        **row, description="", security_group_rule_ids=rule_ids, stateful=True
    )


def add(tx: sqlite3.Connection, name: str, project: str = SERVICE) -> str:
    """Make a security group, which lets everything out as new groups do."""
    group_id = str(uuid.uuid4())
    row = (group_id, name, project)
    tx.execute("INSERT INTO security_groups VALUES (?, ?, ?)", row)
    for ethertype in ("IPv4", "IPv6"):
        add_rule(tx, group_id, {"direction": "egress", "ethertype": ethertype})
    return group_id


def add_rule(
    tx: sqlite3.Connection, group_id: str, rule: Mapping[str, str | int | None]
) -> None:
    """Add a rule, given as in a request to Neutron."""
    tx.execute(
        "INSERT INTO security_group_rules (security_group_id, direction, ethertype, "
        "protocol, port_range_min, port_range_max, remote_ip_prefix, remote_group_id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            group_id,
            rule["direction"],
            rule["ethertype"],
            rule.get("protocol"),
            rule.get("port_range_min"),
            rule.get("port_range_max"),
            rule.get("remote_ip_prefix"),
            rule.get("remote_group_id"),
        ),
    )


def rules_of(tx: sqlite3.Connection, group_id: str) -> list[dict[str, Any]]:
    """Return all rules of a group as Neutron shows them, oldest first."""
    rows = tx.execute(
        "SELECT * FROM security_group_rules WHERE security_group_id = ? ORDER BY id",
        (group_id,),
    )
    return [dict(row) for row in rows]


#: A rule, and whether it lets in the group's own ports only, which rules do not compare.
_Key = tuple[Rule, bool]


def _managed(tx: sqlite3.Connection, group_id: str) -> dict[_Key, list[int]]:
    """Return the rules that a driver may change, with the ids under which they are."""
    found: dict[_Key, list[int]] = {}
    for row in rules_of(tx, group_id):
        rule = rules.read(row)
        if rule is not None:
            found.setdefault((rule, rule.inside), []).append(row["id"])
    return found


def reconcile(tx: sqlite3.Connection, group_id: str, wanted: set[Rule]) -> None:
    """Add the rules that are missing, and remove the driver's others."""
    held, keys = _managed(tx, group_id), {(rule, rule.inside) for rule in wanted}
    for rule, _ in sorted(keys - held.keys()):
        add_rule(tx, group_id, rule.request(group_id))
    for key in held.keys() - keys:
        for rule_id in held[key]:
            tx.execute("DELETE FROM security_group_rules WHERE id = ?", (rule_id,))


def delete(tx: sqlite3.Connection, group_id: str) -> None:
    """Remove a security group, and take it from all ports."""
    tx.execute(
        "DELETE FROM port_security_groups WHERE security_group_id = ?", (group_id,)
    )
    tx.execute("DELETE FROM security_groups WHERE id = ?", (group_id,))
