# SPDX-License-Identifier: Apache-2.0
"""The rules of a security group read: what has to change, and whose they are."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from networker.drivers import rules
from networker.drivers.neutron import marks
from networker.drivers.neutron.translate import Json
from networker.drivers.rules import Rule

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
    surplus: Sequence[Json]


def plan(group: Json, wanted: set[Rule]) -> Plan:
    """Return what has to change in a group to have the wanted rules."""
    held, keys = known(group["security_group_rules"]), set(map(_fields, wanted))
    surplus = [rule for key, rule in held.items() if key not in keys]
    return Plan(missing=frozenset(keys - held.keys()), surplus=surplus)


def is_as_made(group: Json) -> bool:
    """Tell whether nobody but the call that made a group has changed it.

    Rules that were removed are not seen, but that the group was changed after its rules
    were made is.
    """
    held = [group, *known(group["security_group_rules"]).values()]
    newest = max(marks.time_of(one["created_at"]) for one in held)
    quiet = marks.time_of(group["updated_at"]) - newest <= _MOMENT
    return quiet and only_maker(group)


def only_maker(group: Json) -> bool:
    """Tell whether all rules of a group are those of the call that made it.

    They are taken back by deleting the group, and not otherwise.
    """
    maker, held = marks.origin(group), known(group["security_group_rules"]).values()
    return bool(maker) and all(
        marks.origin(rule) == maker or came_with(group, rule) for rule in held
    )


def came_with(group: Json, rule: Json) -> bool:
    """Tell whether Neutron made a rule together with its group.

    An operator can let every new group have some, of which no call is the maker.
    """
    age = marks.time_of(rule["created_at"]) - marks.time_of(group["created_at"])
    return not marks.origin(rule) and age <= _MOMENT


def has_others(group: Json, surplus: Sequence[Json]) -> bool:
    """Tell whether another call than the maker may have added rules that stay just now."""
    held = known(group["security_group_rules"]).values()
    staying = [rule for rule in held if rule not in surplus]
    maker = marks.origin(group)
    return any(
        marks.is_recent(rule) and marks.origin(rule) != maker
        for rule in staying
        if not came_with(group, rule)
    )


def may_be_half_filled(group: Json, batch: int) -> bool:
    """Tell whether another call may be adding more rules than there are in one request.

    :param batch: how many that is
    """
    held = known(group["security_group_rules"]).values()
    recent = Counter(marks.origin(rule) for rule in held if marks.is_recent(rule))
    del recent[""]
    return any(times >= batch for times in recent.values())


def known(held: Iterable[Json]) -> Mapping[Fields, Json]:
    """Return the rules that a driver may change, as Neutron shows them, by their fields."""
    pairs = [(rules.read(rule), rule) for rule in held]
    return {_fields(key): rule for key, rule in pairs if key is not None}


def _fields(rule: Rule) -> Fields:
    return rule.ethertype, rule.protocol, rule.port, rule.cidr, rule.inside
