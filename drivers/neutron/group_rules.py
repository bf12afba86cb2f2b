# SPDX-License-Identifier: Apache-2.0
"""The rules of a security group: brought in line, and taken back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

from networker.drivers import rules
from networker.drivers.flow import undo, undoing
from networker.drivers.neutron import marks
from networker.drivers.neutron.errors import Refused, is_in_doubt
from networker.drivers.neutron.security_groups import SecurityGroups
from networker.drivers.neutron.translate import Json
from networker.drivers.rules import Rule
from networker.exceptions import CloudUnavailable

#: How often rules are changed when others change them at the same time.
_TRIES = 5

#: Does something with each of some rules, given its name for the log.
ForEach = Callable[[Callable[[Json], object], Sequence[Json]], object]


#: A rule's fields. Rules that differ in `inside` are equal, but not the same.
Fields = tuple[str, str, int, str, bool]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What has to change in a group.

    :param missing: the rules to add
    :param surplus: the rules to remove, as Neutron shows them
    """

    missing: frozenset[Fields]
    surplus: Sequence[Json]


@dataclasses.dataclass
class Change:
    """What is being changed in a group, so that it can be undone.

    :param group: as this call saw or marked it last
    :param wanted: the rules that it should have
    :param mark: the description of rules that this call adds
    :param removed: the rules that were to be removed, as Neutron showed them
    :param shared: whether another call did a part of it, so that it is not to be undone
    """

    group: Json
    wanted: set[Rule]
    mark: str = dataclasses.field(default_factory=marks.new)
    removed: list[Json] = dataclasses.field(default_factory=list)
    shared: bool = False


@dataclasses.dataclass(frozen=True)
class GroupRules:
    """The rules of the project's security groups.

    :param groups: the groups
    """

    groups: SecurityGroups

    def change(
        self, group: Json, wanted: set[Rule], for_each: ForEach | None = None
    ) -> Change:
        """Give a group the rules that are wanted: first add, then remove.

        :param group: with its rules
        :param for_each: how to remove rules; one after the other if None
        :returns: what was done, for :meth:`undo`
        """
        change = Change(group, wanted)
        with undoing("rules") as on_failure:
            on_failure(self.undo, change)
            for _ in range(_TRIES):
                todo = plan(change.group, wanted)
                if not (todo.missing or todo.surplus):
                    return change
                if self._apply(change, todo, for_each or _one_by_one):
                    return change
                change.shared = True
                self._mark(change)
        return change

    def settle(
        self, group: Json, wanted: set[Rule], for_each: ForEach | None = None
    ) -> Change:
        """Change a group that another call may be changing just now.

        Where nothing has to be added, another copy of this call may be half-way: it adds
        first, all at once.
        """
        if marks.is_recent(group) and not plan(group, wanted).missing:
            change = Change(group, wanted)
            self._mark(change)
            group = change.group
        return self.change(group, wanted, for_each)

    def _mark(self, change: Change) -> None:
        marked = self.groups.mark(change.group)
        if marked is None:
            text = f"Security group {change.group['id']} does not exist"
            raise Refused(orig_msg=text, orig_code=404, kind="SecurityGroupNotFound")
        change.group = marked

    def _apply(self, change: Change, todo: Plan, for_each: ForEach) -> bool:
        """Do what is planned, and tell whether nobody else did any of it."""
        gone = []

        def remove(rule: Json) -> None:
            if not self._remove(rule):
                change.shared = True
                gone.append(rule)

        alone = not todo.missing or self._add(change, todo.missing)
        change.removed += todo.surplus
        if todo.surplus:
            for_each(remove, todo.surplus)
        return alone and not gone

    def _add(self, change: Change, missing: Iterable[Fields]) -> bool:
        """Add rules, all at once, and tell whether nobody else did."""
        wanted, alone = set(missing), True
        for left in reversed(range(_TRIES)):
            try:
                self._post(change, wanted)
            except (Refused, CloudUnavailable) as error:
                exists = getattr(error, "kind", None) == "SecurityGroupRuleExists"
                if not (exists or is_in_doubt(error)):
                    raise
                known = _known(self._rules(change.group["id"]))
                own = {r for r in wanted & known.keys() if _is_marked(known[r], change)}
                # One rule that exists fails the whole request.
                found = wanted & known.keys()
                if not found and not (exists and left):
                    raise
                if found != own:
                    alone, change.shared = False, True
                wanted -= found
            else:
                return alone
            if not wanted:
                return alone
        return alone

    def _post(self, change: Change, wanted: Iterable[Fields]) -> None:
        requests = [
            {**Rule(*fields).request(change.group["id"]), "description": change.mark}
            for fields in sorted(wanted)
        ]
        body = {"security_group_rules": requests}
        self.groups.api.post("/security-group-rules", body)

    def _remove(self, rule: Json) -> bool:
        """Remove a rule, and tell whether it was there."""
        return self.groups.api.delete(f"/security-group-rules/{rule['id']}")

    def undo(self, change: Change) -> None:
        """Take a change back unless another call has come to rely on it."""

        def take_back() -> None:
            held = self._rules(change.group["id"])
            lost = _known(change.removed).keys() - _known(held).keys()
            if lost:
                again = Change(change.group, set())
                undo("remove rules", self._add, again, lost)
            for rule in held:
                if _is_marked(rule, change):
                    undo("add rules", self._remove, rule)

        def redo() -> None:
            self.change(self.groups.get(change.group["id"]), change.wanted)

        if not change.shared:
            self.groups.take_back(change.group, take_back, redo)

    def _rules(self, group_id: str) -> Sequence[Json]:
        held: Sequence[Json] = self.groups.get(group_id)["security_group_rules"]
        return held


def _one_by_one(function: Callable[[Json], object], held: Sequence[Json]) -> None:
    for rule in held:
        function(rule)


def plan(group: Json, wanted: set[Rule]) -> Plan:
    """Return what has to change in a group to have the wanted rules."""
    known, keys = _known(group["security_group_rules"]), set(map(_fields, wanted))
    surplus = [rule for key, rule in known.items() if key not in keys]
    return Plan(missing=frozenset(keys - known.keys()), surplus=surplus)


def _known(held: Iterable[Json]) -> Mapping[Fields, Json]:
    pairs = [(rules.read(rule), rule) for rule in held]
    return {_fields(key): rule for key, rule in pairs if key is not None}


def _fields(rule: Rule) -> Fields:
    return rule.ethertype, rule.protocol, rule.port, rule.cidr, rule.inside


def _is_marked(rule: Json, change: Change) -> bool:
    return bool(rule.get("description") == change.mark)
