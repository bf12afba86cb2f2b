# SPDX-License-Identifier: Apache-2.0
"""Connect a server to a network."""

from __future__ import annotations

from networker.context import require_time
from networker.drivers.delta import NewInterface
from networker.drivers.flow import OnFailure
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.resources import interfaces
from networker.drivers.neutron.resources.cloud import Cloud
from networker.models import FixedIP, Interface


def run(
    cloud: Cloud, compute_id: str, network_id: str, ip_address: str | None
) -> Interface:
    """Connect a server to a network."""
    places = [FixedIP(ip_address=ip_address)] if ip_address else []
    new = NewInterface(compute_id, network_id, places)
    with OnFailure("plug_network") as on_failure:
        port = interfaces.plug(cloud, new, on_failure)
        require_time()
    return translation.interface(port, compute_id)
