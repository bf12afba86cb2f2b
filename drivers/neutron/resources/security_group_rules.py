# SPDX-License-Identifier: Apache-2.0
"""Compare, add and remove the rules of a security group, and revert changes.

Neutron takes some 50 ms for each rule, so that one request for hundreds is answered after
the time that a caller has, and carried out all the same. What is in doubt is therefore at
most one batch; and it is asked for once more, also after the deadline: Neutron answers that
when it is done with the first request, and then the batch is there or is not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from oslo_log import log

from networker.context import require_time
from networker.drivers import rules
from networker.drivers.flow import OnFailure, may_revert, revert_one, without_deadline
from networker.drivers.neutron.api.answers import GroupAnswer, RuleAnswer
from networker.drivers.neutron.api.errors import Refused, is_in_doubt
from networker.drivers.neutron.api.requests import time_is_up
from networker.drivers.neutron.resources import ownership
from networker.drivers.neutron.resources.security_groups import SecurityGroups
from networker.drivers.rules import Rule
from networker.exceptions import CloudUnavailable

LOG = log.getLogger(__name__)

#: How many rules are added by one request.
BATCH = 50
#: Neutron writes times in whole seconds.
_MOMENT = datetime.timedelta(seconds=1)

#: A rule's fields. Rules that differ in `inside` are equal, but not the same.
Fields = tuple[str, str, int, str, bool]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What has to change in a group.

    :param missing: the rules to add
    :param surplus: the rules to remove, as Neutron shows them
    """

    missing: frozenset[Fields]
    surplus: Sequence[RuleAnswer]


def plan(group: GroupAnswer, wanted: set[Rule]) -> Plan:
    """Return what has to change in a group to have the wanted rules."""
    held, keys = known(group["security_group_rules"]), set(map(_fields, wanted))
    surplus = [rule for key, rule in held.items() if key not in keys]
    return Plan(missing=frozenset(keys - held.keys()), surplus=surplus)


def is_as_made(group: GroupAnswer) -> bool:
    """Tell whether nobody but the call that made a group has changed it.

    Rules that were removed are not seen, but that the group was changed after its rules
    were made is.
    """
    held = [group, *known(group["security_group_rules"]).values()]
    newest = max(ownership.time_of(one["created_at"]) for one in held)
    quiet = ownership.time_of(group["updated_at"]) - newest <= _MOMENT
    return quiet and only_maker(group)


def only_maker(group: GroupAnswer) -> bool:
    """Tell whether all rules of a group are those of the call that made it.

    They are taken back by deleting the group, and not otherwise.
    """
    maker, held = ownership.origin(group), known(group["security_group_rules"]).values()
    return bool(maker) and all(
        ownership.origin(rule) == maker or came_with(group, rule) for rule in held
    )


def came_with(group: GroupAnswer, rule: RuleAnswer) -> bool:
    """Tell whether Neutron made a rule together with its group.

    An operator can let every new group have some, of which no call is the maker.
    """
    age = ownership.time_of(rule["created_at"]) - ownership.time_of(group["created_at"])
    return not ownership.origin(rule) and age <= _MOMENT


def has_others(group: GroupAnswer, surplus: Sequence[RuleAnswer]) -> bool:
    """Tell whether another call than the maker may have added rules that stay just now."""
    held = known(group["security_group_rules"]).values()
    staying = [rule for rule in held if rule not in surplus]
    maker = ownership.origin(group)
    return any(
        ownership.is_recent(rule) and ownership.origin(rule) != maker
        for rule in staying
        if not came_with(group, rule)
    )


def may_be_half_filled(group: GroupAnswer, batch: int) -> bool:
    """Tell whether another call may be adding more rules than there are in one request.

    :param batch: how many that is
    """
    held = known(group["security_group_rules"]).values()
    recent = Counter(
        ownership.origin(rule) for rule in held if ownership.is_recent(rule)
    )
    del recent[""]
    return any(times >= batch for times in recent.values())


