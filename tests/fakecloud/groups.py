# SPDX-License-Identifier: Apache-2.0
"""The security groups of a fake cloud, and their rules."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from tests.fakecloud import attributes, rules
from tests.fakecloud.state import (
    SERVICE,
    Json,
    State,
    bad_request,
    check_revision,
    forbidden,
    hidden_fault,
    neutron_fault,
    now,
)

_LONGEST_TAG = 255


class Groups:
    """The operations on security groups and rules.

    :param caller: the project whose user asks
    """

    def __init__(self, state: State, caller: str = SERVICE) -> None:
        self._state = state
        self._caller = caller

    def show(self, group: Json) -> Json:
        """Return a group as the API shows it, with its rules."""
        held = [self._inside(rule) for rule in self._rules(group["id"])]
        return group | {"security_group_rules": held}

    def _inside(self, rule: Json) -> Json:
        number = list(self._state.rules).index(rule["id"])
        return rule | {"standard_attr_id": number, "tags": []}

    def _rules(self, group_id: str) -> list[Json]:
        rules_ = self._state.rules.values()
        found = [rule for rule in rules_ if rule["security_group_id"] == group_id]
        return sorted(found, key=lambda rule: str(rule["id"]))

    def create(self, body: Json) -> Json:
        """Make a group in the caller's project."""
        attributes.refuse_unknown(body, {"name", "description", "project_id"})
        if body.get("project_id", self._caller) != self._caller:
            raise forbidden("rule:create_security_group")
        name = body.get("name", "")
        present = [g for g in self._state.groups.values() if self._mine(g)]
        self._state.check_quota("security_group", self._caller, len(present), 1)
        if name == "default":
            text = "Default security group already exists."
            raise neutron_fault(409, "SecurityGroupDefaultAlreadyExists", text)
        self.default(self._caller)
        return self.make(name, self._caller, body.get("description", ""))

    def make(self, name: str, project_id: str, description: str = "") -> Json:
        """Add a group with the rules that every group begins with."""
        group: Json = {
            "id": str(uuid.uuid4()),
            "name": name,
            "stateful": True,
            "tenant_id": project_id,
            "project_id": project_id,
            "description": description,
            "shared": False,
            "tags": [],
            "created_at": now(),
            "updated_at": now(),
            "revision_number": 1,
        }
        self._state.groups[group["id"]] = group
        for rule in rules.initial(group, self._state.default_rules):
            self._state.rules[rule["id"]] = rule
        return group

    def default(self, project_id: str) -> Json:
        """Return the group of ports that name none, made when it is first needed."""
        for group in self._state.groups.values():
            if group["name"] == "default" and group["project_id"] == project_id:
                return group
        return self.make("default", project_id, "Default security group")

    def get(self, group_id: str) -> Json:
        """Return a group of the caller's."""
        group = self._known(group_id)
        if not self._mine(group):
            # The service's role lets it find the group, but not see it.
            own = self._caller == SERVICE
            raise hidden_fault() if own else _no_group(group_id)
        return group

    def _known(self, group_id: str) -> Json:
        group = self._state.groups.get(group_id)
        if group is None:
            raise _no_group(group_id)
        return group

    def mine(self) -> list[Json]:
        """Return all groups that the caller may see."""
        self.default(self._caller)
        return [group for group in self._state.groups.values() if self._mine(group)]

    def _mine(self, resource: Json) -> bool:
        return bool(resource["project_id"] == self._caller)

    def check(self, group_ids: Sequence[str], project_id: str | None) -> None:
        """Refuse groups that do not exist.

        :param project_id: whose they have to be, None for anybody's
        """
        missing = [
            group_id
            for group_id in group_ids
            if group_id not in self._state.groups
            or project_id not in (None, self._state.groups[group_id]["project_id"])
        ]
        if missing:
            raise _no_group(", ".join(missing))

    def update(self, group_id: str, body: Json, revision: int | None) -> Json:
        """Change what a group is called."""
        attributes.refuse_unknown(body, {"name", "description"})
        group = self.get(group_id)
        check_revision(group, revision)
        if any(group[name] != value for name, value in body.items()):
            group.update(body)
            _revise(group)
        return group

    def tag(self, group_id: str, tag: str) -> None:
        """Add a tag to a group."""
        group = self.get(group_id)
        if not 0 < len(tag) <= _LONGEST_TAG:
            raise bad_request(f"'{tag}' exceeds maximum length of {_LONGEST_TAG}")
        if tag not in group["tags"]:
            group["tags"] = [*group["tags"], tag]
            _revise(group)

    def untag(self, group_id: str, tag: str) -> None:
        """Take a tag from a group."""
        group = self.get(group_id)
        if tag not in group["tags"]:
            text = f"Tag {tag} could not be found."
            raise neutron_fault(404, "TagNotFound", text)
        group["tags"] = [one for one in group["tags"] if one != tag]
        _revise(group)

    def delete(self, group_id: str, revision: int | None = None) -> None:
        """Delete a group that no port has."""
        self.check_deletion(group_id, revision)
        self.remove(group_id)

    def check_deletion(self, group_id: str, revision: int | None = None) -> None:
        """Refuse to delete a group that a port has."""
        check_revision(self.get(group_id), revision)
        for port in self._state.ports.values():
            if group_id in port["security_groups"]:
                text = f"Security Group {group_id} in use."
                raise neutron_fault(409, "SecurityGroupInUse", text)

    def remove(self, group_id: str) -> None:
        """Delete a group, also from ports that were put into it since it was checked."""
        self.get(group_id)
        for port in self._state.ports.values():
            held = port["security_groups"]
            port["security_groups"] = [one for one in held if one != group_id]
        for rule in self._rules(group_id):
            del self._state.rules[rule["id"]]
        del self._state.groups[group_id]

    def create_rules(self, bodies: Sequence[Json]) -> list[Json]:
        """Add rules, all or none."""
        owner = {"project_id": self._caller, "tenant_id": self._caller}
        wanted = [rules.read(body) | owner for body in bodies]
        for rule in wanted:
            group = self._known(rule["security_group_id"])
            if not self._mine(group):
                raise forbidden("rule:create_security_group_rule")
        present = [r for r in self._state.rules.values() if self._mine(r)]
        kind = "security_group_rule"
        self._state.check_quota(kind, self._caller, len(present), len(wanted))
        if len({rule["security_group_id"] for rule in wanted}) > 1:
            text = "Only allowed to update rules for one security profile at a time"
            raise neutron_fault(400, "SecurityGroupNotSingleGroupRules", text)
        for rule in wanted:
            rules.validate(rule)
            if rule["remote_group_id"]:
                self._known(rule["remote_group_id"])
        self._refuse_duplicates(wanted)
        self._state.rules.update({rule["id"]: rule for rule in wanted})
        _revise(group, len(wanted))
        return wanted

    def _refuse_duplicates(self, wanted: Sequence[Json]) -> None:
        keys = {rules.key(rule) for rule in wanted}
        if len(keys) < len(wanted):
            text = "Duplicate Security Group Rule in POST."
            raise neutron_fault(409, "DuplicateSecurityGroupRuleInPost", text)
        for rule in self._rules(wanted[0]["security_group_id"]):
            if rules.key(rule) in keys:
                text = f"Security group rule already exists. Rule id is {rule['id']}."
                raise neutron_fault(409, "SecurityGroupRuleExists", text)

    def get_rule(self, rule_id: str) -> Json:
        """Return a rule of one of the caller's groups."""
        rule = self._state.rules.get(rule_id)
        if rule is None or not self._mine(rule):
            text = f"Security group rule {rule_id} does not exist"
            raise neutron_fault(404, "SecurityGroupRuleNotFound", text)
        return rule

    def delete_rule(self, rule_id: str) -> None:
        """Remove a rule."""
        rule = self.get_rule(rule_id)
        del self._state.rules[rule_id]
        _revise(self._state.groups[rule["security_group_id"]])


def _revise(group: Json, times: int = 1) -> None:
    group["revision_number"] += times
    group["updated_at"] = now()


def _no_group(group_id: str) -> Exception:
    text = f"Security group {group_id} does not exist"
    return neutron_fault(404, "SecurityGroupNotFound", text)
