# SPDX-License-Identifier: Apache-2.0
"""Delete a port."""

from __future__ import annotations

import sqlite3

from networker.drivers.sandbox.errors import Rejected
from networker.drivers.sandbox.records import ports

#: What the owners of ports begin with that routers hold on to.
_ROUTED = ("network:router_", "network:floatingip")


def run(tx: sqlite3.Connection, port_id: str) -> None:
    """Delete a port."""
    port = ports.find(tx, port_id)
    if port is not None and (port.device_owner or "").startswith(_ROUTED):
        raise Rejected(f"port {port_id} has owner {port.device_owner}", 409)
    ports.delete(tx, port_id)
