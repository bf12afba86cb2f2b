# SPDX-License-Identifier: Apache-2.0
"""Ports put into the one security group of their load balancer.

Calls at once may each have made a group: that of the first amphora's port wins, or, where
there is no amphora, that of the VIP's port. Neutron compares a port's revision number
before the change and not with it, so of two that change the VIP's port at the same time
both can pass; but the second one's answer then has a number that is too high. That call
knows that it has taken the port from another one, and gives it back. After three at the
very same time, a group that is not used can be left until the VIP is deallocated.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

from networker.drivers import naming, rules
from networker.drivers.flow import undo, undoing
from networker.drivers.neutron import (
    lending,
    marks,
    security_groups,
    translate,
    vrrp,
)
from networker.drivers.neutron.adjusting import Adjusted
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.grounding import Ground
from networker.drivers.neutron.ports import (
    Claimed,
    counted,
    difference,
    is_alone,
    is_ours,
)
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
    :param revisions: of ports whose change was not answered, the number that they have if
        it was made, and by nobody else
    :param shared: whether another call did a part of it, so that it is not to be undone
    :param overwrote: whether its last change took the VIP's port from another call
    :param overtook: whether any of its changes did
    :param left: ids of the groups that it took the VIP's port from, into which the port was
        put since it was seen first
    """

    group: Json
    before: dict[str, Json] = dataclasses.field(default_factory=dict)
    after: dict[str, Json] = dataclasses.field(default_factory=dict)
    revisions: dict[str, int] = dataclasses.field(default_factory=dict)
    shared: bool = False
    overwrote: bool = False
    overtook: bool = False
    left: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(frozen=True)
