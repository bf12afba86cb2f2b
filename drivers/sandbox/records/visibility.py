# SPDX-License-Identifier: Apache-2.0
"""What users see, who are known by their tokens: ``user-of:PROJECT``."""

from __future__ import annotations

import sqlite3

from networker import exceptions
from networker.drivers.sandbox.topology import project_id
from networker.models import UserContext

#: What tokens begin with; the id or the name of a project follows.
PREFIX = "user-of:"

_SEEN = {
    "networks": "SELECT 1 FROM networks WHERE id = :id AND "
    "(project_id = :of OR shared OR router_external)",
    "subnets": "SELECT 1 FROM subnets JOIN networks ON networks.id = network_id "
    "WHERE subnets.id = :id AND (networks.project_id = :of OR shared OR router_external)",
    "ports": "SELECT 1 FROM ports JOIN networks ON networks.id = network_id "
    "WHERE ports.id = :id AND :of IN (ports.project_id, networks.project_id)",
    "security_groups": "SELECT 1 FROM security_groups "
    "WHERE id = :id AND project_id = :of",
    "qos_policies": "SELECT 1 FROM qos_policies "
    "WHERE id = :id AND (project_id = :of OR shared)",
}
_KNOWN = " UNION ".join(
    f"SELECT 1 FROM {table} WHERE project_id = :of"  # noqa: S608
    for table in (*_SEEN, "servers")
)


def sees(
    tx: sqlite3.Connection, context: UserContext | None, table: str, row_id: str
) -> bool:
    """Tell whether something exists for who asks.

    :param context: the user; None for the service itself, which sees everything
    :raises NetworkException: the user's token is none
    """
    if context is None:
        return True
    values = {"id": row_id, "of": _project(tx, context.auth_token)}
    return tx.execute(_SEEN[table], values).fetchone() is not None


def _project(tx: sqlite3.Connection, token: str) -> str:
    if token.startswith(PREFIX):
        named = token.removeprefix(PREFIX)
        for project in (named, project_id(named)):
            if tx.execute(_KNOWN, {"of": project}).fetchone():
                return project
    text = "The request you have made requires authentication."
    raise exceptions.NetworkException(text, orig_msg=text, orig_code=401)
