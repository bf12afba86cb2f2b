# SPDX-License-Identifier: Apache-2.0
"""Route the traffic of a VIP to one amphora."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from networker import exceptions
from networker.drivers.flow import task
from networker.drivers.neutron.api.answers import GroupAnswer, PortAnswer
from networker.drivers.neutron.resources import ownership, security_groups, vrrp_ports
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.vip_group import look_for_groups
from networker.drivers.neutron.resources.vrrp_ports import VrrpPorts
from networker.models import VIP, Amphora, LoadBalancer, Subnet


def run(
    cloud: Cloud,
    load_balancer: LoadBalancer,
    vip: VIP,
    amphora: Amphora,
    subnet: Subnet,
) -> Amphora:
    """Route the traffic of a VIP to one amphora."""
    place = {"subnet_id": subnet.id, "network_id": subnet.network_id}
    placed = msgspec.structs.replace(vip, **place)
    owner = load_balancer.id or ""
    return ownership.repeat_if_gone(
        lambda relied: _plug(cloud, owner, placed, amphora, relied)
    )


def _plug(
    cloud: Cloud, owner: str, vip: VIP, amphora: Amphora, relied: set[str]
) -> Amphora:
    """Run all tasks, and return the amphora with what is known of its port."""
    near = task(
        cloud.ports.list,
        name="ports",
        network_id=vip.network_id,
        device_id=vrrp_ports.devices([amphora]),
    )
    look = look_for_groups(cloud, owner)
    found = cloud.flows.run("plug_aap_port: look", [near, look])
    groups, group_id = found[look], None
    if groups is not None:
        group_id = _group(cloud, owner, vip, groups, found[near])
        relied.add(group_id)
    ports = VrrpPorts(cloud, owner, relied)
    claim, change, attach = ports.plugging(vip, group_id, amphora, found[near])
    run = cloud.flows.run
    done = run("plug_aap_port", [claim, change, attach], timely=True)
    return vrrp_ports.filled(amphora, vip, done[change].port)


def _group(
    cloud: Cloud,
    owner: str,
    vip: VIP,
    groups: Sequence[GroupAnswer],
    ports: Sequence[PortAnswer],
) -> str:
    """Return the id of the VIP's group."""
    used = list(ports)
    if len(groups) > 1 and vip.port_id:
        used.insert(0, cloud.ports.get(vip.port_id))
    group = security_groups.choose(groups, used)
    if group is None:
        raise exceptions.MissingVIPSecurityGroup(load_balancer_id=owner)
    return group["id"]
