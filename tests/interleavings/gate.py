# SPDX-License-Identifier: Apache-2.0
"""The APIs of a fake cloud behind a gate: what a driver's session is in a run.

Requests do not pass openstacksdk and HTTP, which would take most of the time; that they
survive these is tested elsewhere.
"""

from __future__ import annotations

import dataclasses
import json as encoding
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keystoneauth1.exceptions

from networker.context import Context
from tests.fakecloud.keystone import Keystone
from tests.fakecloud.neutron import Neutron
from tests.fakecloud.nova import Nova
from tests.fakecloud.ports import Rows
from tests.fakecloud.state import (
    SERVICE,
    Answer,
    Fault,
    Json,
    Request,
    Server,
    State,
    copied,
)
from tests.interleavings import footprints
from tests.interleavings.footprints import Footprint
from tests.interleavings.scheduler import Actor, Errand, Run, Step
from tests.interleavings.schedules import LASTING

#: Seconds after which a request that is done late is done.
LATE = 2.0
#: Seconds after which Nova has detached a port.
DETACH = 0.3
_TOKEN = "in-a-run"
_ROOT = "http://cloud.invalid"


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a story.

    :param who: the step as a schedule calls it, or an errand's name
    :param what: what was asked, or happened
    :param answer: what came back
    """

    who: str
    what: str
    answer: str


class GatedNova(Nova):
    """A Nova that detaches ports when a schedule says so."""

    def __init__(self, state: State) -> None:
        super().__init__(state, lambda: 0.0)
        self.detaching: Callable[[Server, str], None] = self.end_detaching

    def begin_detaching(self, server: Server, port_id: str) -> None:
        """Leave it to the schedule when the port is detached."""
        self.detaching(server, port_id)


class Cloud:
    """The services of a fake cloud, without HTTP.

    :param state: what exists
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.nova = GatedNova(state)
        self.neutron = Neutron(state)
        self._services: dict[str, Callable[[Request], Answer]] = {
            "network": self.neutron,
            "compute": self.nova,
            "identity": Keystone(state),
        }
        state.tokens[_TOKEN] = SERVICE
        self.story: list[Line] = []
        self.telling = False

    def answer(self, request: Request) -> Answer:
        """Carry a request out."""
        return _caught(lambda: self._services[request.service](request))

    def look(self, request: Request) -> Answer | None:
        """Do the first half of a request; None if nothing is refused."""
        try:
            self.neutron.look(request)
        except Fault as fault:
            return fault.answer
        return None

    def use_of(self, request: Request) -> object:
        """Return who uses what is to be deleted, and how often it was changed."""
        if request.method != "DELETE":
            return None
        kind, _, item = request.path.strip("/").partition("/")
        if kind == "ports":
            return self.state.ports.get(item, {}).get("revision_number")
        users = [
            port["id"]
            for port in self.state.ports.values()
            if item in port["security_groups"]
        ]
        return users, self.state.groups.get(item, {}).get("revision_number")

    def groups_of(self, request: Request) -> Sequence[str]:
        """Return in which groups a port is that is to be put into others."""
        _, _, item = request.path.strip("/").partition("/")
        if request.method != "PUT" or _wanted_groups(request) is None:
            return ()
        return list(self.state.ports.get(item, {}).get("security_groups", ()))

    def begin(self, request: Request) -> Rows:
        """Begin the second half; what it is refused for, it is refused for in the end."""
        if request.service != "network":
            return frozenset()
        try:
            return self.neutron.begin(request)
        except Fault:
            return frozenset()

    def act(self, request: Request, inserted: Rows = frozenset()) -> Answer:
        """Do the second half of a request."""
        return _caught(lambda: self.neutron.act(request, inserted))


def _caught(carry_out: Callable[[], Answer]) -> Answer:
    try:
        return carry_out()
    except Fault as fault:
        return fault.answer


def happened(event: str, run: Run, context: Context) -> str:
    """Let a call's time or its worker's lease come to an end, and say so."""
    if event == "deadline":
        context.deadline = run.clock.now - 1.0
        return "the deadline passes"
    if event == "lease":
        run.clock.now += 60.0
        return "stopped for a minute: the request is another worker's now"
    return ""


