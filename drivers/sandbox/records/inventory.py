# SPDX-License-Identifier: Apache-2.0
"""Networks, subnets, servers and QoS policies, which only a topology makes."""

from __future__ import annotations

import sqlite3

import msgspec

from networker import exceptions
from networker._types import known
from networker.drivers.sandbox.errors import missing
from networker.models import Network, Port, QosPolicy, Subnet

for _kind in (Network, Port, QosPolicy, Subnet):
    known(_kind)


class ServerRecord(msgspec.Struct):
    """A server of the pretended compute service."""

    id: str
    name: str
    project_id: str


def networks(tx: sqlite3.Connection) -> list[Network]:
    """Return all networks, in the order of the topology."""
    rows = tx.execute("SELECT * FROM networks ORDER BY rowid").fetchall()
    return [_network(tx, row) for row in rows]


def network(tx: sqlite3.Connection, network_id: str) -> Network:
    """Return a network.

    :raises NetworkNotFound: it does not exist
    """
    row = tx.execute("SELECT * FROM networks WHERE id = ?", (network_id,)).fetchone()
    if row is None:
        raise missing(exceptions.NetworkNotFound, network_id=network_id)
    return _network(tx, row)


def _network(tx: sqlite3.Connection, row: sqlite3.Row) -> Network:
    ids = [subnet.id for subnet in subnets(tx, row["id"])]
    return msgspec.convert({**row, "subnets": ids}, Network, strict=False)


def subnets(tx: sqlite3.Connection, network_id: str | None = None) -> list[Subnet]:
    """Return the subnets of a network, or of all, in the order of the topology."""
    rows = tx.execute(
        "SELECT * FROM subnets WHERE :id IS NULL OR network_id = :id ORDER BY rowid",
        {"id": network_id},
    )
    return [msgspec.convert(dict(row), Subnet) for row in rows]


def subnet(tx: sqlite3.Connection, subnet_id: str) -> Subnet:
    """Return a subnet.

    :raises SubnetNotFound: it does not exist
    """
    row = tx.execute("SELECT * FROM subnets WHERE id = ?", (subnet_id,)).fetchone()
    if row is None:
        raise missing(exceptions.SubnetNotFound, subnet_id=subnet_id)
    return msgspec.convert(dict(row), Subnet)


def servers(tx: sqlite3.Connection) -> list[ServerRecord]:
    """Return all servers, in the order of the topology."""
    rows = tx.execute("SELECT * FROM servers ORDER BY rowid")
    return [ServerRecord(**row) for row in rows]


def server(tx: sqlite3.Connection, compute_id: str | None) -> ServerRecord:
    """Return a server.

    :raises AmphoraNotFound: it does not exist
    """
    row = tx.execute("SELECT * FROM servers WHERE id = ?", (compute_id,)).fetchone()
    if row is None:
        raise missing(exceptions.AmphoraNotFound, compute_id=compute_id)
    return ServerRecord(**row)


def qos_policy(tx: sqlite3.Connection, policy_id: str) -> QosPolicy:
    """Return a QoS policy.

    :raises QosPolicyNotFound: it does not exist
    """
    row = tx.execute("SELECT * FROM qos_policies WHERE id = ?", (policy_id,)).fetchone()
    if row is None:
        raise missing(exceptions.QosPolicyNotFound, qos_policy_id=policy_id)
    return msgspec.convert(dict(row), QosPolicy)
