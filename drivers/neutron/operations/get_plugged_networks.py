# SPDX-License-Identifier: Apache-2.0
"""Return the interfaces of a server."""

from __future__ import annotations

from networker.drivers.neutron.api import translation
from networker.drivers.neutron.resources.cloud import Cloud
from networker.models import Interface


def run(cloud: Cloud, compute_id: str) -> list[Interface]:
    """Return the interfaces of a server, the management network's included."""
    found = cloud.ports.list(device_id=compute_id)
    if not found:
        cloud.servers.require(compute_id)
    return [translation.interface(port, compute_id) for port in found]
