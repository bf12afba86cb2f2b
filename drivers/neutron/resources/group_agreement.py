# SPDX-License-Identifier: Apache-2.0
"""Agree on one security group among concurrent calls.

The name of a group is not unique, so that calls at once may each have made one. Each makes
the amphorae's ports already in its group, and a port is made only once: that of the first
amphora's port wins, and who made another one deletes it. Where there is no amphora, that of
the VIP's port wins: of two calls that change the port at the same moment, the second one
sees from the answer that it has taken the port from another one, and gives it back. After
three at the very same moment, a group that is not used can be left until the VIP is
deallocated.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

from networker.drivers import naming, rules
from networker.drivers.flow import OnFailure, revert_one
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import GroupAnswer, Json, PortAnswer
from networker.drivers.neutron.api.translation import attributes, difference
from networker.drivers.neutron.resources import (
    ownership,
    port_backup,
    security_groups,
    vrrp_ports,
)
from networker.drivers.neutron.resources.ownership import (
    Changed,
    Claimed,
    counted,
    is_alone,
    is_lent,
    is_ours,
    overtaken,
    persist_on,
    possibly_changed,
    surplus,
)
from networker.drivers.neutron.resources.vip_group import VipGroup, VipGroups


@dataclasses.dataclass
class Agreed:
    """What was changed.

    :param group: the group that won, as this call saw or marked it last
    :param changed: by their ids, the ports as they are now, and what is to come back
    :param shared: whether another call did a part of it, so that it is not to be undone
    :param overwrote: whether its last change took the VIP's port from another call
    :param overtook: whether any of its changes did
    :param left: ids of the groups that it took the VIP's port from, into which the port was
        put since it was seen first
    """

    group: GroupAnswer
    changed: dict[str, Changed] = dataclasses.field(default_factory=dict)
    shared: bool = False
    overwrote: bool = False
    overtook: bool = False
    left: set[str] = dataclasses.field(default_factory=set)

    def latest(self, port: PortAnswer) -> Changed:
        """Return a port as it is now, and what is to come back of it.

        :param port: as it was seen
        """
        return self.changed.get(port["id"], Changed(port, made=False, before={}))


@dataclasses.dataclass(frozen=True)
class GroupAgreement(VipGroups):
    """Puts the ports of a VIP and of its amphorae into one group."""

    def reach(
        self,
        vip_group: VipGroup,
        claims: Sequence[Claimed] = (),
        on_failure: OnFailure | None = None,
    ) -> Agreed:
        """Change ports, and return what was changed.

        :param on_failure: is told what changes them back
        """
        ports = [vip_group.port, *(claimed.port for claimed in claims)]
        group = self._winner(vip_group, ports[1]) if claims else vip_group.group
        if vip_group.shared or group is not vip_group.group:
            ports = self._fresh(ports)
        agreed = Agreed(group)
        made = {one.port["id"]: one for one in claims if one.made}

        def act(seen: Sequence[PortAnswer]) -> None:
            if not self._change(vip_group, agreed, seen, made):
                raise overtaken(f"port {vip_group.port['id']}, or one of an amphora,")

        def look() -> list[PortAnswer]:
            now = self._fresh(ports)
            if claims:
                agreed.group = self._winner(vip_group, now[1], marking=True)
            else:
                agreed.group = self._agreed(vip_group, now[0], agreed.overwrote)
            # After the mark, so that a call that takes its changes back just now has
            # either done so or sees it.
            return self._fresh(ports)

        with OnFailure("agree on a group", on_failure) as on_failure_now:
            on_failure_now(self._take_back, agreed)
            persist_on(ports, act, look)
        return agreed

    def tidy(
        self, vip_group: VipGroup, agreed: Agreed, claims: Sequence[Claimed] = ()
    ) -> None:
        """Delete groups that have lost, also those of calls that have ended meanwhile."""
        found = [one.port for one in claims if not one.made]
        ours = [port for port in found if port["name"].startswith(naming.VRRP)]
        held = {group_id for port in ours for group_id in port["security_groups"]}
        held |= agreed.left
        kept = {vip_group.group["id"], agreed.group["id"], *vip_group.vip.sg_ids}
        # One that was found: who made it leaves it for this call, and may have ended.
        lost = {vip_group.group["id"]} - {agreed.group["id"]}
        # From whose group the port was taken is not known, but that the amphorae's wins.
        took = bool(claims) and agreed.overtook
        if held - kept or took:
            groups = self.cloud.groups.find(self.load_balancer.id or "")
            ids = {one["id"] for one in groups}
            lost |= (ids if took else held & ids) - kept
        for group_id in lost:
            # Nobody looks for it later, so that one refusal must not be the end.
            any(self.cloud.groups.delete_unused(group_id) for _ in range(2))

    def _change(
        self,
        vip_group: VipGroup,
        agreed: Agreed,
        ports: Sequence[PortAnswer],
        made: Mapping[str, Claimed],
    ) -> bool:
        """Change ports, and tell whether nobody else has changed one meanwhile.

        :param made: ports that this call made, and deletes if it fails, by their ids
        """
        of_amphora = functools.partial(
            vrrp_ports.missing, vip=vip_group.vip, group_id=agreed.group["id"]
        )
        alone = True
        for port in ports:
            if port["id"] in made:
                now = self.cloud.ports.change(made[port["id"]], of_amphora)
                agreed.changed[port["id"]] = now
                continue
            if port["id"] == vip_group.port["id"]:
                change = self._of_vip(vip_group, agreed, port, amphorae=len(ports) > 1)
            else:
                change = of_amphora(port)
            if change:
                if is_lent(port):
                    owner = self.load_balancer.id or ""
                    port_backup.save(self.cloud, owner, agreed.group, port, change)
                _remember(vip_group, agreed, port, change)
                after = self.cloud.ports.try_write(port, change)
                if not _is_alone(vip_group, agreed, port, change, after):
                    # At once, since the next port may fail.
                    alone, agreed.shared = False, True
            else:
                # Another call did it, and this one may have seen it before that.
                seen = dataclasses.replace(agreed.latest(port), port=port)
                agreed.changed[port["id"]] = seen
        return alone

    def _of_vip(
        self, vip_group: VipGroup, agreed: Agreed, port: PortAnswer, *, amphorae: bool
    ) -> Json:
        """Return what to change of the VIP's port."""
        group = agreed.group
        wanted = [group["id"], *vip_group.vip.sg_ids]
        change = difference(port, {"security_groups": wanted})
        if not is_ours(port):
            return change
        # A port with the mark of the group goes with the group, which an amphora's port
        # holds. Any other change could be taken back.
        with_group = amphorae and ownership.origin(port) == ownership.origin(group)
        held = with_group or not ownership.is_recent(port)
        if not change and (held or vip_group.shared or agreed.shared):
            return {}
        own = vip_group.made and group["id"] == vip_group.group["id"]
        new = ownership.new_mark() if change else ownership.another_mark(port)
        mark = group["description"] if own else new
        return {"security_groups": wanted, "description": mark}

    def _fresh(self, ports: Sequence[PortAnswer]) -> list[PortAnswer]:
        found = self.cloud.ports.list(id=[port["id"] for port in ports])
        now = {port["id"]: port for port in found}
        return [now.get(port["id"], port) for port in ports]

    def _winner(
        self, vip_group: VipGroup, first: PortAnswer, *, marking: bool = False
    ) -> GroupAnswer:
        """Return the group on which calls at once agree.

        :param first: the amphora's port that has it
        :param marking: whether to mark it in any case, and not only another call's
        """
        group: GroupAnswer | None = vip_group.group
        if vip_group.group["id"] not in first["security_groups"]:
            groups = self.cloud.groups.find(self.load_balancer.id or "")
            group = security_groups.choose(groups, [first])
        used = group is not None and group["id"] in first["security_groups"]
        if group is None or not (vip_group.made or used):
            group = vip_group.group
        if group["id"] == vip_group.group["id"] and not marking:
            return vip_group.group
        return self._taken(vip_group, group)

    def _agreed(
        self, vip_group: VipGroup, port: PortAnswer, overwrote: bool
    ) -> GroupAnswer:
        """Return the group on which calls at once agree where there is no amphora.

        :param port: the VIP's, as it is now
        :param overwrote: whether this call has taken it from the other one
        """
        groups = self.cloud.groups.find(self.load_balancer.id or "")
        others = [group for group in groups if group["id"] != vip_group.group["id"]]
        if not (overwrote and vip_group.made):
            others = [g for g in others if g["id"] in translation.groups(port)]
        if others:
            return self._taken(vip_group, others[0])
        # Its rules are being changed in another task.
        return self._marked(vip_group, vip_group.group)

    def _marked(self, vip_group: VipGroup, group: GroupAnswer) -> GroupAnswer:
        mark = ownership.another_mark(group)
        if vip_group.made and group["id"] == vip_group.group["id"]:
            # This mark takes the place of another call's.
            found = self.cloud.groups.find(self.load_balancer.id or "")
            held = {one["description"] for one in found if one["id"] == group["id"]}
            vip_group.others.update(held - {group["description"], *self.relied})
        # First, since the answer can be lost.
        self.relied.update({group["id"], mark})
        return self.cloud.groups.rely(group, mark)

    def _taken(self, vip_group: VipGroup, group: GroupAnswer) -> GroupAnswer:
        marked = self._marked(vip_group, group)
        wanted = rules.wanted(self.load_balancer, vip_group.vip)
        return self.cloud.rules.change(marked, wanted).group

    def _take_back(self, agreed: Agreed) -> None:
        """Change ports back unless another call has come to rely on it."""
        changed = {
            f"security groups of port {port_id}": one
            for port_id, one in agreed.changed.items()
            if one.before
        }
        if not changed or agreed.shared:
            return

        def put_back() -> None:
            for name, one in changed.items():
                revert_one(name, self.cloud.ports.revert, one)

        def again() -> None:
            for name, one in changed.items():
                change = attributes(one.port, one.before)
                revert_one(name, self.cloud.ports.update, one.port["id"], change)

        self.cloud.groups.revert(agreed.group, put_back, again)


