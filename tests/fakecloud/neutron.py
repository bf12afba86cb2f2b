# SPDX-License-Identifier: Apache-2.0
"""The Neutron of a fake cloud: which request does what."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from tests.fakecloud import attributes, listing, ports
from tests.fakecloud.groups import Groups
from tests.fakecloud.ports import Ports
from tests.fakecloud.state import (
    SERVICE,
    Answer,
    Json,
    Request,
    State,
    error_page,
    neutron_fault,
)

_EXTENSIONS = (
    "allowed-address-pairs",
    "binding",
    "dns-integration",
    "empty-string-filtering",
    "project-id",
    "qos",
    "revision-if-match",
    "security-group",
    "standard-attr-revisions",
)
#: What lists are called in paths, in bodies, and one of their resources.
_NAMES = {
    "networks": ("networks", "network"),
    "subnets": ("subnets", "subnet"),
    "ports": ("ports", "port"),
    "security-groups": ("security_groups", "security_group"),
    "security-group-rules": ("security_group_rules", "security_group_rule"),
    "extensions": ("extensions", "extension"),
    "qos/policies": ("policies", "policy"),
}


class Neutron:
    """Answers the requests of the network service."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._ports = Ports(state)
        self._groups = Groups(state)
        self._creators: dict[str, Callable[[Sequence[Json]], list[Json]]] = {
            "ports": self._ports.create,
            "security-groups": lambda bodies: [self._groups.create(b) for b in bodies],
            "security-group-rules": self._groups.create_rules,
        }

    def __call__(self, request: Request) -> Answer:
        """Carry a request out."""
        if request.path in ("", "/"):
            return Answer(200, _versions(request.root))
        self._state.authenticate(request)
        kind, item = self._split(request.path)
        operations = {
            ("GET", False): self._list,
            ("GET", True): self._get,
            ("POST", False): self._post,
            ("PUT", True): self._put,
            ("DELETE", True): self._delete,
        }
        operation = operations.get((request.method, bool(item)))
        if operation is None:
            raise _nothing()
        return operation(request, kind, item)

    def _split(self, path: str) -> tuple[str, str]:
        for kind in _NAMES:
            head, _, item = path.strip("/").partition(kind)
            if not head and (not item or item.startswith("/")):
                return kind, item.strip("/")
        raise _nothing()

    def _all(self, kind: str) -> list[Json]:
        """Return everything of a kind that the user sees, as the API shows it."""
        state = self._state
        found: dict[str, Callable[[], list[Json]]] = {
            "networks": lambda: list(state.networks.values()),
            "subnets": lambda: list(state.subnets.values()),
            "ports": lambda: [ports.show(port) for port in state.ports.values()],
            "security-groups": lambda: [
                self._groups.show(group) for group in self._groups.mine()
            ],
            "security-group-rules": lambda: [
                rule for rule in state.rules.values() if rule["project_id"] == SERVICE
            ],
            "extensions": lambda: [_extension(alias) for alias in _EXTENSIONS],
            "qos/policies": lambda: list(state.policies.values()),
        }
        return [_visible(one) for one in found[kind]()]

    def _list(self, request: Request, kind: str, _: str) -> Answer:
        shown = self._all(kind)
        names = {name for one in shown for name in one} | {"tags"}
        return Answer(200, listing.answer(request, _NAMES[kind][0], shown, names))

    def _get(self, request: Request, kind: str, item: str) -> Answer:
        key = "alias" if kind == "extensions" else "id"
        shown = next((one for one in self._all(kind) if one[key] == item), None)
        if shown is None:
            raise self._missing(kind, item)
        return Answer(200, {_NAMES[kind][1]: listing.select(request, shown)})

    def _missing(self, kind: str, item: str) -> Exception:
        if kind == "security-groups":
            self._groups.get(item)
        if kind == "security-group-rules":
            self._groups.get_rule(item)
        if kind == "extensions":
            return error_page()
        name = "QoS policy" if kind == "qos/policies" else kind[:-1].title()
        text = f"{name} {item} could not be found."
        return neutron_fault(404, name.title().replace(" ", "") + "NotFound", text)

    def _post(self, request: Request, kind: str, _: str) -> Answer:
        if kind not in self._creators:
            raise _nothing()
        plural, single = _NAMES[kind]
        create = self._creators[kind]
        bodies = attributes.many(request.body, single)
        if bodies is not None:
            made = create(bodies)
            return Answer(201, {plural: [self._shown(kind, one) for one in made]})
        (one,) = create([attributes.require(request.body, single)])
        return Answer(201, {single: self._shown(kind, one)})

    def _put(self, request: Request, kind: str, item: str) -> Answer:
        changes = {"ports": self._ports.update, "security-groups": self._groups.update}
        if kind not in changes:
            raise _nothing()
        single = _NAMES[kind][1]
        body = attributes.require(request.body, single)
        changed = changes[kind](item, body, _revision(request))
        return Answer(200, {single: self._shown(kind, changed)})

    def _delete(self, request: Request, kind: str, item: str) -> Answer:
        if kind == "ports":
            self._ports.delete(item, _revision(request))
        elif kind == "security-groups":
            self._groups.delete(item, _revision(request))
        elif kind == "security-group-rules":
            self._groups.delete_rule(item)
        else:
            raise _nothing()
        return Answer(204)

    def _shown(self, kind: str, resource: Json) -> Json:
        shows: dict[str, Callable[[Json], Json]] = {
            "ports": ports.show,
            "security-groups": self._groups.show,
            "security-group-rules": dict,
        }
        return _visible(shows[kind](resource))


def _nothing() -> Exception:
    text = "The resource could not be found."
    return neutron_fault(404, "HTTPNotFound", text)


def _visible(resource: Json) -> Json:
    """Hide what Neutron's policy hides of other projects' resources."""
    hidden = set() if resource.get("project_id", SERVICE) == SERVICE else {"tags"}
    return {name: value for name, value in resource.items() if name not in hidden}


def _revision(request: Request) -> int | None:
    text = request.headers.get("If-Match") or ""
    found = re.search(r"revision_number=(\d+)", text)
    return int(found[1]) if found else None


def _extension(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": alias,
        "description": "",
        "updated": "2020-01-01T00:00:00-00:00",
        "links": [],
    }


def _versions(root: str) -> Json:
    links = [{"rel": "self", "href": f"{root}/v2.0/"}]
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}
