# SPDX-License-Identifier: Apache-2.0
"""How many addresses a network has."""

from __future__ import annotations

from networker.drivers.neutron.api import Api
from networker.drivers.neutron.errors import Refused
from networker.drivers.neutron.translate import Json
from networker.models import NetworkIPAvailability, SubnetIPAvailability


def of_network(api: Api, network_id: str) -> NetworkIPAvailability:
    """Return how many addresses a network and its subnets have and use.

    :raises Refused: the network does not exist, or Neutron does not tell the service
    """
    try:
        answer = api.get(f"/network-ip-availabilities/{network_id}")
    except Refused as refused:
        # Neutron answers a question that its policy forbids with a 404 of no kind.
        if refused.orig_code != 403 and refused.kind not in (None, "HTTPNotFound"):
            raise
        text = (
            f"{refused.orig_msg} (Neutron's policy get_network_ip_availability asks for "
            "the role service or admin)"
        )
        code = refused.orig_code
        raise Refused(orig_msg=text, orig_code=code, kind=refused.kind) from refused
    return _read(answer["network_ip_availability"])


def _read(data: Json) -> NetworkIPAvailability:
    return NetworkIPAvailability(
        project_id=data.get("project_id") or data.get("tenant_id"),
        network_id=data["network_id"],
        network_name=data["network_name"],
        total_ips=data["total_ips"],
        used_ips=data["used_ips"],
        subnet_ip_availability=[
            SubnetIPAvailability(
                subnet_id=subnet["subnet_id"],
                subnet_name=subnet["subnet_name"],
                cidr=subnet["cidr"],
                ip_version=subnet["ip_version"],
                total_ips=subnet["total_ips"],
                used_ips=subnet["used_ips"],
            )
            for subnet in data["subnet_ip_availability"]
        ],
    )
