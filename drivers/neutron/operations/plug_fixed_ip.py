# SPDX-License-Identifier: Apache-2.0
"""Give a port an address on a subnet."""

from __future__ import annotations

from networker.context import require_time
from networker.drivers.flow import OnFailure
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import PortAnswer
from networker.drivers.neutron.resources import addresses
from networker.drivers.neutron.resources.cloud import Cloud


def run(
    cloud: Cloud, port_id: str, subnet_id: str, ip_address: str | None
) -> PortAnswer:
    """Give a port an address on a subnet, and return the port."""
    wanted = {"subnet_id": subnet_id}
    if ip_address:
        wanted["ip_address"] = translation.canonical(ip_address)
    with OnFailure("plug_fixed_ip") as on_failure:
        port = addresses.exchange(cloud, port_id, [wanted], [], on_failure)
        require_time()
    return port
