# SPDX-License-Identifier: Apache-2.0
"""The Keystone of a fake cloud: its users, each of whom works in one project."""

from __future__ import annotations

import datetime
from typing import Any

from tests.fakecloud.state import (
    PASSWORD,
    USERS,
    Answer,
    Fault,
    Json,
    Request,
    State,
    error_page,
    known_id,
    project_id,
)

_DOMAIN = {"id": "default", "name": "Default"}
_TYPES = {
    "network": ("neutron", "/network"),
    "compute": ("nova", "/compute/v2.1"),
    "identity": ("keystone", "/identity/v3/"),
}


class Keystone:
    """Answers the requests of the identity service."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __call__(self, request: Request) -> Answer:
        """Carry a request out."""
        path = request.path.rstrip("/")
        if request.method == "GET" and path == "":
            versions = {"versions": {"values": [_version(request.root)]}}
            return Answer(300, versions, {"Location": f"{request.root}/v3/"})
        if request.method == "GET" and path == "/v3":
            return Answer(200, {"version": _version(request.root)})
        if request.method == "POST" and path == "/v3/auth/tokens":
            return self._token(request)
        raise error_page()

    def _token(self, request: Request) -> Answer:
        body: Any = request.body or {}
        if "auth" not in body:
            why = "Expecting to find auth in request body. The server could not comply "
            why += "with the request since it is either malformed or otherwise "
            why += "incorrect. The client is assumed to be in error."
            raise _refused(400, "Bad Request", why)
        identity = body["auth"].get("identity", {})
        user = identity.get("password", {}).get("user", {})
        project = body["auth"].get("scope", {}).get("project", {})
        name, owner = user.get("name"), project.get("name")
        if (
            USERS.get(name) != owner
            or user.get("password") != PASSWORD
            or user.get("domain", {}).get("id") != "default"
        ):
            why = "The request you have made requires authentication."
            raise _refused(401, "Unauthorized", why)
        base = request.root.removesuffix("/identity")
        headers = {
            "X-Subject-Token": self._state.issue_token(project_id(owner)),
            "Vary": "X-Auth-Token",
        }
        return Answer(201, {"token": _description(base, name)}, headers)


def _version(root: str) -> Json:
    kind = "application/vnd.openstack.identity-v3+json"
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{root}/v3/"}],
        "media-types": [{"base": "application/json", "type": kind}],
    }


def _refused(status: int, title: str, why: str) -> Fault:
    error = {"code": status, "message": why, "title": title}
    headers = {"WWW-Authenticate": "Keystone"} if status == 401 else {}
    return Fault(Answer(status, {"error": error}, headers))


def _description(base: str, name: str) -> Json:
    start = datetime.datetime.now(datetime.UTC)
    end = start + datetime.timedelta(days=1)
    user = {"domain": _DOMAIN, "id": known_id("user", name), "name": name}
    owner = USERS[name]
    roles = ("member", "reader", *(["service"] if owner == "service" else []))
    return {
        "methods": ["password"],
        "user": user | {"password_expires_at": None},
        "audit_ids": [known_id("audit", start.isoformat())],
        "expires_at": end.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
        "issued_at": start.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
        "project": {"domain": _DOMAIN, "id": project_id(owner), "name": owner},
        "is_domain": False,
        "roles": [{"id": known_id("role", role), "name": role} for role in roles],
        "catalog": [
            {
                "id": known_id("service", kind),
                "type": kind,
                "name": name,
                "endpoints": [
                    _endpoint(interface, base + path)
                    for interface in ("public", "internal", "admin")
                ],
            }
            for kind, (name, path) in _TYPES.items()
        ],
    }


def _endpoint(interface: str, url: str) -> Json:
    return {
        "id": known_id("endpoint", f"{interface} {url}"),
        "interface": interface,
        "region_id": "RegionOne",
        "region": "RegionOne",
        "url": url,
    }
