# SPDX-License-Identifier: Apache-2.0
"""Make the ports of a server ready to outlive it."""

from __future__ import annotations

from networker import exceptions
from networker.context import require_time
from networker.drivers.flow import OnFailure
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.released_ports import ReleasedPorts
from networker.models import Amphora


def run(cloud: Cloud, amphora: Amphora) -> None:
    """Make an amphora's ports ready to outlive its server."""
    compute_id = amphora.compute_id or ""
    found = cloud.ports.list(device_id=compute_id)
    if not found:
        raise exceptions.PortNotFound(f"server {compute_id} has no port")
    if not amphora.lb_network_ip:
        # The management port could not be told from the others.
        raise exceptions.InvalidRequest(
            "failover_preparation: amphora.lb_network_ip must not be empty",
            method="failover_preparation",
        )
    management = translation.canonical(amphora.lb_network_ip)
    released = ReleasedPorts(
        cloud,
        compute_id,
        owners=[compute_id, amphora.id or ""],
        stays=lambda port: translation.holds(port, management),
    )
    with OnFailure("failover_preparation") as on_failure:
        released.release(found, on_failure)
        require_time()
