# SPDX-License-Identifier: Apache-2.0
"""Stop routing the traffic of a VIP to one amphora."""

from __future__ import annotations

from networker.drivers.neutron.resources import vrrp_ports
from networker.drivers.neutron.resources.cloud import Cloud
from networker.models import VIP, Amphora, Subnet


def run(cloud: Cloud, vip: VIP, amphora: Amphora, subnet: Subnet) -> None:
    """Stop routing the traffic of a VIP to one amphora."""
    owner = vip.load_balancer_id or amphora.load_balancer_id or ""
    vrrp_ports.remove(cloud, owner, [amphora], subnet.network_id)
