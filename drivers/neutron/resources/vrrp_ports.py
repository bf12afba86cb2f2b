# SPDX-License-Identifier: Apache-2.0
"""Plug and unplug the ports of amphorae on a VIP's subnet, between which VRRP runs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from networker.drivers import naming, rules
from networker.drivers.flow import Errors, OnFailure, Task, attempt, raise_all, task
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import Json, PortAnswer
from networker.drivers.neutron.api.translation import difference
from networker.drivers.neutron.resources import ownership, port_backup
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.ownership import (
    Changed,
    Claimed,
    is_lent,
    is_ours,
)
from networker.models import VIP, Amphora


@dataclasses.dataclass(frozen=True)
class VrrpPorts:
    """What every call that plugs a VIP does with the port of each amphora.

    :param owner: the load balancer's id
    :param relied: ids of what the call found or made
    """

    cloud: Cloud
    owner: str
    relied: set[str]

    def claim(
        self,
        vip: VIP,
        group_id: str | None,
        amphora: Amphora,
        plugged: Sequence[PortAnswer],
    ) -> Claimed:
        """Find or make a port.

        :param group_id: the load balancer's group; None if the cloud has no groups
        :param plugged: ports on the VIP's network that may be the amphora's
        """
        port = reusable(plugged, amphora)
        if port is not None and not port["device_id"]:
            # Whoever may make ports on the network can give them any name.
            own = port["project_id"] == self.cloud.network.project_id()
            port = port if own else None
        if port is not None and is_ours(port) and ownership.is_recent(port):
            port = self.cloud.ports.mark(port["id"])
        if port is None:
            claimed = self._make(vip, group_id, amphora)
        else:
            claimed = Claimed(port, made=False)
        self.relied.add(claimed.port["id"])
        return claimed

    def _make(self, vip: VIP, group_id: str | None, amphora: Amphora) -> Claimed:
        body = new_port(vip, group_id, amphora)
        place = amphora.id or "", str(vip.network_id)
        return self.cloud.ports.claim(body, "vrrp", self.owner, *place)

    def change(
        self, claimed: Claimed, vip: VIP, group_id: str | None, on_failure: OnFailure
    ) -> Changed:
        """Give a port what the VIP needs.

        :param on_failure: is told what takes that from it
        """

        def wanted(port: PortAnswer) -> Json:
            needed = missing(port, vip, group_id)
            if group_id and needed and is_lent(port):
                group = {"id": group_id}
                port_backup.save(self.cloud, self.owner, group, port, needed)
            return needed

        return self.cloud.ports.change(claimed, wanted, on_failure)

    def attaching(
        self, amphora: Amphora, claimed: Task[Claimed] | Task[Changed]
    ) -> Task[PortAnswer | None]:
        """Return the task that attaches an amphora's port to its server."""
        servers, compute_id = self.cloud.servers, amphora.compute_id or ""
        return task(
            servers.attach,
            name=f"attach {amphora.id}",
            revert=functools.partial(servers.unattach, compute_id),
            compute_id=compute_id,
            claimed=claimed,
        )

    def plugging(
        self,
        vip: VIP,
        group_id: str | None,
        amphora: Amphora,
        plugged: Sequence[PortAnswer],
    ) -> tuple[Task[Claimed], Task[Changed], Task[PortAnswer | None]]:
        """Return the tasks that plug an amphora into a VIP whose group is known.

        They claim its port, change the port, and attach it.

        :param plugged: ports on the VIP's network that may be the amphora's
        """
        about: dict[str, Any] = {"vip": vip, "group_id": group_id}
        claim = task(
            self.claim,
            name=f"port of {amphora.id}",
            revert=self.cloud.ports.disclaim,
            amphora=amphora,
            plugged=plugged,
            **about,
        )
        name, about["claimed"] = f"change port of {amphora.id}", claim
        change = task(self.change, name=name, reverts_itself=True, **about)
        return claim, change, self.attaching(amphora, change)


def devices(amphorae: Iterable[Amphora]) -> list[str]:
    """Return by which devices the ports of amphorae on a network are found.

    A VRRP port that is not attached yet, or was released, has none.
    """
    servers = [one.compute_id for one in amphorae if one.compute_id]
    return ["", *servers]


def reusable(plugged: Sequence[PortAnswer], amphora: Amphora) -> PortAnswer | None:
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
        managing = translation.holds(port, amphora.lb_network_ip)
        if port["name"] == name or (known and not managing):
            return port
    return None


