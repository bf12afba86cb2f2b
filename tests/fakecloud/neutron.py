# SPDX-License-Identifier: Apache-2.0
"""The Neutron of a fake cloud: which request does what."""

from __future__ import annotations

import dataclasses
import re
import urllib.parse
from collections.abc import Callable, Sequence

from tests.fakecloud import (
    attributes,
    availability,
    extensions,
    listing,
    ports,
    visibility,
)
from tests.fakecloud.groups import Groups
from tests.fakecloud.networks import Networks
from tests.fakecloud.ports import Ports
from tests.fakecloud.state import (
    SERVICE,
    Answer,
    Json,
    Request,
    State,
    check_revision,
    error_page,
    forbidden,
    hidden_fault,
    neutron_fault,
)

#: What lists are called in paths, in bodies, and one of their resources.
_NAMES = {
    "networks": ("networks", "network"),
    "network-ip-availabilities": (
        "network_ip_availabilities",
        "network_ip_availability",
    ),
    "subnets": ("subnets", "subnet"),
    "ports": ("ports", "port"),
    "security-groups": ("security_groups", "security_group"),
    "security-group-rules": ("security_group_rules", "security_group_rule"),
    "extensions": ("extensions", "extension"),
    "qos/policies": ("policies", "policy"),
}
_KEYS = {"extensions": "alias", "network-ip-availabilities": "network_id"}
#: What Neutron calls things that do not exist, where it is not their own name.
_CALLED = {"qos/policies": "QoS policy", "network-ip-availabilities": "Network"}


