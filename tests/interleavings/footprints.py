# SPDX-License-Identifier: Apache-2.0
"""What a step looks at and changes: what has nothing in common may change places."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.fakecloud.state import Request

#: A kind of resource and an id; an empty id means all of the kind.
Thing = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Footprint:
    """What a step touches."""

    reads: frozenset[Thing] = frozenset()
    writes: frozenset[Thing] = frozenset()

    def meets(self, other: Footprint) -> bool:
        """Tell whether it matters which of two steps comes first."""
        return _overlap(self.writes, other.reads | other.writes) or _overlap(
            other.writes, self.reads
        )


NOTHING = Footprint()


def _overlap(some: frozenset[Thing], others: frozenset[Thing]) -> bool:
    return any(
        one[0] == other[0] and (one[1] == other[1] or not one[1] or not other[1])
        for one in some
        for other in others
    )


def everything() -> Footprint:
    """Return the footprint of what is in the way of everything, as a transaction is."""
    return Footprint(writes=frozenset([("network", "")]))


def of_request(request: Request, group_of_rule: dict[str, str]) -> Footprint:
    """Return what a request to Neutron or Nova touches.

    :param group_of_rule: the group of each rule that there is
    """
    kind, _, item = request.path.strip("/").partition("/")
    if request.service == "compute":
        return _of_server(request, *request.path.strip("/").split("/")[1:])
    if request.method == "GET":
        return Footprint(reads=_read(kind, item, request))
    writes: set[Thing] = set()
    reads: set[Thing] = set()
    body = _first(request.body)
    if kind == "security-group-rules":
        group = group_of_rule.get(item, "") if item else body["security_group_id"]
        writes.add(("groups", group))
    elif kind == "security-groups":
        writes.add(("groups", item))
    else:
        # Addresses are taken from each other.
        anywhere = request.method == "POST" or "fixed_ips" in body
        writes.add(("ports", "" if anywhere else item))
        reads |= {("groups", group) for group in body.get("security_groups") or ()}
        if request.method == "DELETE":
            writes.add(("servers", ""))
    return Footprint(frozenset(reads), frozenset(writes))


def _of_server(request: Request, *path: str) -> Footprint:
    server = frozenset([("servers", path[0] if path else "")])
    if request.method == "POST":
        port_id = _first(request.body).get("port_id", "")
        return Footprint(writes=server | {("ports", port_id)})
    # A detach is done later.
    return Footprint(reads=server)


def of_looking(request: Request) -> Footprint:
    """Return what the first half of a request looks at."""
    kind, _, item = request.path.strip("/").partition("/")
    if kind == "ports":
        return Footprint(reads=frozenset([("ports", item)]))
    return Footprint(reads=frozenset([("groups", item), ("ports", "")]))


def of_acting(request: Request, footprint: Footprint) -> Footprint:
    """Return what the second half of a request touches."""
    if request.method == "DELETE" and request.path.startswith("/security-groups/"):
        return Footprint(writes=footprint.writes | {("ports", "")})
    return footprint


def of_detaching(server_id: str, port_id: str) -> Footprint:
    """Return what the end of a detach touches."""
    return Footprint(writes=frozenset([("servers", server_id), ("ports", port_id)]))


def _read(kind: str, item: str, request: Request) -> frozenset[Thing]:
    names = {"ports": "ports", "security-groups": "groups"}
    if kind == "security-group-rules":
        ids = request.query.get("security_group_id", [""])
        return frozenset(("groups", one) for one in ids)
    if kind not in names:
        return frozenset()
    ids = [item] if item else request.query.get("id", [""])
    return frozenset((names[kind], one) for one in ids)


def _first(body: Any) -> dict[str, Any]:
    """Return the resource in a body, or the first of several."""
    inner: Any = next(iter((body or {}).values()), {})
    if isinstance(inner, list):
        inner = inner[0] if inner else {}
    return inner if isinstance(inner, dict) else {}
