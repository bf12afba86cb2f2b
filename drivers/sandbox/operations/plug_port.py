# SPDX-License-Identifier: Apache-2.0
"""Attach a port to an amphora's server."""

from __future__ import annotations

import sqlite3

from networker.drivers.sandbox.records import interfaces, inventory, ports
from networker.models import Amphora, Interface, Port


def run(tx: sqlite3.Connection, amphora: Amphora, port: Port) -> Interface:
    """Attach a port to an amphora's server."""
    server = inventory.server(tx, amphora.compute_id)
    interface = interfaces.shown(ports.attach(tx, ports.get(tx, port.id or ""), server))
    interface.amphora_id = amphora.id
    return interface
