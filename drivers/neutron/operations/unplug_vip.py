# SPDX-License-Identifier: Apache-2.0
"""Stop routing the traffic of a VIP to the load balancer's amphorae."""

from __future__ import annotations

from networker import exceptions
from networker.drivers.neutron.api.errors import Refused, is_gone
from networker.drivers.neutron.resources import vrrp_ports
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.vip import is_deleted
from networker.models import VIP, LoadBalancer


def run(cloud: Cloud, load_balancer: LoadBalancer, vip: VIP) -> None:
    """Stop routing the traffic of a VIP to the load balancer's amphorae."""
    if not (vip.subnet_id or vip.network_id):
        raise exceptions.InvalidRequest(
            "unplug_vip: vip names neither a subnet_id nor a network_id",
            method="unplug_vip",
        )
    amphorae = [one for one in load_balancer.amphorae if not is_deleted(one)]
    owner = load_balancer.id or ""
    if not vrrp_ports.remove(cloud, owner, amphorae, vip.network_id):
        _require(cloud, load_balancer, vip)


def _require(cloud: Cloud, load_balancer: LoadBalancer, vip: VIP) -> None:
    subnet, network = f"/subnets/{vip.subnet_id}", f"/networks/{vip.network_id}"
    try:
        cloud.network.get(subnet if vip.subnet_id else network)
    except Refused as refused:
        if not is_gone(refused):
            raise
        raise exceptions.PluggedVIPNotFound(
            load_balancer_id=load_balancer.id,
            subnet_id=vip.subnet_id,
            orig_msg=refused.orig_msg,
            orig_code=refused.orig_code,
        ) from refused
