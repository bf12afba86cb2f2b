# SPDX-License-Identifier: Apache-2.0
"""Ports put into the one security group of their load balancer.

Calls at once may each have made a group: that of the first amphora's port wins; where there
is no amphora, see :mod:`.agreeing`. A port is changed only as it was seen, so that of two
calls the second one notices, and marks the group to tell the first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from networker.drivers import naming, rules
from networker.drivers.flow import undo, undoing
from networker.drivers.neutron import security_groups, vrrp
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.errors import Refused
from networker.drivers.neutron.grounding import Ground
from networker.drivers.neutron.ports import Claimed, difference
from networker.drivers.neutron.translate import Json
from networker.models import LoadBalancer

#: How often ports are changed when others change them at the same time.
_TRIES = 10


@dataclasses.dataclass
class Settled:
    """What was changed.

    :param group: the group that won, as this call saw or marked it last
    :param before: by the ids of ports, their changed attributes as they were
    :param after: the changed ports
    :param shared: whether another call did a part of it, so that it is not to be undone
    """

    group: Json
    before: dict[str, Json] = dataclasses.field(default_factory=dict)
    after: dict[str, Json] = dataclasses.field(default_factory=dict)
    shared: bool = False


@dataclasses.dataclass(frozen=True)
class Settlement:
    """Puts the ports of a VIP and of its amphorae into one group.

    :param relied: ids of what the call found or made
    """

    cloud: Cloud
    load_balancer: LoadBalancer
    relied: set[str]

    def settle(self, ground: Ground, claims: Sequence[Claimed]) -> Settled:
        """Change ports, and return what was changed."""
        ports = [ground.port, *(claimed.port for claimed in claims)]
        group = self._winner(ground, ports[1])
        if ground.shared or group is not ground.group:
            ports = self._fresh(ports)
        settled = Settled(group)
        made = {one.port["id"] for one in claims if one.made}
        with undoing("settle") as on_failure:
            on_failure(self.undo, settled)
            for left in reversed(range(_TRIES)):
                if self._change(ground, settled, ports, made, last=not left):
                    break
                settled.shared = True
                ports = self._fresh(ports)
                settled.group = self._winner(ground, ports[1], marking=True)
            self._tidy(ground, settled.group, claims)
        return settled

    def _tidy(self, ground: Ground, group: Json, claims: Sequence[Claimed]) -> None:
        """Delete groups that have lost, those of calls that failed meanwhile included."""
        found = [one.port for one in claims if not one.made]
        ours = [port for port in found if port["name"].startswith(naming.VRRP)]
        held = {group_id for port in ours for group_id in port["security_groups"]}
        held -= {ground.group["id"], group["id"], *ground.vip.sg_ids}
        lost = {ground.group["id"]} - {group["id"]} if ground.made else set()
        if held:
            groups = self.cloud.groups.find(self.load_balancer.id or "")
            lost |= held & {one["id"] for one in groups}
        for group_id in lost:
            self.cloud.groups.delete_unused(group_id)

    def _change(
        self,
        ground: Ground,
        settled: Settled,
        ports: Sequence[Json],
        made: set[str],
        *,
        last: bool,
    ) -> bool:
        """Change ports, and tell whether nobody else has changed one meanwhile.

        :param made: ids of ports that this call made, and deletes if it fails
        """
        alone = True
        for port in ports:
            port_id, change = port["id"], self._wanted(ground, settled.group, port)
            if port_id in made and change:
                settled.after[port_id] = self.cloud.ports.update(port_id, change)
            elif change:
                # First, since a request whose answer is lost may have been done.
                kept = settled.before.get(port_id, {})
                settled.before[port_id] = {k: port[k] for k in change} | kept
                after = self._changed(port, change, last=last)
                if after is None:
                    settled.before[port_id] = kept
                    alone = False
                else:
                    settled.after[port_id] = after
        return alone

    def _changed(self, port: Json, change: Json, *, last: bool) -> Json | None:
        """Change a port as it was seen; None if it has been changed meanwhile."""
        revision = port["revision_number"]
        try:
            return self.cloud.ports.update(port["id"], change, revision)
        except Refused as refused:
            if refused.orig_code != 412 or last:
                raise
            return None

    def _wanted(self, ground: Ground, group: Json, port: Json) -> Json:
        wanted = vrrp.wanted(ground.vip, group["id"])
        if port["id"] == ground.port["id"]:
            return difference(port, {"security_groups": wanted["security_groups"]})
        return difference(port, wanted) | vrrp.address(port, ground.vip)

    def _fresh(self, ports: Sequence[Json]) -> list[Json]:
        found = self.cloud.ports.list(id=[port["id"] for port in ports])
        now = {port["id"]: port for port in found}
        return [now.get(port["id"], port) for port in ports]

    def _winner(self, ground: Ground, first: Json, *, marking: bool = False) -> Json:
        """Return the group on which calls at once agree.

        :param first: the port that has it
        :param marking: whether to mark it in any case, and not only another call's
        """
        group: Json | None = ground.group
        if ground.group["id"] not in first["security_groups"]:
            groups = self.cloud.groups.find(self.load_balancer.id or "")
            group = security_groups.choose(groups, [first])
        used = group is not None and group["id"] in first["security_groups"]
        if group is None or not (ground.made or used):
            group = ground.group
        if group["id"] == ground.group["id"] and not marking:
            return ground.group
        self.relied.add(group["id"])
        marked = self.cloud.groups.mark(group)
        if marked is None:
            raise gone(group)
        wanted = rules.wanted(self.load_balancer, ground.vip)
        return self.cloud.rules.change(marked, wanted).group

    def undo(self, settled: Settled) -> None:
        """Change ports back unless another call has come to rely on it."""
        undo_settled(self.cloud, settled)


def undo_settled(cloud: Cloud, settled: Settled) -> None:
    """Change ports back unless another call has come to rely on it."""
    before = {port_id: held for port_id, held in settled.before.items() if held}
    if not before or settled.shared:
        return
    again = {
        port_id: {name: settled.after[port_id][name] for name in held}
        for port_id, held in before.items()
        if port_id in settled.after
    }

    def put(changes: Mapping[str, Json]) -> None:
        for port_id, change in changes.items():
            undo(f"settle port {port_id}", cloud.ports.update, port_id, change)

    cloud.groups.take_back(settled.group, lambda: put(before), lambda: put(again))


def gone(group: Json) -> Refused:
    """Return what Neutron says of a group that was there before."""
    text = f"Security group {group['id']} does not exist"
    return Refused(orig_msg=text, orig_code=404, kind="SecurityGroupNotFound")
