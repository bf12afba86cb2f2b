# SPDX-License-Identifier: Apache-2.0
"""A VIP's traffic no longer routed to amphorae: unplug_vip and unplug_aap_port."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Any

from networker import exceptions
from networker.drivers import naming
from networker.drivers.flow import step
from networker.drivers.neutron import each, lending, translate
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.errors import Refused, is_gone
from networker.drivers.neutron.translate import Json
from networker.drivers.vip import is_deleted
from networker.models import VIP, Amphora, LoadBalancer, Subnet


def unplug(cloud: Cloud, load_balancer: LoadBalancer, vip: VIP) -> None:
    """Do what :meth:`NetworkDriver.unplug_vip` says."""
    if not (vip.subnet_id or vip.network_id):
        raise exceptions.InvalidRequest(
            "unplug_vip: vip names neither a subnet_id nor a network_id",
            method="unplug_vip",
        )
    amphorae = [one for one in load_balancer.amphorae if not is_deleted(one)]
    owner = load_balancer.id or ""
    if not _unplugged(cloud, owner, amphorae, vip.network_id):
        _require(cloud, load_balancer, vip)


def unplug_one(cloud: Cloud, vip: VIP, amphora: Amphora, subnet: Subnet) -> None:
    """Do what :meth:`NetworkDriver.unplug_aap_port` says."""
    owner = vip.load_balancer_id or amphora.load_balancer_id or ""
    _unplugged(cloud, owner, [amphora], subnet.network_id)


def _unplugged(
    cloud: Cloud, owner: str, amphorae: Sequence[Amphora], network_id: str | None
) -> bool:
    """Unplug amphorae, and tell whether any was plugged.

    :param owner: the load balancer's id, as far as it is known
    """
    place = {"network_id": network_id} if network_id else {}
    names = {naming.vrrp_port(one.id): one for one in amphorae if one.id}
    ports = cloud.ports.list(name=sorted(names), **place) if names else []
    found = {port["name"] for port in ports}
    missing = [one for one in amphorae if naming.vrrp_port(one.id or "") not in found]
    others = _others(cloud, missing, place)
    ports += [port for port in others if port["name"].startswith(naming.VRRP)]
    made = list({port["id"]: port for port in ports}.values())
    reused = [port for port in others if not port["name"].startswith(naming.VRRP)]
    management = {one.lb_network_ip for one in amphorae}
    errors: each.Errors = {}
    try:
        freed, errors = _freed(cloud, owner, reused, management)
    finally:
        if made:
            # Last, since it takes long; and whatever became of the others.
            cloud.remove("unplug_vip", made)
    each.raise_all(errors)
    return freed or bool(made)


def _others(
    cloud: Cloud, amphorae: Sequence[Amphora], place: dict[str, str]
) -> list[Json]:
    """Return ports that may be amphorae's VRRP ports although they are named otherwise."""
    known = sorted({one.vrrp_port_id for one in amphorae if one.vrrp_port_id})
    servers = sorted({one.compute_id for one in amphorae if one.compute_id})
    find = cloud.ports.list
    looks = []
    if known:
        looks.append(step(find, name="known", provides="known", id=known))
    if servers and place:
        filters: dict[str, Any] = {"device_id": servers, **place}
        looks.append(step(find, name="servers'", provides="servers'", **filters))
    done = cloud.flows.run("unplug_vip: look", looks) if looks else {}
    ports = [*done.get("known", ()), *done.get("servers'", ())]
    return list({port["id"]: port for port in ports}.values())


def _freed(
    cloud: Cloud, owner: str, ports: Sequence[Json], management: Collection[str | None]
) -> tuple[bool, each.Errors]:
    """Take a VIP from ports that the servers had before it was plugged.

    :param owner: the load balancer's id; if it is empty, the ports' groups tell
    :param management: addresses whose ports are left alone
    :returns: whether any had it, and what went wrong with some
    """
    ports = [
        port
        for port in ports
        if not any(translate.holds(port, address) for address in management)
    ]
    held = {group_id for port in ports for group_id in translate.groups(port)}
    if not held:
        return False, {}
    groups = cloud.groups.find(owner) if owner else cloud.groups.named(held)
    group_ids = {group["id"] for group in groups}
    ports = [port for port in ports if group_ids & set(translate.groups(port))]

    def free(port: Json) -> None:
        lending.back(cloud, port, groups)
        lending.forget(cloud, port["id"], groups)

    calls = {f"port {port['id']}": functools.partial(free, port) for port in ports}
    return bool(ports), each.attempt(cloud.flows, "unplug_vip: free", calls)[1]


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
