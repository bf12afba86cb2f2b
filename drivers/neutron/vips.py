# SPDX-License-Identifier: Apache-2.0
"""The port that reserves a virtual IP: allocated and deallocated."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from networker import exceptions
from networker.drivers import naming
from networker.drivers.deadline import require_time
from networker.drivers.flow import step, undoing
from networker.drivers.neutron import each, lending, marks, others, translate
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.errors import Refused
from networker.drivers.neutron.ports import Claimed, is_attached, was_changed
from networker.drivers.neutron.translate import Json
from networker.drivers.vip import match
from networker.models import VIP, AdditionalVIP, LoadBalancer

#: What a step is called that looks for the ports in a load balancer's groups.
_USERS = "ports in the group"


@dataclasses.dataclass(frozen=True)
class Vips:
    """The VIPs of a cloud."""

    cloud: Cloud

    def allocate(self, load_balancer: LoadBalancer, vip: VIP) -> VIP:
        """Do what :meth:`NetworkDriver.allocate_vip` says."""
        owner = load_balancer.id or ""
        port = self._given(vip) if vip.port_id else None
        if port is not None:
            others.refuse(self.cloud, port, owner)
            port = self._relied(port, owner)
        if (
            port
            and match(vip, translate.port(port)) is None
            and _is_vip_of(port, owner)
        ):
            return self._replaced(port, load_balancer, vip)
        if port is None:
            return self._claimed(load_balancer, vip)
        return translate.vip(vip, port, owner)

    def _given(self, vip: VIP) -> Json | None:
        """Return the port that a VIP names, None if it has to be made again."""
        port = self.cloud.ports.find(vip.port_id or "")
        if port is None and not vip.octavia_owned:
            text = f"Port {vip.port_id} could not be found."
            raise Refused(orig_msg=text, orig_code=404, kind="PortNotFound")
        return port

    def _relied(self, port: Json, owner: str) -> Json | None:
        """Keep another call that has moved a VIP's port just now from moving it back."""
        if not (_is_vip_of(port, owner) and was_changed(port)):
            return port
        # The mark tells as before with which group the port goes.
        return self.cloud.ports.mark(port["id"], marks.another(port))

    def _replaced(self, port: Json, load_balancer: LoadBalancer, vip: VIP) -> VIP:
        """Reserve the wanted addresses instead of those that a port has."""
        wanted = _wanted(vip)
        network_id = vip.network_id or self._network_of(vip)
        if wanted and network_id == port["network_id"]:
            return self._moved(port, wanted, load_balancer, vip)
        # Its MAC address would be in the way of the new one's on the same network.
        first = network_id == port["network_id"]
        if first:
            self.cloud.ports.delete(port["id"])
        new = self._claimed(load_balancer, vip)
        if not first:
            self.cloud.ports.delete(port["id"])
        return new

    def _moved(
        self, port: Json, wanted: Sequence[Json], load_balancer: LoadBalancer, vip: VIP
    ) -> VIP:
        adjusting = self.cloud.adjusting

        def change(now: Json) -> Json:
            fits = match(vip, translate.port(now)) is not None
            return {} if fits else {"fixed_ips": wanted}

        with undoing("allocate_vip") as on_failure:
            moved = adjusting.adjust(Claimed(port, made=False), change)
            on_failure(adjusting.put_back, moved)
            described = translate.vip(vip, moved.port, load_balancer.id or "")
            require_time()
        return described

    def _claimed(self, load_balancer: LoadBalancer, vip: VIP) -> VIP:
        body = self._body(load_balancer, vip)
        owner, network_id = load_balancer.id or "", body["network_id"]
        ports = self.cloud.ports

        def described(claimed: Claimed) -> VIP:
            # What does not fit is not left for a call that would find it later.
            return translate.vip(vip, claimed.port, owner)

        claim = step(
            lambda: ports.claim(body, "vip", owner, network_id),
            name="VIP port",
            provides="claimed",
            undo=ports.disclaim,
        )
        describe = step(described, name="VIP", provides="vip")
        done = self.cloud.flows.run("allocate_vip", [claim], [describe], timely=True)
        found: VIP = done["vip"]
        return found

    def _body(self, load_balancer: LoadBalancer, vip: VIP) -> Json:
        owner = load_balancer.id or ""
        network_id = vip.network_id or self._network_of(vip)
        body: Json = {
            "name": naming.vip_port(owner),
            "network_id": network_id,
            "device_id": naming.vip_device(owner),
            "device_owner": naming.OWNER,
            "admin_state_up": False,
        }
        optional = {
            "project_id": load_balancer.project_id,
            "fixed_ips": _wanted(vip),
            "security_groups": vip.sg_ids,
        }
        return body | {name: value for name, value in optional.items() if value}

    def _network_of(self, vip: VIP) -> str:
        if not vip.subnet_id:
            raise Refused(
                orig_msg="load_balancer.vip names neither a port_id, a subnet_id "
                "nor a network_id"
            )
        subnet = self.cloud.network.get(f"/subnets/{vip.subnet_id}")["subnet"]
        return str(subnet["network_id"])

    def deallocate(self, vip: VIP) -> None:
        """Do what :meth:`NetworkDriver.deallocate_vip` says."""
        port, owner, groups = self._look(vip)
        if port is not None:
            _check(port, owner)
        group_ids = [group["id"] for group in groups]
        leaving = functools.partial(self._leaving, owner=owner, groups=groups)
        # Who names only the port would not find the rest without it.
        first = (
            [port] if port is not None and (vip.load_balancer_id or "").strip() else []
        )
        calls: dict[str, Callable[[], object]] = leaving(first)
        if group_ids:
            find = self.cloud.ports.list
            calls[_USERS] = functools.partial(find, security_groups=group_ids)
        found, failed = self._each(calls)
        if _USERS in failed:
            each.raise_all(failed)
        users: Sequence[Json] = found.get(_USERS, ())
        failed |= self._each(leaving(_once(port, users, first)))[1]
        each.raise_all(failed)
        delete = functools.partial(functools.partial, self.cloud.groups.delete)
        each.raise_all(self._each({f"group {i}": delete(i) for i in group_ids})[1])

    def _each(
        self, calls: Mapping[str, Callable[[], object]]
    ) -> tuple[dict[str, Any], each.Errors]:
        return each.attempt(self.cloud.flows, "deallocate_vip", calls)

    def _leaving(
        self, ports: Sequence[Json], owner: str, groups: Sequence[Json]
    ) -> dict[str, Callable[[], object]]:
        leave = functools.partial(self._leave, owner=owner, groups=groups)
        return {f"port {one['id']}": functools.partial(leave, one) for one in ports}

    def _look(self, vip: VIP) -> tuple[Json | None, str, Sequence[Json]]:
        """Return a VIP's port, its load balancer's id, and the security groups."""
        port_id, owner = (vip.port_id or "").strip(), vip.load_balancer_id or ""
        if owner.strip():
            found = self.cloud.flows.run(
                "deallocate_vip: look",
                [
                    step(
                        self._port,
                        name="VIP port",
                        provides="port",
                        port_id=port_id,
                        owner=owner,
                    ),
                    step(
                        self.cloud.groups.find,
                        name="security group",
                        provides="groups",
                        load_balancer_id=owner,
                    ),
                ],
            )
            return found["port"], owner, found["groups"]
        if not port_id:
            raise exceptions.VIPConfigurationNotFound
        port = self.cloud.ports.find(port_id)
        if port is None:
            return None, "", []
        owner = naming.owner_of(port["device_id"])
        return port, owner, self.cloud.groups.named(translate.groups(port))

    def _port(self, port_id: str, owner: str) -> Json | None:
        if port_id:
            return self.cloud.ports.find(port_id)
        # A port keeps its name when a server takes it, but not its device.
        named = self.cloud.ports.list(name=naming.vip_port(owner))
        ours = [p for p in named if is_attached(p) or self._is_ours(p, owner)]
        return ours[0] if ours else None

    def _is_ours(self, port: Json, owner: str) -> bool:
        # A port that a server had is marked by its MAC address only.
        network_id, prefix = (
            port["network_id"],
            self.cloud.ports.conf.neutron.mac_prefix,
        )
        mac = naming.mac_address(prefix, "vip", owner, network_id)
        return _reserves(port) or port["mac_address"] == mac

    def _leave(self, port: Json, owner: str, groups: Sequence[Json]) -> None:
        """Delete a port that was made for a load balancer; give others back."""
        if not (self._is_ours(port, owner) or port["name"].startswith(naming.VRRP)):
            lending.back(self.cloud, port, groups)
            return
        try:
            self.cloud.ports.delete(port["id"])
        except Refused as refused:
            if refused.orig_code != 409:
                raise
            raise _in_use(port, owner, refused.orig_msg or "") from refused


