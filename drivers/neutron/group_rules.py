# SPDX-License-Identifier: Apache-2.0
"""The rules of a security group: brought in line, and taken back."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence

from oslo_log import log

from networker.drivers import rules
from networker.drivers.flow import undo, undoing
from networker.drivers.neutron import marks
from networker.drivers.neutron.errors import Refused, is_in_doubt
from networker.drivers.neutron.security_groups import SecurityGroups
from networker.drivers.neutron.translate import Json
from networker.drivers.rules import Rule
from networker.exceptions import CloudUnavailable

LOG = log.getLogger(__name__)

#: Neutron writes times in whole seconds.
_MOMENT = datetime.timedelta(seconds=1)
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
    :param confirmed: ids of those that this call has removed for certain
    :param kept: whether it is not to be undone: another call did a part of it, or the
        group's end will be the rules'
    """

    group: Json
    wanted: set[Rule]
    mark: str
    removed: list[Json] = dataclasses.field(default_factory=list)
    confirmed: set[str] = dataclasses.field(default_factory=set)
    kept: bool = False


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
        made: bool = False,
    ) -> Change:
        """Give a group the rules that are wanted: first add, then remove.

        :param group: with its rules
        :param for_each: how to remove rules; one after the other if None
        :param made: whether the caller made the group: its rules go with it
        :returns: what was done, for :meth:`undo`
        """
        mark = group["description"] if made else marks.new()
        change = Change(group, wanted, mark, kept=made)
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
        first, all at once. A rule that is removed here before it is there shows it that it
        is not alone; but what another call added for itself may be taken back.
        """
        todo = plan(group, wanted)
        seen = todo.surplus and not _has_others(group, todo.surplus)
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
                    alone, change.kept = False, True
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

        def take_back() -> None:
            held = self._rules(change.group["id"])
            there = {rule["id"] for rule in held} | change.confirmed
            if any(rule["id"] not in there for rule in change.removed):
                LOG.warning("another call has removed rules, too: they stay removed")
                return
            lost = _known(change.removed).keys() - _known(held).keys()
            if lost:
                again = Change(change.group, set(), marks.new())
                undo("remove rules", self._add, again, lost)
            for rule in held:
                if _is_marked(rule, change):
                    undo("add rules", self._remove, change, rule)

        def redo() -> None:
            self.change(self.groups.get(change.group["id"]), change.wanted)

        if not change.kept:
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


def is_as_made(group: Json) -> bool:
    """Tell whether nobody but the call that made a group has changed it.

    Rules that were removed are not seen, but that the group was changed after its rules
    were made is.
    """
    held = [group, *_known(group["security_group_rules"]).values()]
    newest = max(marks.time_of(one["created_at"]) for one in held)
    quiet = marks.time_of(group["updated_at"]) - newest <= _MOMENT
    return quiet and only_maker(group)


def only_maker(group: Json) -> bool:
    """Tell whether all rules of a group are those of the call that made it.

    They are taken back by deleting the group, and not otherwise.
    """
    maker, held = marks.origin(group), _known(group["security_group_rules"]).values()
    return bool(maker) and all(marks.origin(rule) == maker for rule in held)


def _has_others(group: Json, surplus: Sequence[Json]) -> bool:
    """Tell whether another call than the maker may have added rules that stay just now."""
    known = _known(group["security_group_rules"]).values()
    staying = [rule for rule in known if rule not in surplus]
    maker = marks.origin(group)
    return any(marks.is_recent(r) and marks.origin(r) != maker for r in staying)


def _known(held: Iterable[Json]) -> Mapping[Fields, Json]:
    pairs = [(rules.read(rule), rule) for rule in held]
    return {_fields(key): rule for key, rule in pairs if key is not None}


def _fields(rule: Rule) -> Fields:
    return rule.ethertype, rule.protocol, rule.port, rule.cidr, rule.inside


def _is_marked(rule: Json, change: Change) -> bool:
    return bool(rule.get("description") == change.mark)
