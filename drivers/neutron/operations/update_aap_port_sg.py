# SPDX-License-Identifier: Apache-2.0
"""Set the security groups of an amphora's VRRP port."""

from __future__ import annotations

from networker import exceptions
from networker.context import require_time
from networker.drivers.flow import OnFailure, task
from networker.drivers.neutron.api.answers import Json, PortAnswer
from networker.drivers.neutron.api.translation import difference
from networker.drivers.neutron.resources import port_backup, security_groups
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.ownership import Claimed, is_lent
from networker.drivers.neutron.resources.vip_group import look_for_groups
from networker.drivers.vip import is_deleted
from networker.models import VIP, Amphora, LoadBalancer


def run(cloud: Cloud, load_balancer: LoadBalancer, amphora: Amphora, vip: VIP) -> None:
    """Set the VIP's security group and the user's on an amphora's VRRP port."""
    if is_deleted(amphora):
        return
    owner, port_id = load_balancer.id or "", amphora.vrrp_port_id or ""
    get = task(cloud.ports.get, name="port", port_id=port_id)
    look = look_for_groups(cloud, owner)
    found = cloud.flows.run("update_aap_port_sg: look", [get, look])
    port, groups = found[get], found[look]
    if groups is None:
        return
    group = security_groups.choose(groups, [port])
    if group is None:
        raise exceptions.MissingVIPSecurityGroup(load_balancer_id=load_balancer.id)
    wanted = {"security_groups": [group["id"], *vip.sg_ids]}
    if not difference(port, wanted):
        if cloud.ports.rely(port) is None:
            cloud.ports.get(port_id)
        return

    def change(now: PortAnswer) -> Json:
        needed = difference(now, wanted)
        if is_lent(now):
            port_backup.save(cloud, owner, group, now, needed)
        return needed

    with OnFailure("update_aap_port_sg") as on_failure:
        cloud.ports.change(Claimed(port, made=False), change, on_failure)
        require_time()