def _wanted(vip: VIP) -> list[dict[str, str]]:
    """Return the addresses to ask for; none where the network may choose them all."""
    places: list[VIP | AdditionalVIP] = [vip, *vip.additional]
    wanted = []
    for index, place in enumerate(places):
        asked = {"subnet_id": place.subnet_id, "ip_address": place.ip_address}
        wanted.append({name: value for name, value in asked.items() if value})
        if vip.additional and not wanted[-1]:
            which = f"vip.additional[{index - 1}]" if index else "vip"
            raise Refused(
                orig_msg=f"load_balancer.{which} names neither a subnet_id nor an "
                "ip_address"
            )
    return [place for place in wanted if place]


def _once(
    port: Json | None, others: Sequence[Json], gone: Sequence[Json]
) -> Sequence[Json]:
    """Return all ports but those that are gone, each once."""
    ports = {one["id"]: one for one in (*others, *([port] if port else ()))}
    without = {one["id"] for one in gone}
    return [one for one in ports.values() if one["id"] not in without]


def _is_vip_of(port: Json, owner: str) -> bool:
    ours = naming.vip_device(owner), naming.OWNER
    return (port["device_id"], port["device_owner"]) == ours


def _reserves(port: Json) -> bool:
    return bool(port["device_owner"] == naming.OWNER)


def _check(port: Json, owner: str) -> None:
    """Refuse to remove a port that something else uses.

    :raises VIPInUse: a server has it
    :raises Refused: it reserves another load balancer's VIP
    """
    if port["name"].startswith(naming.OURS) and is_attached(port):
        raise _in_use(
            port, owner, f"port {port['id']} is attached to {port['device_id']}"
        )
    device = port["device_id"]
    if _reserves(port) and naming.owner_of(device) not in ("", owner):
        raise Refused(
            orig_msg=f"port {port['id']} reserves the VIP of another load balancer: "
            f"{device}"
        )


def _in_use(port: Json, owner: str, why: str) -> exceptions.VIPInUse:
    held = port["fixed_ips"]
    return exceptions.VIPInUse(
        load_balancer_id=owner or None,
        ip_address=held[0]["ip_address"] if held else None,
        port_id=port["id"],
        orig_msg=why,
        orig_code=409,
    )
