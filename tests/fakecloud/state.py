# SPDX-License-Identifier: Apache-2.0
"""What the services of a fake cloud share: its resources, and how they refuse."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import secrets
import threading
import uuid
from collections.abc import Mapping
from typing import Any

#: A resource as an API shows it, or a body.
Json = dict[str, Any]

USER = "networker"
PASSWORD = "fake"
DOMAIN = "lab.internal."
_SPACE = uuid.UUID("6e774b7a-3d0e-4c55-8a3f-6b2f3f7b0c11")


def known_id(kind: str, name: str) -> str:
    """Return the id of something that every fake cloud has, the same in each."""
    return str(uuid.uuid5(_SPACE, f"{kind} {name}"))


SERVICE = uuid.UUID(known_id("project", "service")).hex
DEMO = uuid.UUID(known_id("project", "demo")).hex


def now() -> str:
    """Return the time as the APIs write it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclasses.dataclass(frozen=True)
class Request:
    """One request, as the services see it.

    :param service: network, compute or identity
    :param path: below the service's endpoint, without the version of Neutron or Nova
    :param query: the values of each parameter
    :param headers: by their names in title case
    :param body: None if there is none or it is not JSON
    :param root: URL of the service
    """

    service: str
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: Any
    root: str


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a service answers; a string is HTML."""

    status: int
    body: Json | str | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Fault(Exception):
    """A request that a service refuses."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.body}")
        self.answer = answer


def neutron_fault(status: int, kind: str, message: str) -> Fault:
    """Return a refusal in Neutron's form."""
    error = {"type": kind, "message": message, "detail": ""}
    return Fault(Answer(status, {"NeutronError": error}))


def check_revision(resource: Json, revision: int | None) -> None:
    """Refuse if a resource does not have the revision that a request names."""
    current = resource["revision_number"]
    if revision not in (None, current):
        text = f"Constrained to {revision}, but current revision is {current}"
        raise neutron_fault(412, "RevisionNumberConstraintFailed", text)


def bad_request(message: str) -> Fault:
    """Return what Neutron answers to a request that it cannot read."""
    return neutron_fault(400, "HTTPBadRequest", message)


def nova_fault(status: int, kind: str, message: str) -> Fault:
    """Return a refusal in Nova's form."""
    return Fault(Answer(status, {kind: {"code": status, "message": message}}))


def error_page() -> Fault:
    """Return what paths that nobody serves are answered with."""
    title = "404 Not Found"
    text = "The resource could not be found.<br /><br />"
    return Fault(
        Answer(
            404,
            f"<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n"
            f"  <h1>{title}</h1>\n  {text}\n\n\n\n </body>\n</html>",
        )
    )


@dataclasses.dataclass
class Server:
    """A server of Nova's.

    :param port_ids: its interfaces, in the order in which they were attached
    """

    id: str
    name: str
    port_ids: list[str]
    project_id: str = SERVICE
    created: str = dataclasses.field(default_factory=now)


#: What requests change.
_RESOURCES = ("ports", "groups", "rules", "servers")


@dataclasses.dataclass
class State:
    """Everything that exists in a fake cloud; whoever looks or changes holds the lock.

    :param quotas: how many of a resource, such as ``port``, each project may have
    """

    lock: threading.RLock = dataclasses.field(default_factory=threading.RLock)
    networks: dict[str, Json] = dataclasses.field(default_factory=dict)
    subnets: dict[str, Json] = dataclasses.field(default_factory=dict)
    ports: dict[str, Json] = dataclasses.field(default_factory=dict)
    groups: dict[str, Json] = dataclasses.field(default_factory=dict)
    rules: dict[str, Json] = dataclasses.field(default_factory=dict)
    policies: dict[str, Json] = dataclasses.field(default_factory=dict)
    servers: dict[str, Server] = dataclasses.field(default_factory=dict)
    tokens: set[str] = dataclasses.field(default_factory=set)
    quotas: dict[str, int] = dataclasses.field(default_factory=dict)

    def copy(self) -> State:
        """Return a state of its own with the same resources."""
        made = State()
        for name in _RESOURCES:
            setattr(made, name, copy.deepcopy(getattr(self, name)))
        return made

    def become(self, other: State) -> None:
        """Take over the resources of another state."""
        for name in _RESOURCES:
            setattr(self, name, getattr(other, name))

    def authenticate(self, request: Request) -> None:
        """Refuse a request without a valid token."""
        if request.headers.get("X-Auth-Token") in self.tokens:
            return
        error = {
            "code": 401,
            "title": "Unauthorized",
            "message": "The request you have made requires authentication.",
        }
        uri = request.root.rpartition("/")[0] + "/identity/v3"
        headers = {"WWW-Authenticate": f'Keystone uri="{uri}"'}
        raise Fault(Answer(401, {"error": error}, headers))

    def issue_token(self) -> str:
        """Return a new token."""
        token = secrets.token_urlsafe(48)
        self.tokens.add(token)
        return token

    def check_quota(self, kind: str, project_id: str, present: int, more: int) -> None:
        """Refuse more of a resource than the project may have."""
        if present + more > self.quotas.get(kind, present + more):
            text = f"Quota exceeded for resources: ['{kind}']."
            raise neutron_fault(409, "OverQuota", text)