def _remember(
    vip_group: VipGroup, agreed: Agreed, port: PortAnswer, change: Json
) -> None:
    """Keep what a port was and will be.

    It is done before the change, since a request whose answer is lost may have been done.
    """
    of_vip, earlier = port["id"] == vip_group.port["id"], agreed.latest(port).before
    changed = difference(port, {k: v for k, v in change.items() if k != "description"})
    before = attributes(port, changed)
    if of_vip:
        had = translation.groups(vip_group.port)
        agreed.left.update({*translation.groups(port)}.difference(had))
        vip_group.before.append(port)
        if "security_groups" in before:
            before["security_groups"] = _kept(agreed.group, port)
    if of_vip and vip_group.made:
        # It is taken back together with the group.
        before = {}
    agreed.changed[port["id"]] = possibly_changed(port, change, before | earlier)


def _kept(group: GroupAnswer, port: PortAnswer) -> list[str]:
    """Return the groups that the VIP's port has when its change was taken back.

    A user's port bears no mark. A call that put it into the group, too, and changed nothing
    any more by that, has left no trace: the one that made the group does so just then.
    """
    held = translation.groups(port)
    stays = not is_ours(port) and ownership.is_recent(group) and group["id"] not in held
    return [group["id"], *held] if stays else held


def _is_alone(
    vip_group: VipGroup,
    agreed: Agreed,
    port: PortAnswer,
    change: Mapping[str, object],
    after: PortAnswer | None,
) -> bool:
    """Keep what a port is now, and tell whether nobody else has changed it.

    :param after: the answer; None if somebody else was faster
    """
    planned = agreed.changed[port["id"]]
    now = Changed(after or port, made=False, before=planned.before)
    agreed.changed[port["id"]] = now
    if after is None:
        return False
    changed = difference(port, attributes(planned.port, change))
    alone = is_alone(port, changed, after)
    if port["id"] == vip_group.port["id"]:
        twice = surplus(port, changed, after) >= counted(changed)
        agreed.overwrote = not alone and twice
        agreed.overtook |= agreed.overwrote
    elif not alone:
        # The mark in the answer is another call's.
        agreed.changed[port["id"]] = dataclasses.replace(now, before={})
    return alone