class Neutron:
    """Answers the requests of the network service."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __call__(self, request: Request) -> Answer:
        """Carry a request out."""
        if request.path in ("", "/"):
            return Answer(200, _versions(request.root))
        caller = self._state.authenticate(request)
        kind, item = self._split(request.path)
        return _Desk(self._state, caller, kind).answer(request, item)

    def look(self, request: Request) -> None:
        """Do the first half of a request: what Neutron compares before it changes anything.

        Between that and :meth:`act`, other requests can come: Neutron compares the revision
        that a request names, and looks whether a group is in use, before the transaction
        that changes the resource, and not with it.

        :raises Fault: it is refused
        """
        self._desk(request).look(request, self._split(request.path)[1])

    def begin(self, request: Request) -> ports.Rows:
        """Begin the transaction of the second half, which does not see what comes later.

        :returns: what it inserts, so that it makes a difference when it began
        """
        return self._desk(request).begin(request, self._split(request.path)[1])

    def act(self, request: Request, inserted: ports.Rows = frozenset()) -> Answer:
        """Do the second half of a request.

        :param inserted: what :meth:`begin` returned
        """
        desk, (_, item) = self._desk(request), self._split(request.path)
        return desk.act(request, item, inserted)

    def _desk(self, request: Request) -> _Desk:
        caller = self._state.authenticate(request)
        return _Desk(self._state, caller, self._split(request.path)[0])

    def _split(self, path: str) -> tuple[str, str]:
        for kind in _NAMES:
            head, _, item = path.strip("/").partition(kind)
            if not head and (not item or item.startswith("/")):
                if extensions.lacks(self._state.missing, kind):
                    break
                return kind, item.strip("/")
        raise hidden_fault()


class _Desk:
    """Answers requests for one kind of resource by users of one project."""

    def __init__(self, state: State, caller: str, kind: str) -> None:
        self._state = state
        self._caller = caller
        self._kind = kind
        self._plural, self._single = _NAMES[kind]
        self._networks = Networks(state, caller)
        self._ports = Ports(state, caller)
        self._groups = Groups(state, caller)
        self._unknown = extensions.unknown_attributes(state.missing)

    def answer(self, request: Request, item: str) -> Answer:
        operations = {
            ("GET", False): self._list,
            ("GET", True): self._get,
            ("POST", False): self._post,
            ("PUT", True): self._put,
            ("DELETE", True): self._delete,
        }
        if self._kind == "security-groups" and "/tags/" in item:
            return self._tag(request.method, *item.split("/tags/"))
        operation = operations.get((request.method, bool(item)))
        if operation is None:
            raise hidden_fault()
        return operation(request, item)

    def look(self, request: Request, item: str) -> None:
        revision = _revision(request)
        if self._kind == "security-groups" and request.method == "DELETE":
            self._groups.check_deletion(item, revision)
        elif revision is not None:
            held = self._ports if self._kind == "ports" else self._groups
            check_revision(held.get(item), revision)

    def begin(self, request: Request, item: str) -> ports.Rows:
        if self._kind != "ports" or request.method != "PUT":
            return frozenset()
        body = attributes.require(request.body, self._single)
        return self._ports.rows_to_insert(item, body)

    def act(self, request: Request, item: str, inserted: ports.Rows) -> Answer:
        if inserted:
            self._ports.check_rows(item, inserted)
        if self._kind == "security-groups" and request.method == "DELETE":
            self._groups.remove(item)
            return Answer(204)
        headers = {k: v for k, v in request.headers.items() if k != "If-Match"}
        return self.answer(dataclasses.replace(request, headers=headers), item)

    def _resources(self) -> list[Json]:
        """Return everything of this kind, not yet as the API shows it."""
        state = self._state
        found: dict[str, Callable[[], list[Json]]] = {
            "networks": lambda: list(state.networks.values()),
            "network-ip-availabilities": lambda: [
                availability.show(state, one) for one in state.networks.values()
            ],
            "subnets": lambda: list(state.subnets.values()),
            "ports": lambda: list(state.ports.values()),
            "security-groups": self._groups.mine,
            "security-group-rules": lambda: list(state.rules.values()),
            "extensions": lambda: [
                extensions.show(alias)
                for alias in extensions.ALIASES
                if alias not in state.missing
            ],
            "qos/policies": lambda: list(state.policies.values()),
        }
        return found[self._kind]()

    def _seen(self, wanted: Callable[[Json], bool] = lambda _: True) -> list[Json]:
        """Return what the caller may see, as the API shows it.

        :param wanted: tells of a resource whether it is looked for
        """
        return [
            self._made(one)
            for one in self._resources()
            if wanted(one)
            and visibility.sees(self._state, self._caller, self._kind, one)
        ]

    def _shown(self, resource: Json) -> Json:
        seen = visibility.shown(self._caller, self._kind, resource)
        return {name: seen[name] for name in seen if name not in self._unknown}

    def _list(self, request: Request, _: str) -> Answer:
        plain = listing.PLAIN.get(self._kind, ())
        seen = self._seen(listing.prefilter(request, plain))
        names = {name for one in seen for name in one} | {"tags", *plain}
        return Answer(
            200, listing.answer(request, self._plural, seen, names, self._state.most)
        )

    def _get(self, request: Request, item: str) -> Answer:
        key = _KEYS.get(self._kind, "id")
        found = self._seen(lambda one: bool(one[key] == item))
        if not found:
            raise self._missing(item)
        (seen,) = found
        return Answer(200, {self._single: listing.select(request, seen)})

    def _missing(self, item: str) -> Exception:
        if self._kind == "security-groups":
            self._groups.get(item)
        if self._kind == "security-group-rules":
            self._groups.get_rule(item)
        if self._kind == "extensions":
            return error_page(f"Extension with alias {item} does not exist")
        if self._kind == "network-ip-availabilities" and item in self._state.networks:
            return hidden_fault()
        name = _CALLED.get(self._kind, self._single.title())
        text = f"{name} {item} could not be found."
        return neutron_fault(404, name.title().replace(" ", "") + "NotFound", text)

    def _tag(self, method: str, item: str, tag: str) -> Answer:
        if item not in self._state.groups:
            text = (
                "Request Failed: internal server error while processing your request."
            )
            raise neutron_fault(500, "HTTPInternalServerError", text)
        if method == "PUT":
            self._groups.tag(item, urllib.parse.unquote(tag))
            return Answer(201)
        if method != "DELETE":
            raise hidden_fault()
        self._groups.untag(item, urllib.parse.unquote(tag))
        return Answer(204)

    def _body(self, body: Json) -> Json:
        unknown = sorted(self._unknown & set(body))
        if unknown:
            attributes.refuse_unknown(body, set(body) - set(unknown))
        return body

    def _post(self, request: Request, _: str) -> Answer:
        creators: dict[str, Callable[[Sequence[Json]], list[Json]]] = {
            "networks": self._networks.create,
            "subnets": self._networks.create_subnets,
            "ports": self._ports.create,
            "security-groups": lambda bodies: [self._groups.create(b) for b in bodies],
            "security-group-rules": self._groups.create_rules,
        }
        if self._kind not in creators:
            raise hidden_fault()
        create = creators[self._kind]
        bodies = attributes.many(request.body, self._single)
        if bodies is not None:
            made = create([self._body(body) for body in bodies])
            return Answer(201, {self._plural: [self._made(one) for one in made]})
        (one,) = create([self._body(attributes.require(request.body, self._single))])
        return Answer(201, {self._single: self._made(one)})

    def _put(self, request: Request, item: str) -> Answer:
        changes = {"ports": self._ports.update, "security-groups": self._groups.update}
        if self._kind not in changes:
            raise hidden_fault()
        self._authorize("update", item)
        body = self._body(attributes.require(request.body, self._single))
        changed = changes[self._kind](item, body, _revision(request))
        return Answer(200, {self._single: self._made(changed)})

    def _delete(self, request: Request, item: str) -> Answer:
        self._authorize("delete", item)
        if self._kind == "ports":
            self._ports.delete(item, _revision(request))
        elif self._kind == "networks":
            self._networks.delete(item)
        elif self._kind == "subnets":
            self._networks.delete_subnet(item)
        elif self._kind == "security-groups":
            self._groups.delete(item, _revision(request))
        elif self._kind == "security-group-rules":
            self._groups.delete_rule(item)
        else:
            raise hidden_fault()
        return Answer(204)

    def _authorize(self, verb: str, item: str) -> None:
        """Refuse members of other projects; the service may change what it sees."""
        if self._caller == SERVICE:
            return
        found = self._seen(lambda one: bool(one.get("id") == item))
        if not found:
            raise self._missing(item)
        if found[0]["project_id"] != self._caller:
            raise forbidden(f"rule:{verb}_{self._single}")

    def _made(self, resource: Json) -> Json:
        shows: dict[str, Callable[[Json], Json]] = {
            "ports": ports.show,
            "security-groups": self._groups.show,
        }
        return self._shown(shows.get(self._kind, dict)(resource))


def _revision(request: Request) -> int | None:
    text = request.headers.get("If-Match") or ""
    found = re.search(r"revision_number=(\d+)", text)
    return int(found[1]) if found else None


def _versions(root: str) -> Json:
    links = [{"rel": "self", "href": f"{root}/v2.0/"}]
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}