def known(held: Iterable[RuleAnswer]) -> Mapping[Fields, RuleAnswer]:
    """Return the rules that a driver may change, as Neutron shows them, by their fields."""
    pairs = [(rules.read(rule), rule) for rule in held]
    return {_fields(key): rule for key, rule in pairs if key is not None}


def _fields(rule: Rule) -> Fields:
    return rule.ethertype, rule.protocol, rule.port, rule.cidr, rule.inside


def _batches(missing: Sequence[Fields]) -> Iterator[Sequence[Fields]]:
    for start in range(0, len(missing), BATCH):
        yield missing[start : start + BATCH]


#: Does something with each of some rules, given its name for the log.
ForEach = Callable[[Callable[[RuleAnswer], object], Sequence[RuleAnswer]], object]


@dataclasses.dataclass
class RuleChange:
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

    group: GroupAnswer
    wanted: set[Rule]
    mark: str
    removed: list[RuleAnswer] = dataclasses.field(default_factory=list)
    confirmed: set[str] = dataclasses.field(default_factory=set)
    added: set[Fields] = dataclasses.field(default_factory=set)
    kept: bool = False


@dataclasses.dataclass
class _Taken:
    """What was taken back of a change, and what tells that another call relies on it.

    :param removed: rules that were added, and removed again
    :param restored: rules that were removed, and added again
    """

    change: RuleChange
    removed: set[Fields] = dataclasses.field(default_factory=set)
    restored: set[Fields] = dataclasses.field(default_factory=set)

    def has_others(self, group: GroupAnswer) -> bool:
        """Tell whether another call has added or removed rules of a group meanwhile."""
        return self.has_others_among(group["security_group_rules"])

    def has_others_among(self, held: Sequence[RuleAnswer]) -> bool:
        """Tell it by the rules that the group has."""
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
        group: GroupAnswer,
        wanted: set[Rule],
        for_each: ForEach | None = None,
        on_failure: OnFailure | None = None,
        *,
        added: set[Fields] | None = None,
    ) -> RuleChange:
        """Give a group the rules that are wanted: first add, then remove.

        :param group: with its rules
        :param for_each: how to remove rules; one after the other if None
        :param on_failure: is told what takes the change back
        :param added: of a group that the caller made, and with which its rules go: is given
            those that were added
        :returns: what was done
        """
        made = added is not None
        mark = group["description"] if made else ownership.new_mark()
        change = RuleChange(group, wanted, mark, kept=made)
        if added is not None:
            change.added = added
        if not made and may_be_half_filled(group, BATCH):
            change.group = self.groups.rely(group)

        def act(group: GroupAnswer) -> None:
            todo = plan(group, wanted)
            if not self._apply(change, todo, for_each or _one_by_one):
                raise ownership.overtaken(f"security group {group['id']}")

        def look() -> GroupAnswer:
            change.group = self.groups.rely(change.group)
            return change.group

        with OnFailure("rules", on_failure) as on_failure_now:
            on_failure_now(self.revert, change)
            ownership.persist_on(change.group, act, look)
        return change

    def change_shared(
        self,
        group: GroupAnswer,
        wanted: set[Rule],
        for_each: ForEach | None = None,
        on_failure: OnFailure | None = None,
    ) -> RuleChange:
        """Change a group that another call may be changing just now.

        Where nothing has to be added, another copy of this call may be half-way: it adds
        first. A rule that is removed here before it is there shows it that it is not alone;
        but what another call added for itself may be taken back.
        """
        todo = plan(group, wanted)
        seen = todo.surplus and not has_others(group, todo.surplus)
        if ownership.is_recent(group) and not todo.missing and not seen:
            group = self.groups.rely(group)
        return self.change(group, wanted, for_each, on_failure)

    def _apply(self, change: RuleChange, todo: Plan, for_each: ForEach) -> bool:
        """Do what is planned, and tell whether nobody else did any of it.

        What somebody else did a part of is kept, and known to be as soon as it is seen.
        """
        gone = []

        def remove(rule: RuleAnswer) -> None:
            if not self._remove(change, rule):
                change.kept = True
                gone.append(rule)

        alone = not todo.missing or self._add(change, todo.missing)
        change.removed += todo.surplus
        if todo.surplus:
            for_each(remove, todo.surplus)
        return alone and not gone

    def _add(self, change: RuleChange, missing: Iterable[Fields]) -> bool:
        """Add rules, and tell whether nobody else did.

        When that turns out, all that is left is left for later, unless it was known before.
        """
        alone, shared = True, change.kept
        for batch in _batches(sorted(missing)):
            alone = self._add_batch(change, set(batch)) and alone
            if not (alone or shared):
                break
        change.kept = change.kept or not alone
        return alone

    def _add_batch(self, change: RuleChange, wanted: set[Fields]) -> bool:
        alone = True

        def act() -> None:
            nonlocal alone
            # What is in doubt must not be more than has been asked for in time.
            require_time()
            try:
                self._post(change, wanted)
            except (Refused, CloudUnavailable) as error:
                exists = getattr(error, "kind", None) == "SecurityGroupRuleExists"
                if not (exists or is_in_doubt(error)):
                    raise
                own, others = self._found(change, wanted, error)
                # One rule that exists fails the whole request.
                if not (own or others or exists):
                    raise
                alone = alone and not others
                wanted.difference_update(own, others)
                if wanted:
                    raise ownership.Again(error) from error
            else:
                change.added.update(wanted)

        ownership.persist(act)
        return alone

    def _found(
        self,
        change: RuleChange,
        wanted: set[Fields],
        error: Refused | CloudUnavailable,
    ) -> tuple[set[Fields], set[Fields]]:
        """Return which rules of a batch are there, its own and those of other calls.

        :param error: the answer
        """
        late = time_is_up() and may_revert()
        with without_deadline() if late else contextlib.nullcontext():
            if isinstance(error, CloudUnavailable):
                with contextlib.suppress(Refused, CloudUnavailable):
                    self._post(change, wanted)
            held = self._rules(change.group["id"])
        found = {k: v for k, v in known(held).items() if k in wanted}
        own = {k for k, rule in found.items() if _is_marked(rule, change)}
        change.added.update(own)
        return own, found.keys() - own

    def _post(self, change: RuleChange, wanted: Iterable[Fields]) -> None:
        group_id = change.group["id"]
        requests = [
            {**Rule(*fields).request(group_id), "description": change.mark}
            for fields in sorted(wanted)
        ]
        body = {"security_group_rules": requests}
        self.groups.api.post("/security-group-rules", body)

    def _remove(self, change: RuleChange, rule: RuleAnswer) -> bool:
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

    def revert(self, change: RuleChange) -> None:
        """Take a change back unless another call has come to rely on it."""
        taken = _Taken(change)

        def take_back() -> None:
            held = self._rules(change.group["id"])
            if taken.has_others_among(held):
                LOG.warning("another call has changed rules, too: they stay")
                return
            lost = known(change.removed).keys() - known(held).keys()
            if lost:
                again = RuleChange(change.group, set(), ownership.new_mark())
                revert_one("remove rules", self._add, again, lost)
                taken.restored |= again.added
            own = [rule for rule in held if _is_marked(rule, change)]
            for number, rule in enumerate(own):
                # Of many, the first are long gone when another call looks for the last.
                if number and not self.groups.is_left_alone(
                    change.group, taken.has_others
                ):
                    return
                taken.removed |= known([rule]).keys()
                revert_one("add rules", self._remove, change, rule)

        def redo() -> None:
            self.change(self.groups.get(change.group["id"]), change.wanted)

        if not change.kept:
            self.groups.revert(change.group, take_back, redo, taken.has_others)

    def _rules(self, group_id: str) -> Sequence[RuleAnswer]:
        held: Sequence[RuleAnswer] = self.groups.get(group_id)["security_group_rules"]
        return held


def _one_by_one(
    function: Callable[[RuleAnswer], object], held: Sequence[RuleAnswer]
) -> None:
    for rule in held:
        function(rule)


def _is_marked(rule: RuleAnswer, change: RuleChange) -> bool:
    return bool(rule.get("description") == change.mark)
