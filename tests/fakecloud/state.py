# SPDX-License-Identifier: Apache-2.0
"""What the services of a fake cloud share: its resources, and how they refuse."""

from __future__ import annotations

import dataclasses
import datetime
import marshal
import secrets
import threading
import uuid
from collections.abc import Mapping
from typing import Any

#: A resource as an API shows it, or a body.
Json = dict[str, Any]

USER = "networker"
PASSWORD = "fake"
#: The users, and the projects in which they work.
USERS = {USER: "service", "demo": "demo"}
DOMAIN = "lab.internal."
_SPACE = uuid.UUID("6e774b7a-3d0e-4c55-8a3f-6b2f3f7b0c11")


def known_id(kind: str, name: str) -> str:
    """Return the id of something that every fake cloud has, the same in each."""
    return str(uuid.uuid5(_SPACE, f"{kind} {name}"))


def project_id(name: str) -> str:
    """Return the id of a project."""
    return uuid.UUID(known_id("project", name)).hex


SERVICE = project_id("service")
DEMO = project_id("demo")


def now() -> str:
    """Return the time as the APIs write it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def copied(value: Any) -> Any:
    """Return a copy of what an API shows, much faster than the standard library."""
    return marshal.loads(marshal.dumps(value))


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


def error_page(why: str = "") -> Fault:
    """Return what paths that nobody serves are answered with."""
    title = "404 Not Found"
    text = "The resource could not be found.<br /><br />"
    return Fault(
        Answer(
            404,
            f"<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n"
            f"  <h1>{title}</h1>\n  {text}\n{why}\n\n\n </body>\n</html>",
        )
    )


def hidden_fault() -> Fault:
    """Return what Neutron answers where there is nothing, or nothing for this user."""
    return neutron_fault(404, "HTTPNotFound", "The resource could not be found.")


def forbidden(rule: str) -> Fault:
    """Return what Neutron answers to what its policy does not allow."""
    text = f"{rule} is disallowed by policy"
    return neutron_fault(403, "PolicyNotAuthorized", text)


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


@dataclasses.dataclass
class State:
    """Everything that exists in a fake cloud; whoever looks or changes holds the lock.

    :param tokens: the projects for which they are valid
    :param quotas: how many of a resource, such as ``port``, each project may have
    :param missing: extensions that this Neutron does not have
    :param most: how many resources one answer of Neutron's lists (``pagination_max_limit``)
    :param default_rules: what an operator lets every new group begin with besides
    """

    lock: threading.RLock = dataclasses.field(default_factory=threading.RLock)
    networks: dict[str, Json] = dataclasses.field(default_factory=dict)
    subnets: dict[str, Json] = dataclasses.field(default_factory=dict)
    ports: dict[str, Json] = dataclasses.field(default_factory=dict)
    groups: dict[str, Json] = dataclasses.field(default_factory=dict)
    rules: dict[str, Json] = dataclasses.field(default_factory=dict)
    policies: dict[str, Json] = dataclasses.field(default_factory=dict)
    servers: dict[str, Server] = dataclasses.field(default_factory=dict)
    tokens: dict[str, str] = dataclasses.field(default_factory=dict)
    quotas: dict[str, int] = dataclasses.field(default_factory=dict)
    missing: set[str] = dataclasses.field(default_factory=set)
    most: int | None = None
    default_rules: list[Json] = dataclasses.field(default_factory=list)

    def copy(self) -> State:
        """Return a state of its own with the same resources that drivers change."""
        servers = {
            server.id: dataclasses.replace(server, port_ids=[*server.port_ids])
            for server in self.servers.values()
        }
        return State(
            ports=copied(self.ports),
            groups=copied(self.groups),
            rules=copied(self.rules),
            servers=servers,
        )

    def become(self, other: State) -> None:
        """Take over the resources of another state that drivers change."""
        self.ports, self.groups, self.rules = other.ports, other.groups, other.rules
        self.servers = other.servers

    def authenticate(self, request: Request) -> str:
        """Return the project for which a request's token is valid, or refuse it."""
        owner = self.tokens.get(request.headers.get("X-Auth-Token", ""))
        if owner:
            return owner
        error = {
            "code": 401,
            "title": "Unauthorized",
            "message": "The request you have made requires authentication.",
        }
        uri = request.root.rpartition("/")[0] + "/identity/v3"
        headers = {"WWW-Authenticate": f'Keystone uri="{uri}"'}
        raise Fault(Answer(401, {"error": error}, headers))

    def issue_token(self, project_id: str) -> str:
        """Return a new token for a project."""
        token = secrets.token_urlsafe(48)
        self.tokens[token] = project_id
        return token

    def check_quota(self, kind: str, project_id: str, present: int, more: int) -> None:
        """Refuse more of a resource than the project may have."""
        if present + more > self.quotas.get(kind, present + more):
            text = f"Quota exceeded for resources: ['{kind}']."
            raise neutron_fault(409, "OverQuota", text)
