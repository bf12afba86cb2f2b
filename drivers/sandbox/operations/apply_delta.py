# SPDX-License-Identifier: Apache-2.0
"""Change the plugging of several servers at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from networker.drivers import delta as reading
from networker.drivers.base import NetworkDriver
from networker.drivers.operation import failing_as
from networker.drivers.sandbox.records import interfaces
from networker.models import Delta, Interface


def waves(deltas: Sequence[Delta]) -> int:
    """Return how many waves of requests a cloud would need."""
    comes = any(
        reading.new_interfaces(delta) or reading.address_changes(delta)
        for delta in deltas
    )
    goes = any(reading.old_interfaces(delta) for delta in deltas)
    return (2 if comes else goes) + 2 * goes


def run(tx: sqlite3.Connection, deltas: Sequence[Delta]) -> list[Interface]:
    """Change the plugging of one or several servers, all at the same time."""
    reading.check(deltas)
    made = [one for delta in deltas for one in _added(tx, delta)]
    for delta in deltas:
        for gone in reading.old_interfaces(delta):
            about = {"compute_id": gone.compute_id, "network_id": gone.network_id}
            with failing_as(NetworkDriver.unplug_network, **about):
                interfaces.unplug(tx, gone)
    return made


def _added(tx: sqlite3.Connection, delta: Delta) -> Iterator[Interface]:
    for new in reading.new_interfaces(delta):
        about: dict[str, str | None] = {"compute_id": new.compute_id}
        about["network_id"] = new.network_id
        about["ip_address"] = new.address or None
        with failing_as(NetworkDriver.plug_network, **about):
            interface = interfaces.plug(tx, new)
        interface.amphora_id = delta.amphora_id
        yield interface
    for change in reading.address_changes(delta):
        with failing_as(NetworkDriver.plug_fixed_ip):
            interface = interfaces.readdress(tx, change)
        interface.amphora_id = delta.amphora_id
        yield interface
