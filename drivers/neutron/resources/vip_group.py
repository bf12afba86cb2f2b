# SPDX-License-Identifier: Apache-2.0
"""Find or make the security group that a VIP's port has, and revert that.

A call that makes the group gives one mark to the group, to its rules, and to the change
that puts the VIP's port into it. If it fails, it takes all of them back by deleting the
group, which Neutron refuses while there is a port in it; then it puts the VIP's port into
the group again. So another call that finds that mark on all three, and makes a port in the
group, has left a trace by that, and needs no other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from oslo_log import log

from networker import exceptions
from networker.drivers import naming, rules
from networker.drivers.flow import OnFailure, Task, task
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import GroupAnswer, PortAnswer
from networker.drivers.neutron.api.errors import Refused, is_in_doubt, unless_gone
from networker.drivers.neutron.resources import ownership, security_groups
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.ownership import (
    counted,
    is_alone,
    is_ours,
    surplus,
    was_changed,
)
from networker.drivers.neutron.resources.security_group_rules import (
    Fields,
    RuleChange,
    came_with,
    is_as_made,
    known,
    only_maker,
    plan,
)
from networker.exceptions import CloudUnavailable
from networker.models import VIP, LoadBalancer

LOG = log.getLogger(__name__)

#: How often a group is tried to be taken back.
_REVERTS = 5
#: What is changed of the VIP's port, once.
OF_VIP = ("security_groups", "description")


@dataclasses.dataclass(frozen=True)
class VipGroup:
    """The security group of a load balancer, and the VIP's port that has it.

    :param vip: with everything that its port tells
    :param port: the VIP's port
    :param group: the load balancer's security group
    :param made: whether this call made the group
    :param shared: whether another call may be plugging the same VIP
    :param plugged: ports that the servers of the amphorae have already
    """

    vip: VIP
    port: PortAnswer
    group: GroupAnswer
    made: bool
    shared: bool
    plugged: Sequence[PortAnswer]
    #: Rules that this call gave the group that it made.
    filled: set[Fields] = dataclasses.field(default_factory=set)
    #: The VIP's port as it was each time before this call changed it.
    before: list[PortAnswer] = dataclasses.field(default_factory=list)
    #: Marks of other calls that were seen on the group that this call made.
    others: set[str] = dataclasses.field(default_factory=set)

    @property
    def last_seen(self) -> PortAnswer:
        """The VIP's port as it was before this call changed it the last time, if it did."""
        return [self.port, *self.before][-1]


def look_for_groups(cloud: Cloud, owner: str) -> Task[list[GroupAnswer] | None]:
    """Return the task that looks for a load balancer's groups.

    Its result is None if the cloud has no security groups.

    :param owner: the load balancer's id
    """
    name = naming.vip_device(owner)
    return task(cloud.groups.look, name="groups", group_name=name)


