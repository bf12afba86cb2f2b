# SPDX-License-Identifier: Apache-2.0
"""Make an amphora's ports ready to outlive its server."""

from __future__ import annotations

import sqlite3

from networker import exceptions
from networker.drivers.sandbox.records import addresses, ports
from networker.models import Amphora


def run(tx: sqlite3.Connection, amphora: Amphora) -> None:
    """Make an amphora's ports ready to outlive its server."""
    found = ports.select(tx, device_id=amphora.compute_id)
    if not found:
        raise exceptions.PortNotFound(f"server {amphora.compute_id} has no port")
    management = addresses.canonical(amphora.lb_network_ip or "")
    for port in found:
        if management not in [fixed_ip.ip_address for fixed_ip in port.fixed_ips]:
            ports.release(tx, port.id)
