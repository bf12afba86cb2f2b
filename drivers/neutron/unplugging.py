# SPDX-License-Identifier: Apache-2.0
"""A VIP's traffic no longer routed to amphorae, and its rules brought up to date."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from networker import exceptions
from networker.drivers import naming, rules
from networker.drivers.flow import step
from networker.drivers.neutron import security_groups, translate
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.errors import Refused
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
        if refused.orig_code != 404:
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
    _reconcile(cloud, group, security_groups.plan(group, wanted))


def _reconcile(cloud: Cloud, group: Json, plan: security_groups.Plan) -> None:
    if not (plan.missing or plan.surplus):
        return
    add = step(
        cloud.groups.add,
        name="add rules",
        undo=cloud.groups.remove_all,
        group_id=group["id"],
        missing=plan.missing,
    )
    removals = [
        step(
            cloud.groups.remove,
            name=f"remove rule {rule['id']}",
            undo=cloud.groups.restore,
            rule=rule,
        )
        for rule in plan.surplus
    ]
    cloud.flows.run("update_vip", *[wave for wave in ([add], removals) if wave])