class Settlement:
    """Puts the ports of a VIP and of its amphorae into one group.

    :param relied: ids of what the call found or made, and the marks that it wrote on groups
    """

    cloud: Cloud
    load_balancer: LoadBalancer
    relied: set[str]

    def settle(self, ground: Ground, claims: Sequence[Claimed] = ()) -> Settled:
        """Change ports, and return what was changed."""
        ports = [ground.port, *(claimed.port for claimed in claims)]
        group = self._winner(ground, ports[1]) if claims else ground.group
        if ground.shared or group is not ground.group:
            ports = self._fresh(ports)
        settled = Settled(group)
        made = {one.port["id"]: one for one in claims if one.made}
        with undoing("settle") as on_failure:
            on_failure(self.undo, settled)
            for left in reversed(range(_TRIES)):
                if self._change(ground, settled, ports, made, last=not left):
                    break
                now = self._fresh(ports)
                if claims:
                    settled.group = self._winner(ground, now[1], marking=True)
                else:
                    settled.group = self._agreed(ground, now[0], settled.overwrote)
                # After the mark, so that a call that takes its changes back just now has
                # either done so or sees it.
                ports = self._fresh(ports)
        return settled

    def tidy(
        self, ground: Ground, settled: Settled, claims: Sequence[Claimed] = ()
    ) -> None:
        """Delete groups that have lost, also those of calls that have ended meanwhile."""
        found = [one.port for one in claims if not one.made]
        ours = [port for port in found if port["name"].startswith(naming.VRRP)]
        held = {group_id for port in ours for group_id in port["security_groups"]}
        held |= settled.left
        kept = {ground.group["id"], settled.group["id"], *ground.vip.sg_ids}
        # One that was found: who made it leaves it for this call, and may have ended.
        lost = {ground.group["id"]} - {settled.group["id"]}
        # From whose group the port was taken is not known, but that the amphorae's wins.
        took = bool(claims) and settled.overtook
        if held - kept or took:
            groups = self.cloud.groups.find(self.load_balancer.id or "")
            ids = {one["id"] for one in groups}
            lost |= (ids if took else held & ids) - kept
        for group_id in lost:
            # Nobody looks for it later, so that one refusal must not be the end.
            any(self.cloud.groups.delete_unused(group_id) for _ in range(2))

    def _change(
        self,
        ground: Ground,
        settled: Settled,
        ports: Sequence[Json],
        made: Mapping[str, Claimed],
        *,
        last: bool,
    ) -> bool:
        """Change ports, and tell whether nobody else has changed one meanwhile.

        :param made: ports that this call made, and deletes if it fails, by their ids
        """
        of_amphora = functools.partial(self._of_amphora, ground, settled.group)
        alone = True
        for port in ports:
            if port["id"] in made:
                claimed = made[port["id"]]
                now = self.cloud.adjusting.adjust(claimed, of_amphora)
                settled.after[port["id"]] = now.port
                continue
            if port["id"] == ground.port["id"]:
                change = self._of_vip(ground, settled, port, amphorae=len(ports) > 1)
            else:
                change = of_amphora(port)
            if change:
                owner = self.load_balancer.id or ""
                lending.note(self.cloud, owner, settled.group, port, change)
                _remember(ground, settled, port, change)
                after = self.cloud.ports.change(port, change, last=last)
                if not _is_alone(ground, settled, port, change, after):
                    # At once, since the next port may fail.
                    alone, settled.shared = False, True
            else:
                # Another call did it, and this one may have seen it before that.
                settled.after[port["id"]] = port
        return alone

    def _of_vip(
        self, ground: Ground, settled: Settled, port: Json, *, amphorae: bool
    ) -> Json:
        """Return what to change of the VIP's port."""
        group = settled.group
        wanted = vrrp.wanted(ground.vip, group["id"])["security_groups"]
        change = difference(port, {"security_groups": wanted})
        if not is_ours(port):
            return change
        # A port with the mark of the group goes with the group, which an amphora's port
        # holds. Any other change could be taken back.
        with_group = amphorae and marks.origin(port) == marks.origin(group)
        held = with_group or not marks.is_recent(port)
        if not change and (held or ground.shared or settled.shared):
            return {}
        own = ground.made and group["id"] == ground.group["id"]
        new = marks.new() if change else marks.another(port)
        mark = group["description"] if own else new
        return {"security_groups": wanted, "description": mark}

    def _of_amphora(self, ground: Ground, group: Json, port: Json) -> Json:
        needed = difference(port, vrrp.wanted(ground.vip, group["id"]))
        return needed | vrrp.address(port, ground.vip)

    def _fresh(self, ports: Sequence[Json]) -> list[Json]:
        found = self.cloud.ports.list(id=[port["id"] for port in ports])
        now = {port["id"]: port for port in found}
        return [now.get(port["id"], port) for port in ports]

    def _winner(self, ground: Ground, first: Json, *, marking: bool = False) -> Json:
        """Return the group on which calls at once agree.

        :param first: the amphora's port that has it
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
        return self._filled(ground, self._marked(ground, group))

    def _agreed(self, ground: Ground, port: Json, overwrote: bool) -> Json:
        """Return the group on which calls at once agree where there is no amphora.

        :param port: the VIP's, as it is now
        :param overwrote: whether this call has taken it from the other one
        """
        groups = self.cloud.groups.find(self.load_balancer.id or "")
        others = [group for group in groups if group["id"] != ground.group["id"]]
        if not (overwrote and ground.made):
            others = [g for g in others if g["id"] in translate.groups(port)]
        if others:
            return self._filled(ground, self._marked(ground, others[0]))
        # Its rules are being changed in another step.
        return self._marked(ground, ground.group)

    def _marked(self, ground: Ground, group: Json) -> Json:
        mark = marks.another(group)
        if ground.made and group["id"] == ground.group["id"]:
            # This mark takes the place of another call's.
            found = self.cloud.groups.find(self.load_balancer.id or "")
            held = {one["description"] for one in found if one["id"] == group["id"]}
            ground.others.update(held - {group["description"], *self.relied})
        # First, since the answer can be lost.
        self.relied.update({group["id"], mark})
        return self.cloud.groups.mark(group, mark)

    def _filled(self, ground: Ground, group: Json) -> Json:
        wanted = rules.wanted(self.load_balancer, ground.vip)
        return self.cloud.rules.change(group, wanted).group

    def undo(self, settled: Settled) -> None:
        """Change ports back unless another call has come to rely on it."""
        before = {port_id: held for port_id, held in settled.before.items() if held}
        if not before or settled.shared:
            return

        def put_back() -> None:
            for port_id, held in before.items():
                revision = settled.revisions.get(port_id)
                changed = Adjusted(settled.after[port_id], False, held, revision)
                name = f"settle port {port_id}"
                undo(name, self.cloud.adjusting.put_back, changed)

        def again() -> None:
            for port_id, held in before.items():
                now = settled.after[port_id]
                change = {name: now[name] for name in held}
                undo(f"settle port {port_id}", self.cloud.ports.update, port_id, change)

        self.cloud.groups.take_back(settled.group, put_back, again)


def _remember(
    ground: Ground, settled: Settled, port: Json, change: Mapping[str, object]
) -> None:
    """Keep what a port was and will be.

    It is done before the change, since a request whose answer is lost may have been done.
    """
    port_id = port["id"]
    settled.after[port_id] = {**port, **change}
    settled.revisions[port_id] = port["revision_number"] + counted(change)
    if port_id == ground.port["id"]:
        settled.left |= {*translate.groups(port)} - {*translate.groups(ground.port)}
        ground.before.append(port)
    if ground.made and port_id == ground.port["id"]:
        # It is taken back together with the group.
        return
    changed = difference(port, {k: v for k, v in change.items() if k != "description"})
    before = {name: port[name] for name in changed}
    if port_id == ground.port["id"] and "security_groups" in before:
        before["security_groups"] = _kept(settled.group, port)
    settled.before[port_id] = before | settled.before.get(port_id, {})


def _kept(group: Json, port: Json) -> list[str]:
    """Return the groups that the VIP's port has when its change was taken back.

    A user's port bears no mark. A call that put it into the group, too, and changed nothing
    any more by that, has left no trace: the one that made the group does so just then.
    """
    held = translate.groups(port)
    stays = not is_ours(port) and marks.is_recent(group) and group["id"] not in held
    return [group["id"], *held] if stays else held


def _is_alone(
    ground: Ground,
    settled: Settled,
    port: Json,
    change: Mapping[str, object],
    after: Json | None,
) -> bool:
    """Keep what a port is now, and tell whether nobody else has changed it.

    :param after: the answer; None if somebody else was faster
    """
    planned, settled.after[port["id"]] = settled.after[port["id"]], after or port
    del settled.revisions[port["id"]]
    if after is None:
        return False
    changed = difference(port, {n: planned[n] for n in change})
    alone = is_alone(port, changed, after)
    if port["id"] == ground.port["id"]:
        # What puts a port into the group in which it is by now counts less.
        both = port["revision_number"] + 2 * counted(changed)
        settled.overwrote = not alone and after["revision_number"] >= both
        settled.overtook |= settled.overwrote
    elif not alone:
        # The mark in the answer is another call's.
        settled.before.pop(port["id"], None)
    return alone