def vip_attributes(vip: VIP, group_id: str | None) -> dict[str, Any]:
    """Return what an amphora's port lets in and may send.

    :param group_id: the load balancer's group; None if the cloud has no groups
    """
    groups = {"security_groups": [group_id, *vip.sg_ids]} if group_id else {}
    pairs = [{"ip_address": address} for address in rules.addresses(vip)]
    return {"allowed_address_pairs": pairs, **groups}


def new_port(vip: VIP, group_id: str | None, amphora: Amphora) -> Json:
    """Return the request that makes an amphora's port."""
    asked: Json = {
        "name": naming.vrrp_port(amphora.id or ""),
        "network_id": vip.network_id,
        "device_owner": naming.OWNER,
        "fixed_ips": [{"subnet_id": vip.subnet_id}],
        **vip_attributes(vip, group_id),
    }
    if group_id:
        # A port is made with groups of its own project only. The user's follow when all
        # is settled.
        asked["security_groups"] = [group_id]
    if vip.vnic_type != "normal":
        asked["binding:vnic_type"] = vip.vnic_type
    return asked


def missing(port: PortAnswer, vip: VIP, group_id: str | None) -> Json:
    """Return what to change of an amphora's port: all that is not as the VIP needs it.

    :param group_id: the load balancer's group; None if the cloud has no groups
    """
    needed, held = difference(port, vip_attributes(vip, group_id)), port["fixed_ips"]
    if not any(ip["subnet_id"] == vip.subnet_id for ip in held):
        needed["fixed_ips"] = [*held, {"subnet_id": vip.subnet_id}]
    return needed


def filled(amphora: Amphora, vip: VIP, port: PortAnswer) -> Amphora:
    """Return an amphora with what its port tells filled in."""
    own = [ip for ip in port["fixed_ips"] if ip["subnet_id"] == vip.subnet_id]
    return msgspec.structs.replace(
        amphora,
        vrrp_ip=own[0]["ip_address"] if own else None,
        ha_ip=vip.ip_address,
        vrrp_port_id=port["id"],
        ha_port_id=vip.port_id,
    )


def remove(
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
    errors: Errors = {}
    try:
        freed, errors = _freed(cloud, owner, reused, management)
    finally:
        if made:
            # Last, since it takes long; and whatever became of the others.
            cloud.remove("unplug_vip", made)
    raise_all(errors)
    return freed or bool(made)


def _others(
    cloud: Cloud, amphorae: Sequence[Amphora], place: dict[str, str]
) -> list[PortAnswer]:
    """Return ports that may be amphorae's VRRP ports although they are named otherwise."""
    known = sorted({one.vrrp_port_id for one in amphorae if one.vrrp_port_id})
    servers = sorted({one.compute_id for one in amphorae if one.compute_id})
    find = cloud.ports.list
    looks = [task(find, name="known", id=known)] if known else []
    if servers and place:
        filters: dict[str, Any] = {"device_id": servers, **place}
        looks.append(task(find, name="servers'", **filters))
    if not looks:
        return []
    done = cloud.flows.run("unplug_vip: look", looks)
    return list({port["id"]: port for one in looks for port in done[one]}.values())


def _freed(
    cloud: Cloud,
    owner: str,
    ports: Sequence[PortAnswer],
    management: Collection[str | None],
) -> tuple[bool, Errors]:
    """Take a VIP from ports that the servers had before it was plugged.

    :param owner: the load balancer's id; if it is empty, the ports' groups tell
    :param management: addresses whose ports are left alone
    :returns: whether any had it, and what went wrong with some
    """
    ports = [
        port
        for port in ports
        if not any(translation.holds(port, address) for address in management)
    ]
    held = {group_id for port in ports for group_id in translation.groups(port)}
    if not held:
        return False, {}
    groups = cloud.groups.find(owner) if owner else cloud.groups.named(held)
    group_ids = {group["id"] for group in groups}
    ports = [port for port in ports if group_ids & set(translation.groups(port))]

    def free(port: PortAnswer) -> None:
        port_backup.restore(cloud, port, groups)
        port_backup.forget(cloud, port["id"], groups)

    calls = {f"port {port['id']}": functools.partial(free, port) for port in ports}
    return bool(ports), attempt(cloud.flows, "unplug_vip: free", calls)[1]