class Response:
    """What a driver gets: of a `requests.Response` what it looks at."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.headers = answer.headers
        self._body = answer.body
        self.content = b"" if answer.body is None else b"{}"
        self.reason = ""

    @property
    def text(self) -> str:
        """The body as text."""
        return str(self._body)

    def json(self) -> Any:
        """Return a copy of the body."""
        if not isinstance(self._body, dict):
            return None
        return copied(self._body)


class Caller:
    """One copy of a driver, as the cloud sees it in one run.

    :param menu: what can happen to requests, by their methods
    :param context: of the call
    """

    def __init__(
        self,
        cloud: Cloud,
        run: Run,
        actor: Actor,
        menu: Mapping[str, Sequence[str]],
        context: Context,
    ) -> None:
        self.cloud = cloud
        self._run = run
        self._actor = actor
        self._menu = menu
        self._context = context
        self._refused: dict[tuple[str, str], str] = {}
        self._requests = 0
        context.lease = self._has_lease

    def _has_lease(self) -> bool:
        return "lease" not in self._actor.events

    def send(self, request: Request, patience: float) -> Response:
        """Wait for the turn, and carry a request out."""
        rules = self.cloud.state.rules
        group_of = {key: rule["security_group_id"] for key, rule in rules.items()}
        footprint = footprints.of_request(request, group_of)
        looks = _looks_first(request)
        seen = footprints.of_looking(request) if looks else footprint
        event = self._gate(request, Step(seen, self._events(request)))
        if event and event[0].isdigit():
            return self._refuse(request, event)
        if event == "reset":
            self._tell(request, "connection reset, nothing was done")
            raise keystoneauth1.exceptions.ConnectFailure("reset")
        if event in ("late", "later"):
            return self._later(request, footprint, patience)
        answer = self._carry_out(request, footprint, looks=looks)
        return self._answered(request, answer, event, patience)

    def _events(self, request: Request) -> Sequence[str]:
        if (request.method, request.path) in self._refused:
            return ()
        return self._menu[_kind(request)]

    def _gate(self, request: Request, step: Step) -> str:
        event = self._run.gate(self._actor, step)
        self.cloud.nova.detaching = self.detach
        if event.endswith(LASTING):
            self._refused[request.method, request.path] = event
            self._actor.refused = request.method
        told = happened(event, self._run, self._context)
        if told:
            self._note(told)
        again = self._refused.get((request.method, request.path), "")
        return event or again

    def _carry_out(
        self, request: Request, footprint: Footprint, *, looks: bool
    ) -> Answer:
        unique = _unique(request)
        for errand in self._run.errands:
            # Neutron answers what makes the same once more when it is done with the first.
            if unique and errand.same == unique and not errand.over:
                self._run.end(errand)
        before, held = self.cloud.use_of(request), self.cloud.groups_of(request)
        if looks:
            refusal = self.cloud.look(request)
            if refusal:
                return refusal
            self._wait(request, footprint, "looked, and goes on")
        inserted = self.cloud.begin(request)
        if inserted:
            self._wait(request, footprint, "began, and goes on")
        if before != self.cloud.use_of(request):
            self._run.gaps.append(f"{request.path} was taken into use")
        if self.cloud.groups_of(request) not in (held, _wanted_groups(request)):
            self._run.overtaken.append(request.path)
        if not (looks or inserted):
            return self.cloud.answer(request)
        return self.cloud.act(request, inserted)

    def _wait(self, request: Request, footprint: Footprint, told: str) -> None:
        """Let others come before the rest of a request."""
        self._tell(request, told)
        acting = footprints.of_acting(request, footprint)
        self._run.gate(self._actor, Step(acting, self._menu["half"]))

    def _refuse(self, request: Request, status: str) -> Response:
        self._tell(request, f"{status}, on purpose")
        return Response(_refusal(status))

    def _answered(
        self, request: Request, answer: Answer, event: str, patience: float
    ) -> Response:
        if event == "lost":
            self._tell(request, answer, "but the connection is reset")
            raise keystoneauth1.exceptions.ConnectFailure("reset")
        if event == "timeout":
            self._tell(request, answer, "but too late")
            self._run.clock.now += patience
            raise keystoneauth1.exceptions.ConnectTimeout("no answer in time")
        self._tell(request, answer)
        return Response(answer)

    def _later(
        self, request: Request, footprint: Footprint, patience: float
    ) -> Response:
        """Let a request be done when nobody waits for it any more."""
        clock = self._run.clock
        self._tell(request, "no answer in time")
        clock.now += patience

        def do() -> None:
            self._tell(request, self.cloud.answer(request), "late", who=name)

        errand = self._errand(clock.now + LATE, Step(footprint), do, free=True)
        name, errand.same = errand.name, _unique(request)
        raise keystoneauth1.exceptions.ConnectTimeout("no answer in time")

    def detach(self, server: Server, port_id: str) -> None:
        """Let Nova detach a port later."""

        def do() -> None:
            self.cloud.nova.end_detaching(server, port_id)
            self._note(f"Nova has detached {port_id}", name)

        step = Step(footprints.of_detaching(server.id, port_id))
        name = self._errand(self._run.clock.now + DETACH, step, do, free=False).name

    def _errand(
        self, due: float, step: Step, do: Callable[[], None], *, free: bool
    ) -> Errand:
        self._actor.errands += 1
        name = f"{self._actor.name.lower()}{self._actor.errands}"
        self._run.errands.append(Errand(name, due, step, do, free))
        return self._run.errands[-1]

    def _tell(
        self, request: Request, answer: Answer | str, after: str = "", who: str = ""
    ) -> None:
        if not self.cloud.telling:
            return
        query = " ".join(f"{k}={','.join(v)}" for k, v in request.query.items())
        body = encoding.dumps(request.body) if request.body else ""
        revision = request.headers.get("If-Match", "")
        parts = [request.method, request.path, query, body, revision]
        what = " ".join(part for part in parts if part)
        known = answer if isinstance(answer, str) else _short(answer)
        told = f"{known}, {after}" if after else known
        self.cloud.story.append(Line(who or self._who(), what, told))

    def _who(self) -> str:
        """Return what a schedule calls the step."""
        return f"{self._actor.name}{self._actor.steps}"

    def _note(self, what: str, who: str = "") -> None:
        if self.cloud.telling:
            self.cloud.story.append(Line(who or self._who(), what, ""))


class Service:
    """What the driver knows as one of a connection's services."""

    def __init__(self, name: str, caller: Caller) -> None:
        self._name = name
        self._caller = caller

    def request(
        self,
        path: str,
        method: str,
        *,
        timeout: tuple[float, float],
        params: Mapping[str, Any] | None = None,
        json: Json | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> Response:
        """Send a request."""
        query = {
            name: [str(v) for v in value] if isinstance(value, list) else [str(value)]
            for name, value in (params or {}).items()
        }
        request = Request(
            service=self._name,
            method=method,
            path=path,
            query=query,
            headers={"X-Auth-Token": _TOKEN, **(headers or {})},
            body=copied(json),
            root=f"{_ROOT}/{self._name}",
        )
        return self._caller.send(request, timeout[1])


class GatedSession:
    """Takes the place of :class:`networker.drivers.neutron.session.Session`."""

    def __init__(self, conf: object = None) -> None:
        self.caller: Caller | None = None

    def connection(self) -> GatedSession:
        """Return what has the services."""
        return self

    @property
    def network(self) -> Service:
        """Neutron."""
        assert self.caller
        return Service("network", self.caller)

    @property
    def compute(self) -> Service:
        """Nova."""
        assert self.caller
        return Service("compute", self.caller)

    @property
    def session(self) -> GatedSession:
        """What knows the project."""
        return self

    def get_project_id(self) -> str:
        """Return the project that the driver works in."""
        return SERVICE

    def close(self) -> None:
        """Do nothing."""


def _wanted_groups(request: Request) -> Any:
    """Return into which groups a port is to be put, None if into no others."""
    return (request.body or {}).get("port", {}).get("security_groups")


def _kind(request: Request) -> str:
    """Return under what the menu has a request."""
    inserts = request.path in ("/ports", "/security-group-rules")
    return "insert" if request.method == "POST" and inserts else request.method


def _unique(request: Request) -> object:
    """Return what there can be only once of what a request makes, None if nothing."""
    if _kind(request) != "insert":
        return None
    if request.path == "/ports":
        port = request.body["port"]
        return port["network_id"], port.get("mac_address")
    made = request.body["security_group_rules"]
    return [{k: v for k, v in one.items() if k != "description"} for one in made]


def _looks_first(request: Request) -> bool:
    """Tell whether a request is compared with what there is before it is begun."""
    if request.service != "network":
        return False
    deletion = request.method == "DELETE"
    group = deletion and request.path.startswith("/security-groups/")
    return group or "If-Match" in request.headers


def _refusal(event: str) -> Answer:
    """Return an error's answer; one that lasts asks for more time than there is."""
    status = int(event.removesuffix(LASTING))
    if status == 404:
        # A 404 of Neutron's own says that something is gone, and is believed.
        return Answer(404, "<html>no such page</html>")
    error = {"type": "Fault", "message": f"a fault on purpose: {status}"}
    after = "600" if event.endswith(LASTING) else "1"
    headers = {"Retry-After": after} if status in (413, 429, 503) else {}
    return Answer(status, {"NeutronError": error}, headers)


def _short(answer: Answer) -> str:
    """Say what was answered, in a few words."""
    body = answer.body
    if not isinstance(body, dict) or not body:
        return str(answer.status)
    kind, inner = next(iter(body.items()))
    if isinstance(inner, list):
        return f"{answer.status} {kind}: {', '.join(map(_name, inner)) or 'none'}"
    if "message" in inner:
        return f"{answer.status} {inner.get('type', kind)}: {inner['message']}"
    return f"{answer.status} {_name(inner)}"


def _name(resource: Any) -> str:
    if not isinstance(resource, dict):
        return str(resource)
    parts = [f"{resource.get('name') or ''} {resource.get('id') or ''}".strip()]
    shown = ("device_id", "security_groups", "revision_number", "description")
    parts += [f"{name}={resource[name]}" for name in shown if resource.get(name)]
    return " ".join(parts)
