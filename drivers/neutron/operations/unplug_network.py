# SPDX-License-Identifier: Apache-2.0
"""Disconnect a server from a network."""

from __future__ import annotations

from networker.drivers.delta import OldInterface
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.resources import interfaces
from networker.drivers.neutron.resources.cloud import Cloud


def run(cloud: Cloud, compute_id: str, network_id: str, ip_address: str | None) -> None:
    """Disconnect a server from a network."""
    address = translation.canonical(ip_address) if ip_address else None
    old = OldInterface(compute_id, network_id, address=address)
    interfaces.remove(cloud, "unplug_network", interfaces.find(cloud, [old]))
