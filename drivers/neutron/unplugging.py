# SPDX-License-Identifier: Apache-2.0
"""A VIP's traffic no longer routed to amphorae, and its rules brought up to date."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

from networker import exceptions
from networker.drivers import naming, rules
from networker.drivers.deadline import require_time
from networker.drivers.flow import step, undoing
from networker.drivers.neutron import security_groups, translate
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.errors import Refused, is_gone
from networker.drivers.neutron.translate import Json
from networker.models import VIP, LoadBalancer


def unplug(cloud: Cloud, load_balancer: LoadBalancer, vip: VIP) -> None:
    """Do what :meth:`NetworkDriver.unplug_vip` says."""
    if not (vip.subnet_id or vip.network_id):
        raise exceptions.InvalidRequest(
            "unplug_vip: vip names neither a subnet_id nor a network_id",
            method="unplug_vip",
        )
    amphorae = load_balancer.amphorae
    place = {"network_id": vip.network_id} if vip.network_id else {}
    names = [naming.vrrp_port(amphora.id) for amphora in amphorae if amphora.id]
    ports = cloud.ports.list(name=names, **place) if names else []
    found = {port["id"] for port in ports}
    known = {amphora.vrrp_port_id for amphora in amphorae} - found - {None}
    others = cloud.ports.list(id=sorted(map(str, known))) if known else []
    ports += [port for port in others if port["name"].startswith(naming.VRRP)]
    reused = [port for port in others if not port["name"].startswith(naming.VRRP)]
    if ports:
        cloud.remove("unplug_vip", ports)
    if reused:
        management = [amphora.lb_network_ip for amphora in amphorae]
        _restore(cloud, load_balancer.id or "", reused, management)
    if not (ports or reused):
        _require(cloud, load_balancer, vip)


def _restore(
    cloud: Cloud, owner: str, ports: Iterable[Json], management: Sequence[str | None]
) -> None:
    """Take the VIP from ports that the servers had before it was plugged."""
    group_ids = {group["id"] for group in cloud.groups.find(owner)}
    for port in ports:
        ours = group_ids & set(port["security_groups"])
        if ours and not any(translate.holds(port, address) for address in management):
            kept = [g for g in port["security_groups"] if g not in ours]
            changes = {"security_groups": kept, "allowed_address_pairs": []}
            cloud.ports.update(port["id"], changes)


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


def update(cloud: Cloud, load_balancer: LoadBalancer, vip: VIP) -> None:
    """Do what :meth:`NetworkDriver.update_vip` says."""
    wanted = rules.wanted(load_balancer, vip)
    groups = cloud.groups.find(load_balancer.id or "")
    used = []
    if len(groups) > 1 and vip.port_id:
        used = [cloud.ports.get(vip.port_id)]
    group = security_groups.choose(groups, used)
    if group is None:
        raise exceptions.PluggedVIPNotFound(load_balancer_id=load_balancer.id)
    with undoing("update_vip") as on_failure:
        at_once = functools.partial(_at_once, cloud)
        change = cloud.rules.settle(group, wanted, at_once)
        on_failure(cloud.rules.undo, change)
        require_time()


def _at_once(
    cloud: Cloud, function: Callable[[Json], object], surplus: Sequence[Json]
) -> None:
    steps = [
        step(function, name=f"remove rule {rule['id']}", rule=rule) for rule in surplus
    ]
    cloud.flows.run("update_vip: remove rules", steps)
