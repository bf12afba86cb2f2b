# SPDX-License-Identifier: Apache-2.0
"""The security group of a load balancer, and its rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import tenacity
from oslo_log import log

from networker.drivers import naming, rules
from networker.drivers.flow import undoing
from networker.drivers.neutron.api import Api
from networker.drivers.neutron.errors import Refused
from networker.drivers.neutron.translate import Json
from networker.drivers.rules import Rule
from networker.exceptions import CloudUnavailable

LOG = log.getLogger(__name__)

#: How often rules are added when others add them at the same time, and how often a group
#: is tried to be made when answers are lost.
_TRIES = 5
#: Seconds for which a group that is still in use is tried to be deleted: Neutron forgets
#: the last port a moment after it is gone.
_RELEASE = 5.0


@dataclasses.dataclass(frozen=True)
class Plan:
    """What has to change in a group.

    :param missing: the rules to add
    :param surplus: the rules to remove, as Neutron shows them
    """

    missing: frozenset[Rule]
    surplus: Sequence[Json]


@dataclasses.dataclass(frozen=True)
class Change:
    """What was changed in a group, so that it can be undone.

    :param added: ids of the rules that were added
    :param removed: the rules that were removed, as Neutron showed them
    """

    added: Sequence[str]
    removed: Sequence[Json]


@dataclasses.dataclass(frozen=True)
class SecurityGroups:
    """The security groups of the project that the service works in.

    :param api: Neutron
    """

    api: Api

    def find(self, load_balancer_id: str) -> list[Json]:
        """Return a load balancer's groups with their rules, the oldest first.

        There are several only until a race is settled.
        """
        found = self._list(name=naming.vip_device(load_balancer_id))
        return sorted(found, key=lambda group: (group["created_at"], group["id"]))

    def named(self, group_ids: Iterable[str]) -> list[Json]:
        """Return those of some groups that are load balancers'."""
        wanted = list(group_ids)
        found = self._list(id=wanted) if wanted else []
        return [group for group in found if group["name"].startswith(naming.DEVICE)]

    def _list(self, **query: Any) -> list[Json]:
        project_id = self.api.project_id()
        answer = self.api.get("/security-groups", project_id=project_id, **query)
        groups: list[Json] = answer["security_groups"]
        return groups

    def create(self, load_balancer_id: str) -> Json:
        """Make a load balancer's group.

        A group's name is not unique, so before a request whose answer was lost is made
        again, its group is looked for.
        """
        body = {"security_group": {"name": naming.vip_device(load_balancer_id)}}
        for left in reversed(range(_TRIES)):
            try:
                group: Json = self.api.post("/security-groups", body, repeat=False)[
                    "security_group"
                ]
            except CloudUnavailable:
                if not left:
                    raise
                found = self.find(load_balancer_id)
                if found:
                    return found[0]
            else:
                return group
        raise AssertionError("the last try returns or raises")

    def delete(self, group_id: str) -> None:
        """Delete a group, which may be gone already, or be in use for a moment more."""
        tenacity.Retrying(
            retry=tenacity.retry_if_exception(_in_use),
            wait=tenacity.wait_exponential(multiplier=0.1, max=1),
            stop=tenacity.stop_after_delay(_RELEASE),
            reraise=True,
        )(self.api.delete, f"/security-groups/{group_id}")

    def delete_unused(self, group_id: str) -> None:
        """Delete a group unless somebody has taken it into use."""
        try:
            self.api.delete(f"/security-groups/{group_id}")
        except Refused as refused:
            if not _in_use(refused):
                raise
            LOG.warning("security group %s is in use elsewhere and stays", group_id)

    def add(self, group_id: str, missing: Iterable[Rule]) -> list[str]:
        """Add rules to a group, and return the ids of those that were not there yet."""
        wanted = set(missing)
        for left in reversed(range(_TRIES)):
            if not wanted:
                return []
            requests = [rule.request(group_id) for rule in sorted(wanted)]
            try:
                answer = self.api.post(
                    "/security-group-rules", {"security_group_rules": requests}
                )
            except Refused as refused:
                # One rule that exists fails the whole request.
                if refused.kind != "SecurityGroupRuleExists" or not left:
                    raise
                wanted -= set(_known(self._rules(group_id)))
            else:
                return [rule["id"] for rule in answer["security_group_rules"]]
        raise AssertionError("the last try returns or raises")

    def remove(self, rule: Json) -> Json:
        """Remove a rule, and return it; it may be gone already."""
        self.api.delete(f"/security-group-rules/{rule['id']}")
        return rule

    def remove_all(self, rule_ids: Iterable[str]) -> None:
        """Remove rules."""
        for rule_id in rule_ids:
            self.api.delete(f"/security-group-rules/{rule_id}")

    def restore(self, rule: Json) -> None:
        """Add a rule that was removed."""
        key = rules.read(rule)
        self.add(rule["security_group_id"], [key] if key else [])

    def change(self, group: Json, wanted: set[Rule]) -> Change:
        """Give a group the rules that are wanted: first add, then remove."""
        plan_ = plan(group, wanted)
        with undoing("rules") as on_failure:
            added = self.add(group["id"], plan_.missing)
            on_failure(self.remove_all, added)
            for rule in plan_.surplus:
                on_failure(self.restore, rule)
                self.remove(rule)
        return Change(added, plan_.surplus)

    def undo(self, change: Change) -> None:
        """Take a change back."""
        for rule in change.removed:
            self.restore(rule)
        self.remove_all(change.added)

    def _rules(self, group_id: str) -> list[Json]:
        group: Json = self.api.get(f"/security-groups/{group_id}")["security_group"]
        rules_: list[Json] = group["security_group_rules"]
        return rules_


def plan(group: Json, wanted: set[Rule]) -> Plan:
    """Return what has to change in a group to have the wanted rules."""
    known = _known(group["security_group_rules"])
    surplus = [rule for key, rule in known.items() if key not in wanted]
    return Plan(missing=frozenset(wanted - known.keys()), surplus=surplus)


def choose(groups: Sequence[Json], ports: Iterable[Json]) -> Json | None:
    """Return which of a load balancer's groups is its: one in use, else the oldest."""
    used = {group_id for port in ports for group_id in port["security_groups"]}
    return next((g for g in groups if g["id"] in used), groups[0] if groups else None)


def _known(rules_: Iterable[Json]) -> dict[Rule, Json]:
    pairs = [(rules.read(rule), rule) for rule in rules_]
    return {key: rule for key, rule in pairs if key is not None}


def _in_use(error: BaseException) -> bool:
    return isinstance(error, Refused) and error.orig_code == 409
