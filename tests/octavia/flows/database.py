# SPDX-License-Identifier: Apache-2.0
"""Octavia's schema in an empty database, with what its migrations fill in."""

from __future__ import annotations

import sqlite3
from typing import Any

import sqlalchemy
from octavia.common import constants
from octavia.db import api, base_models, models

#: The tables that others refer to, and the names in them.
_NAMES = {
    models.Algorithm: constants.SUPPORTED_LB_ALGORITHMS,
    models.AmphoraRoles: constants.SUPPORTED_AMPHORA_ROLES,
    models.ClientAuthenticationMode: constants.SUPPORTED_CLIENT_AUTH_MODES,
    models.HealthMonitorType: constants.SUPPORTED_HEALTH_MONITOR_TYPES,
    models.L7PolicyAction: constants.SUPPORTED_L7POLICY_ACTIONS,
    models.L7RuleCompareType: constants.SUPPORTED_L7RULE_COMPARE_TYPES,
    models.L7RuleType: constants.SUPPORTED_L7RULE_TYPES,
    models.LBTopology: constants.SUPPORTED_LB_TOPOLOGIES,
    models.OperatingStatus: constants.SUPPORTED_OPERATING_STATUSES,
    models.Protocol: constants.SUPPORTED_PROTOCOLS,
    models.ProvisioningStatus: constants.SUPPORTED_PROVISIONING_STATUSES,
    models.SessionPersistenceType: constants.SUPPORTED_SP_TYPES,
    models.VRRPAuthMethod: constants.SUPPORTED_VRRP_AUTH,
}


def create() -> None:
    """Make all tables in the SQLite database that Octavia is configured for."""
    engine = api.get_engine()
    sqlalchemy.event.listen(engine, "connect", _lock_late)
    base_models.BASE.metadata.create_all(engine)
    with api.session().begin() as session:
        session.add_all(
            table(name=name) for table, names in _NAMES.items() for name in names
        )


def remember_amphorae(ids: set[str]) -> None:
    """Add the ids of amphorae to a set from now on, even if they are taken back."""

    def add(_mapper: Any, _connection: Any, amphora: Any) -> None:
        ids.add(amphora.id)

    sqlalchemy.event.listen(models.Amphora, "after_insert", add)


def _lock_late(connection: sqlite3.Connection, record: Any) -> None:
    # Else a transaction locks the file when it reads: of two that go on to write one is
    # refused, and one that is never ended, of the amphora noop driver, stops them all.
    connection.isolation_level = "IMMEDIATE"
    record.info["in_transaction"] = True  # so that oslo.db begins none itself