@dataclasses.dataclass(frozen=True)
class VipGroups:
    """Finds or makes the security group of one load balancer.

    :param relied: ids of what the call found or made, and the marks that it wrote on groups
    """

    cloud: Cloud
    load_balancer: LoadBalancer
    relied: set[str]

    def prepare(
        self,
        vip: VIP,
        port: PortAnswer,
        groups: Sequence[GroupAnswer],
        plugged: Sequence[PortAnswer] = (),
    ) -> VipGroup:
        """Return the group with the VIP's port; it is made if there is none.

        :param port: the VIP's
        :param groups: the load balancer's, looked for about when the port was
        """
        owner = self.load_balancer.id or ""
        vip = translation.vip(vip, port, owner)
        if not {group["id"] for group in groups} & set(translation.groups(port)):
            refuse_others(self.cloud, port, owner)
            if _may_have_one(port, vip):
                groups = self.cloud.groups.find(owner)
        group = security_groups.choose(groups, [port, *plugged])
        made, shared = group is None, False
        if group is None:
            group = self.cloud.groups.create(owner)
        self.relied.add(group["id"])
        # A change of a user's port leaves no trace of its own.
        traceless = not is_ours(port) and ownership.is_recent(group)
        if not made and (traceless or _may_be_taken_back(group, [port, *plugged])):
            group, shared = self.cloud.groups.rely(group), True
        return VipGroup(vip, port, group, made=made, shared=shared, plugged=plugged)

    def filling(self, vip_group: Task[VipGroup]) -> Task[RuleChange]:
        """Return the task that gives the group the rules that the load balancer needs."""
        return task(self._fill, name="rules", reverts_itself=True, vip_group=vip_group)

    def _fill(self, vip_group: VipGroup, on_failure: OnFailure) -> RuleChange:
        wanted = rules.wanted(self.load_balancer, vip_group.vip)
        filled, change = vip_group.filled, self.cloud.rules.change
        added = filled if vip_group.made else None
        return change(vip_group.group, wanted, on_failure=on_failure, added=added)

    def revert(self, vip_group: VipGroup) -> None:
        """Free the VIP's port of the group that was made, and delete the group.

        What bears a trace of another call is left alone.
        """
        freed: list[tuple[PortAnswer, set[str]]] = []

        def act(is_first: bool) -> None:
            try:
                self._revert(vip_group, freed)
            except (Refused, CloudUnavailable) as error:
                # Nobody looks for it later, so that one refusal must not be the end.
                if is_first or is_in_doubt(error):
                    raise ownership.Again(error) from error
                raise

        if vip_group.made:
            ownership.persist_on(True, act, lambda: False, tries=_REVERTS)

    def _revert(
        self, vip_group: VipGroup, freed: list[tuple[PortAnswer, set[str]]]
    ) -> None:
        """Revert it once, as far as no other call relies on it.

        :param freed: is given the port as it was before it is freed, and the ids of other
            calls' groups that it is put into
        """
        groups, group_id = self.cloud.groups, vip_group.group["id"]
        group = unless_gone(lambda: groups.get(group_id))
        if group is None:
            return
        port = self.cloud.ports.find(vip_group.port["id"])
        in_it = port if port and group["id"] in port["security_groups"] else None
        alone = self._is_left_alone(vip_group, group, in_it)
        if in_it and alone:
            alone = self._free(vip_group, in_it, freed)
        delete, update = groups.delete_unused, self.cloud.ports.update
        revision = group["revision_number"]
        # One refusal can come of a port that another call was about to delete.
        deleted = alone and any(delete(group["id"], revision) for _ in range(2))
        if not deleted:
            LOG.warning("group %s is another call's too, and stays", group["id"])
            for one, lent in freed[:1]:
                update(one["id"], {"security_groups": one["security_groups"]})
                # Another call could not delete its group while the port was in it.
                for group_id in lent:
                    delete(group_id)

    def _is_left_alone(
        self, vip_group: VipGroup, group: GroupAnswer, port: PortAnswer | None
    ) -> bool:
        """Tell whether a group has what this call gave it, and no more.

        :param port: the VIP's, if it is in the group
        """
        wanted = rules.wanted(self.load_balancer, vip_group.vip)
        todo = plan(group, wanted)
        filled = vip_group.filled <= known(group["security_group_rules"]).keys()
        written = {vip_group.group["description"], *self.relied}
        own = group["description"] in written and not vip_group.others
        own = own and (port is None or _is_as_left(vip_group, group, port))
        # Calls that could not agree mark their groups themselves.
        lost = port is None and group["description"] in self.relied
        surplus = [rule for rule in todo.surplus if not came_with(group, rule)]
        return filled and not surplus and only_maker(group) and (own or lost)

    def _free(
        self,
        vip_group: VipGroup,
        port: PortAnswer,
        freed: list[tuple[PortAnswer, set[str]]],
    ) -> bool:
        """Take the VIP's port out of a group, and tell whether nobody else changed it."""
        groups = self._before(vip_group, port)
        if groups is None:
            return False
        kept = {*vip_group.port["security_groups"], *vip_group.vip.sg_ids}
        freed.append((port, set(groups) - kept))
        change = {"security_groups": groups}
        return is_alone(port, change, self.cloud.ports.write(port, change))

    def _before(self, vip_group: VipGroup, port: PortAnswer) -> list[str] | None:
        """Return the groups that the VIP's port had, or has to have for another call.

        :returns: None if another call needs it in a group that is not found
        """
        try:
            groups = self.cloud.groups.find(self.load_balancer.id or "")
        except (Refused, CloudUnavailable):
            # Better the port as it was than a group that stays.
            groups = []
        rest = [one["id"] for one in groups if one["id"] != vip_group.group["id"]]
        if rest:
            return [*rest[:1], *vip_group.vip.sg_ids]
        had: list[str] = vip_group.port["security_groups"]
        return None if _has_overtaken(vip_group, port) else had


def _may_have_one(port: PortAnswer, vip: VIP) -> bool:
    """Tell whether a port may be in a group that was made just before it was read."""
    others = set(port["security_groups"]) - set(vip.sg_ids)
    return bool(others) and was_changed(port)


def _is_as_left(vip_group: VipGroup, group: GroupAnswer, port: PortAnswer) -> bool:
    """Tell whether the VIP's port has this call's change, and nobody else's.

    The answer may be lost that tells it, and the mark of another call overwritten.
    """
    if not is_ours(port):
        return ownership.same_mark(group, vip_group.group)
    alone = is_alone(vip_group.last_seen, OF_VIP, port) or _has_overtaken(
        vip_group, port
    )
    # This call may have marked the group again since it changed the port.
    marked = ownership.same_mark(port, group)
    marked = marked or ownership.same_mark(port, vip_group.group)
    return marked and alone


def _has_overtaken(vip_group: VipGroup, port: PortAnswer) -> bool:
    """Tell whether this call took the VIP's port out of the group of one other call.

    What puts the port into the group in which it is by now counts less.
    """
    twice = surplus(vip_group.last_seen, OF_VIP, port) == counted(OF_VIP)
    return is_ours(port) and twice


def _may_be_taken_back(group: GroupAnswer, ports: Sequence[PortAnswer]) -> bool:
    """Tell whether a call may still take back what no port in the group would hold.

    :param ports: those that were found
    """
    users = [port for port in ports if group["id"] in translation.groups(port)]
    if any(ownership.is_recent(port) and not is_ours(port) for port in users):
        return True
    return ownership.is_recent(group) and not is_as_made(group)


def refuse_others(cloud: Cloud, port: PortAnswer, owner: str) -> None:
    """Refuse a port for a load balancer's VIP that another one uses.

    What the driver made says whose it is. Of a user's port its security groups tell, as
    soon as the VIP is secured or plugged.

    :param owner: the load balancer's id
    :raises VIPInUse: another load balancer uses it
    """
    if port["device_owner"] == naming.OWNER and port["device_id"]:
        user = naming.owner_of(port["device_id"]) or port["device_id"]
    elif is_ours(port):
        user = "" if port["name"] == naming.vip_port(owner) else port["name"]
    else:
        named = {
            group["name"] for group in cloud.groups.named(translation.groups(port))
        }
        user = naming.owner_of(min(named - {naming.vip_device(owner)}, default=""))
    if user not in ("", owner):
        held = port["fixed_ips"]
        raise exceptions.VIPInUse(
            load_balancer_id=owner,
            ip_address=held[0]["ip_address"] if held else None,
            port_id=port["id"],
            orig_msg=f"port {port['id']} is used by another load balancer: {user}",
        )
