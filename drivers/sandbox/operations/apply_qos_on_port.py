# SPDX-License-Identifier: Apache-2.0
"""Set the QoS policy of a port."""

from __future__ import annotations

import sqlite3

from networker.drivers.sandbox.records import inventory, ports


def run(tx: sqlite3.Connection, port_id: str, policy_id: str | None) -> None:
    """Set the QoS policy of a port."""
    ports.get(tx, port_id)
    if policy_id:
        inventory.qos_policy(tx, policy_id)
    ports.set_policy(tx, port_id, policy_id)
