# SPDX-License-Identifier: Apache-2.0
"""Let a port carry traffic, or not."""

from __future__ import annotations

import sqlite3

from networker.drivers.sandbox.records import ports


def run(tx: sqlite3.Connection, port_id: str, up: bool) -> None:
    """Let a port carry traffic, or not."""
    ports.get(tx, port_id)
    ports.set_admin_state(tx, port_id, up)
