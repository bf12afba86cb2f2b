# SPDX-License-Identifier: Apache-2.0
"""Connect a server to a network."""

from __future__ import annotations

import sqlite3

from networker.drivers.delta import NewInterface
from networker.drivers.sandbox.records import interfaces
from networker.models import FixedIP, Interface


def run(
    tx: sqlite3.Connection, compute_id: str, network_id: str, ip_address: str | None
) -> Interface:
    """Connect a server to a network."""
    places = [FixedIP(ip_address=ip_address)] if ip_address else []
    return interfaces.plug(tx, NewInterface(compute_id, network_id, places))
