# SPDX-License-Identifier: Apache-2.0
"""Disconnect a server from a network."""

from __future__ import annotations

import sqlite3

from networker.drivers.delta import OldInterface
from networker.drivers.sandbox.records import interfaces


def run(
    tx: sqlite3.Connection, compute_id: str, network_id: str, ip_address: str | None
) -> None:
    """Disconnect a server from a network."""
    interfaces.unplug(tx, OldInterface(compute_id, network_id, address=ip_address))
