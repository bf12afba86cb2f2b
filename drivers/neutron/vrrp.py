# SPDX-License-Identifier: Apache-2.0
"""The port that an amphora has on a VIP's subnet, between which VRRP runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from networker.drivers import naming, rules
from networker.drivers.neutron import translate
from networker.drivers.neutron.translate import Json
from networker.models import VIP, Amphora


def key(amphora: Amphora) -> str:
    """Name the result of claiming an amphora's port."""
    return f"port-{amphora.id}"


def devices(amphorae: Iterable[Amphora]) -> list[str]:
    """Return by which devices the ports of amphorae on a network are found.

    A VRRP port that is not attached yet, or was released, has none.
    """
    servers = [one.compute_id for one in amphorae if one.compute_id]
    return ["", *servers]


def reusable(plugged: Sequence[Json], amphora: Amphora) -> Json | None:
    """Return a port that the amphora has on the network, but for the management's."""
    name = naming.vrrp_port(amphora.id or "")
    candidates = [
        p
        for p in plugged
        if p["device_id"] == amphora.compute_id
        or (not p["device_id"] and p["name"] == name)
    ]
    for port in sorted(candidates, key=lambda p: p["name"] != name):
        # While the management address is not known, any other port could be its.
        known = amphora.lb_network_ip or port["name"].startswith(naming.OURS)
        managing = translate.holds(port, amphora.lb_network_ip)
        if port["name"] == name or (known and not managing):
            return port
    return None


def wanted(vip: VIP, group_id: str | None) -> dict[str, Any]:
    """Return what an amphora's port lets in and may send.

    :param group_id: the load balancer's group; None if the cloud has no groups
    """
    groups = {"security_groups": [group_id, *vip.sg_ids]} if group_id else {}
    pairs = [{"ip_address": address} for address in rules.addresses(vip)]
    return {"allowed_address_pairs": pairs, **groups}


def body(vip: VIP, group_id: str | None, amphora: Amphora) -> Json:
    """Return the request that makes an amphora's port."""
    asked: Json = {
        "name": naming.vrrp_port(amphora.id or ""),
        "network_id": vip.network_id,
        "device_owner": naming.OWNER,
        "fixed_ips": [{"subnet_id": vip.subnet_id}],
        **wanted(vip, group_id),
    }
    if group_id:
        # A port is made with groups of its own project only. The user's follow when all
        # is settled.
        asked["security_groups"] = [group_id]
    if vip.vnic_type != "normal":
        asked["binding:vnic_type"] = vip.vnic_type
    return asked


def address(port: Json, vip: VIP) -> Json:
    """Return the change that gives a port an address on the VIP's subnet, if needed."""
    held = port["fixed_ips"]
    if any(ip["subnet_id"] == vip.subnet_id for ip in held):
        return {}
    return {"fixed_ips": [*held, {"subnet_id": vip.subnet_id}]}


def filled(amphora: Amphora, vip: VIP, port: Json) -> Amphora:
    """Return an amphora with what its port tells filled in."""
    own = [ip for ip in port["fixed_ips"] if ip["subnet_id"] == vip.subnet_id]
    return msgspec.structs.replace(
        amphora,
        vrrp_ip=own[0]["ip_address"] if own else None,
        ha_ip=vip.ip_address,
        vrrp_port_id=port["id"],
        ha_port_id=vip.port_id,
    )
