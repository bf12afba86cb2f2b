# SPDX-License-Identifier: Apache-2.0
"""Return the interfaces of a server."""

from __future__ import annotations

import sqlite3

from networker.drivers.sandbox.records import interfaces, inventory, ports
from networker.models import Interface


def run(tx: sqlite3.Connection, compute_id: str) -> list[Interface]:
    """Return the interfaces of a server, the management network's included."""
    found = ports.select(tx, device_id=compute_id)
    if not found:
        inventory.server(tx, compute_id)
    return [interfaces.shown(port) for port in found]
