# SPDX-License-Identifier: Apache-2.0
"""Remove everything that reserves a virtual IP; each thing on its own."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from networker import exceptions
from networker.drivers import naming
from networker.drivers.flow import Errors, attempt, raise_all, task
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import GroupAnswer, PortAnswer
from networker.drivers.neutron.api.errors import Refused
from networker.drivers.neutron.resources import port_backup
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.ports import is_attached
from networker.models import VIP

#: What a task is called that looks for the ports in a load balancer's groups.
_USERS = "ports in the group"


def run(cloud: Cloud, vip: VIP) -> None:
    """Remove everything that reserves a virtual IP."""
    _Deallocation(cloud).run(vip)


@dataclasses.dataclass(frozen=True)
class _Deallocation:
    """One call of deallocate_vip."""

    cloud: Cloud

    def run(self, vip: VIP) -> None:
        """Remove what there is of a VIP: ports first, since groups are in use by them."""
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
            raise_all(failed)
        users: Sequence[PortAnswer] = found.get(_USERS, ())
        failed |= self._each(leaving(_once(port, users, first)))[1]
        raise_all(failed)
        delete = functools.partial(functools.partial, self.cloud.groups.delete)
        raise_all(self._each({f"group {i}": delete(i) for i in group_ids})[1])

    def _each(
        self, calls: Mapping[str, Callable[[], object]]
    ) -> tuple[dict[str, Any], Errors]:
        return attempt(self.cloud.flows, "deallocate_vip", calls)

    def _leaving(
        self, ports: Sequence[PortAnswer], owner: str, groups: Sequence[GroupAnswer]
    ) -> dict[str, Callable[[], object]]:
        leave = functools.partial(self._leave, owner=owner, groups=groups)
        return {f"port {one['id']}": functools.partial(leave, one) for one in ports}

    def _look(self, vip: VIP) -> tuple[PortAnswer | None, str, Sequence[GroupAnswer]]:
        """Return a VIP's port, its load balancer's id, and the security groups."""
        port_id, owner = (vip.port_id or "").strip(), vip.load_balancer_id or ""
        if owner.strip():
            of_vip = task(self._port, name="VIP port", port_id=port_id, owner=owner)
            find = self.cloud.groups.find
            groups = task(find, name="security groups", load_balancer_id=owner)
            found = self.cloud.flows.run("deallocate_vip: look", [of_vip, groups])
            return found[of_vip], owner, found[groups]
        if not port_id:
            raise exceptions.VIPConfigurationNotFound
        port = self.cloud.ports.find(port_id)
        if port is None:
            return None, "", []
        owner = naming.owner_of(port["device_id"])
        return port, owner, self.cloud.groups.named(translation.groups(port))

    def _port(self, port_id: str, owner: str) -> PortAnswer | None:
        if port_id:
            return self.cloud.ports.find(port_id)
        # A port keeps its name when a server takes it, but not its device.
        named = self.cloud.ports.list(name=naming.vip_port(owner))
        ours = [p for p in named if is_attached(p) or self._is_ours(p, owner)]
        return ours[0] if ours else None

    def _is_ours(self, port: PortAnswer, owner: str) -> bool:
        # A port that a server had is marked by its MAC address only.
        network_id, prefix = (
            port["network_id"],
            self.cloud.ports.conf.neutron.mac_prefix,
        )
        mac = naming.mac_address(prefix, "vip", owner, network_id)
        return _reserves(port) or port["mac_address"] == mac

    def _leave(
        self, port: PortAnswer, owner: str, groups: Sequence[GroupAnswer]
    ) -> None:
        """Delete a port that was made for a load balancer; give others back."""
        if not (self._is_ours(port, owner) or port["name"].startswith(naming.VRRP)):
            port_backup.restore(self.cloud, port, groups)
            return
        try:
            self.cloud.ports.delete(port["id"])
        except Refused as refused:
            if refused.orig_code != 409:
                raise
            raise _in_use(port, owner, refused.orig_msg or "") from refused


def _once(
    port: PortAnswer | None, others: Sequence[PortAnswer], gone: Sequence[PortAnswer]
) -> Sequence[PortAnswer]:
    """Return all ports but those that are gone, each once."""
    ports = {one["id"]: one for one in (*others, *([port] if port else ()))}
    without = {one["id"] for one in gone}
    return [one for one in ports.values() if one["id"] not in without]


def _reserves(port: PortAnswer) -> bool:
    return bool(port["device_owner"] == naming.OWNER)


def _check(port: PortAnswer, owner: str) -> None:
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


def _in_use(port: PortAnswer, owner: str, why: str) -> exceptions.VIPInUse:
    held = port["fixed_ips"]
    return exceptions.VIPInUse(
        load_balancer_id=owner or None,
        ip_address=held[0]["ip_address"] if held else None,
        port_id=port["id"],
        orig_msg=why,
        orig_code=409,
    )
