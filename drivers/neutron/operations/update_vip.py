# SPDX-License-Identifier: Apache-2.0
"""Bring the rules of a VIP's security group in line with the listeners."""

from __future__ import annotations

from networker import exceptions
from networker.context import require_time
from networker.drivers import naming, rules
from networker.drivers.flow import OnFailure
from networker.drivers.neutron.resources import security_groups
from networker.drivers.neutron.resources.cloud import Cloud
from networker.models import VIP, LoadBalancer


def run(cloud: Cloud, load_balancer: LoadBalancer, *, for_delete: bool) -> None:
    """Bring the VIP's security group in line with the load balancer's listeners."""
    vip = load_balancer.vip or VIP()
    wanted = rules.wanted(load_balancer, vip)
    groups = cloud.groups.look(naming.vip_device(load_balancer.id or ""))
    if groups is None or (for_delete and not groups):
        return
    used = []
    if len(groups) > 1 and vip.port_id:
        used = [cloud.ports.get(vip.port_id)]
    group = security_groups.choose(groups, used)
    if group is None:
        raise exceptions.MissingVIPSecurityGroup(load_balancer_id=load_balancer.id)
    with OnFailure("update_vip") as on_failure:
        at_once = cloud.remove_rules_at_once
        cloud.rules.change_shared(group, wanted, at_once, on_failure)
        require_time()
