# SPDX-License-Identifier: Apache-2.0
"""The rules of a security group: brought in line, and taken back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from oslo_log import log

from networker.drivers.flow import undo, undoing
from networker.drivers.neutron import marks
from networker.drivers.neutron.adding_rules import BATCH, Adding
from networker.drivers.neutron.errors import Refused, is_in_doubt
from networker.drivers.neutron.rule_plans import (
    Fields,
    Plan,
    has_others,
    known,
    may_be_half_filled,
    plan,
)
from networker.drivers.neutron.security_groups import SecurityGroups
from networker.drivers.neutron.translate import Json
from networker.drivers.rules import Rule
from networker.exceptions import CloudUnavailable

LOG = log.getLogger(__name__)

#: How often rules are changed when others change them at the same time.
_TRIES = 5

#: Does something with each of some rules, given its name for the log.
ForEach = Callable[[Callable[[Json], object], Sequence[Json]], object]


@dataclasses.dataclass
class Change:
    """What is being changed in a group, so that it can be undone.

    :param group: as this call saw or marked it last
    :param wanted: the rules that it should have
    :param mark: the description of rules that this call adds
    :param removed: the rules that were to be removed, as Neutron showed them
    :param confirmed: ids of those that this call has removed for certain
    :param added: the rules that this call has added for certain
    :param kept: whether it is not to be undone: another call did a part of it, or the
        group's end will be the rules'
    """

    group: Json
    wanted: set[Rule]
    mark: str
    removed: list[Json] = dataclasses.field(default_factory=list)
    confirmed: set[str] = dataclasses.field(default_factory=set)
    added: set[Fields] = dataclasses.field(default_factory=set)
    kept: bool = False


@dataclasses.dataclass
class _Taken:
    """What was taken back of a change, and what tells that another call relies on it.

    :param removed: rules that were added, and removed again
    :param restored: rules that were removed, and added again
    """

    change: Change
    removed: set[Fields] = dataclasses.field(default_factory=set)
    restored: set[Fields] = dataclasses.field(default_factory=set)

    def has_others(self, group: Json) -> bool:
        """Tell whether another call has added or removed rules of a group meanwhile."""
        held = group["security_group_rules"]
        there = {rule["id"] for rule in held} | self.change.confirmed
        if any(rule["id"] not in there for rule in self.change.removed):
            return True
        now = known(r for r in held if not _is_marked(r, self.change)).keys()
        return bool(self.removed & now or self.restored - now)


@dataclasses.dataclass(frozen=True)
class GroupRules:
    """The rules of the project's security groups.

    :param groups: the groups
    """

    groups: SecurityGroups

    def change(
        self,
        group: Json,
        wanted: set[Rule],
        for_each: ForEach | None = None,
        *,
        added: set[Fields] | None = None,
    ) -> Change:
        """Give a group the rules that are wanted: first add, then remove.

        :param group: with its rules
        :param for_each: how to remove rules; one after the other if None
        :param added: of a group that the caller made, and with which its rules go: is given
            those that were added
        :returns: what was done, for :meth:`undo`
        """
        made = added is not None
        mark = group["description"] if made else marks.new()
        change = Change(group, wanted, mark, kept=made)
        if added is not None:
            change.added = added
        if not made and may_be_half_filled(group, BATCH):
            change.group = self.groups.mark(group)
        with undoing("rules") as on_failure:
            on_failure(self.undo, change)
            for _ in range(_TRIES):
                todo = plan(change.group, wanted)
                if not (todo.missing or todo.surplus):
                    return change
                if self._apply(change, todo, for_each or _one_by_one):
                    return change
                change.kept = True
                change.group = self.groups.mark(change.group)
        return change

    def settle(
        self, group: Json, wanted: set[Rule], for_each: ForEach | None = None
    ) -> Change:
        """Change a group that another call may be changing just now.

        Where nothing has to be added, another copy of this call may be half-way: it adds
        first. A rule that is removed here before it is there shows it that it is not alone;
        but what another call added for itself may be taken back.
        """
        todo = plan(group, wanted)
        seen = todo.surplus and not has_others(group, todo.surplus)
        if marks.is_recent(group) and not todo.missing and not seen:
            group = self.groups.mark(group)
        return self.change(group, wanted, for_each)

    def _apply(self, change: Change, todo: Plan, for_each: ForEach) -> bool:
        """Do what is planned, and tell whether nobody else did any of it."""
        gone = []

        def remove(rule: Json) -> None:
            if not self._remove(change, rule):
                change.kept = True
                gone.append(rule)

        alone = not todo.missing or self._add(change, todo.missing)
        change.removed += todo.surplus
        if todo.surplus:
            for_each(remove, todo.surplus)
        return alone and not gone

    def _add(self, change: Change, missing: Iterable[Fields]) -> bool:
        """Add rules, and tell whether nobody else did."""
        adding = Adding(self.groups, change.group["id"], change.mark, change.added)
        alone = adding.add(missing, shared=change.kept)
        if not alone:
            change.kept = True
        return alone

    def _remove(self, change: Change, rule: Json) -> bool:
        """Remove a rule, and tell whether this call did for certain."""
        try:
            done = self.groups.api.delete(f"/security-group-rules/{rule['id']}")
        except (Refused, CloudUnavailable) as error:
            if not is_in_doubt(error):
                raise
            if rule["id"] in {one["id"] for one in self._rules(change.group["id"])}:
                raise
            # Another call can have done it as well.
            return False
        if done:
            change.confirmed.add(rule["id"])
        return done

    def undo(self, change: Change) -> None:
        """Take a change back unless another call has come to rely on it."""
        taken = _Taken(change)

        def take_back() -> None:
            held = self._rules(change.group["id"])
            if taken.has_others({"security_group_rules": held}):
                LOG.warning("another call has changed rules, too: they stay")
                return
            lost = known(change.removed).keys() - known(held).keys()
            if lost:
                again = Change(change.group, set(), marks.new())
                undo("remove rules", self._add, again, lost)
                taken.restored |= again.added
            own = [rule for rule in held if _is_marked(rule, change)]
            for number, rule in enumerate(own):
                # Of many, the first are long gone when another call looks for the last.
                if number and not self.groups.is_left_alone(
                    change.group, taken.has_others
                ):
                    return
                taken.removed |= known([rule]).keys()
                undo("add rules", self._remove, change, rule)

        def redo() -> None:
            self.change(self.groups.get(change.group["id"]), change.wanted)

        if not change.kept:
            self.groups.take_back(change.group, take_back, redo, taken.has_others)

    def _rules(self, group_id: str) -> Sequence[Json]:
        held: Sequence[Json] = self.groups.get(group_id)["security_group_rules"]
        return held


def _one_by_one(function: Callable[[Json], object], held: Sequence[Json]) -> None:
    for rule in held:
        function(rule)


def _is_marked(rule: Json, change: Change) -> bool:
    return bool(rule.get("description") == change.mark)
