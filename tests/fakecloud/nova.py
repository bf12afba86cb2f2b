# SPDX-License-Identifier: Apache-2.0
"""The Nova of a fake cloud: servers, and ports attached to them and detached again."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from tests.fakecloud import ports
from tests.fakecloud.state import (
    Answer,
    Json,
    Request,
    Server,
    State,
    error_page,
    known_id,
    nova_fault,
)

_IMAGE = known_id("image", "amphora-x64-haproxy")
_FLAVOR = known_id("flavor", "m1.amphora")
#: What all servers have in common.
_ALIKE: Json = {
    "accessIPv4": "",
    "accessIPv6": "",
    "config_drive": "",
    "hostId": known_id("host", "lab-compute"),
    "key_name": None,
    "metadata": {},
    "progress": 0,
    "user_id": known_id("user", "admin"),
    "OS-DCF:diskConfig": "MANUAL",
    "OS-EXT-AZ:availability_zone": "nova",
    "OS-EXT-STS:power_state": 1,
    "OS-EXT-STS:task_state": None,
    "OS-EXT-STS:vm_state": "active",
    "OS-SRV-USG:terminated_at": None,
    "os-extended-volumes:volumes_attached": [],
}


class Nova:
    """Answers the requests of the compute service.

    :param delay: tells after how many seconds a port is detached
    """

    def __init__(self, state: State, delay: Callable[[], float]) -> None:
        self._state = state
        self._delay = delay
        self._timers: set[threading.Timer] = set()

    def close(self) -> None:
        """Forget the ports that are not detached yet."""
        with self._state.lock:
            for timer in self._timers:
                timer.cancel()
            self._timers.clear()

    def __call__(self, request: Request) -> Answer:
        """Carry a request out."""
        if request.path in ("", "/"):
            return Answer(200, {"versions": [_version(request.root)]})
        if request.path in ("/v2.1", "/v2.1/"):
            return Answer(200, {"version": _version(request.root)})
        self._state.authenticate(request)
        parts = request.path[1:].split("/")
        if parts[0] != "servers" or "" in parts:
            raise error_page()
        if request.method == "GET" and parts[1:] in ([], ["detail"]):
            return self._list(request, detail=len(parts) == 2)
        if len(parts) == 2 and request.method == "GET":
            server = self._server(parts[1])
            return Answer(200, {"server": self._details(server, request.root)})
        if len(parts) not in (3, 4) or parts[2] != "os-interface":
            raise error_page()
        return self._interface(request, parts[1], parts[3:])

    def _interface(self, request: Request, server_id: str, port: list[str]) -> Answer:
        operations: dict[tuple[str, int], Callable[..., Answer]] = {
            ("GET", 0): self._interfaces,
            ("GET", 1): self._one_interface,
            ("DELETE", 1): self._detach,
        }
        if request.method == "POST" and not port:
            port_id = _wanted_port(request.body)
            return self._attach(self._server(server_id), port_id)
        operation = operations.get((request.method, len(port)))
        if operation is None:
            raise error_page()
        return operation(self._server(server_id), *port)

    def _server(self, server_id: str) -> Server:
        server = self._state.servers.get(server_id)
        if server is None:
            text = f"Instance {server_id} could not be found."
            raise nova_fault(404, "itemNotFound", text)
        return server

    def _list(self, request: Request, *, detail: bool) -> Answer:
        pattern = request.query.get("name", [""])[-1]
        try:
            expression = re.compile(pattern, re.IGNORECASE)
        except re.error as error:
            text = f"Invalid input for query parameters name. Value: {pattern}. "
            text += f"'{pattern}' is not a 'regex'"
            raise nova_fault(400, "badRequest", text) from error
        servers = list(self._state.servers.values())
        found = [server for server in servers if expression.search(server.name)]
        text = request.query.get("limit", ["1000"])[-1]
        if not text.isdigit():
            why = f"Invalid input for query parameters limit. Value: {text}. "
            why += f"'{text}' does not match '^[0-9]*$'"
            raise nova_fault(400, "badRequest", why)
        limit = int(text)
        show = self._details if detail else _summary
        page = found[:limit]
        body: Json = {"servers": [show(server, request.root) for server in page]}
        if "limit" in request.query and page and len(page) == limit:
            query = f"limit={limit}&marker={page[-1].id}"
            link = {"rel": "next", "href": f"{request.root}/v2.1/servers?{query}"}
            body["servers_links"] = [link]
        return Answer(200, body)

    def _details(self, server: Server, root: str) -> Json:
        held = [self._state.ports[port_id] for port_id in server.port_ids]
        addresses: dict[str, list[Json]] = {}
        for port in held:
            network = self._state.networks[port["network_id"]]["name"]
            addresses.setdefault(network, []).extend(_addresses(port))
        group_ids = {group_id for port in held for group_id in port["security_groups"]}
        return _summary(server, root) | {
            "addresses": addresses,
            "status": "ACTIVE",
            "tenant_id": server.project_id,
            "created": server.created,
            "updated": server.created,
            "flavor": _bookmark(root, "flavors", _FLAVOR),
            "image": _bookmark(root, "images", _IMAGE),
            "security_groups": [
                {"name": self._state.groups[group_id]["name"]} for group_id in group_ids
            ],
            "OS-SRV-USG:launched_at": server.created,
            **_ALIKE,
        }

    def _interfaces(self, server: Server) -> Answer:
        held = self._state.ports.values()
        own = [_attachment(port) for port in held if port["device_id"] == server.id]
        return Answer(200, {"interfaceAttachments": own})

    def _one_interface(self, server: Server, port_id: str) -> Answer:
        port = self._port(port_id)
        if port["device_id"] != server.id:
            text = f"Instance {server.id} does not have a port with id {port_id}"
            raise nova_fault(404, "itemNotFound", text)
        return Answer(200, {"interfaceAttachment": _attachment(port)})

    def _port(self, port_id: str) -> Json:
        port = self._state.ports.get(port_id)
        if port is None:
            text = f"Port id {port_id} could not be found."
            raise nova_fault(404, "itemNotFound", text)
        return port

    def _attach(self, server: Server, port_id: str) -> Answer:
        port = self._port(port_id)
        if port["project_id"] != server.project_id:
            text = f"Port {port_id} not usable for instance {server.id}."
            raise nova_fault(400, "badRequest", text)
        if port["device_id"]:
            text = f"Port {port_id} is still in use."
            raise nova_fault(409, "conflictingRequest", text)
        named = "dns-integration" not in self._state.missing
        if named and port["dns_name"] not in ("", server.name):
            raise _internal("PortNotUsableDNS_Remote")
        ports.bind(port, server)
        # A port can lose its device in Neutron while a guest still has it.
        if any(port_id in one.port_ids for one in self._state.servers.values()):
            raise _internal("VirtualInterfaceCreateException_Remote")
        server.port_ids.append(port_id)
        return Answer(200, {"interfaceAttachment": _attachment(port)})

    def _detach(self, server: Server, port_id: str) -> Answer:
        """Accept the request whatever the port is, as Nova does, and look later."""
        self.begin_detaching(server, port_id)
        return Answer(202)

    def begin_detaching(self, server: Server, port_id: str) -> None:
        """Let a port be detached after the delay."""

        def detach() -> None:
            with self._state.lock:
                if timer in self._timers:
                    self._timers.discard(timer)
                    self.end_detaching(server, port_id)

        timer = threading.Timer(self._delay(), detach)
        timer.daemon = True
        self._timers.add(timer)
        timer.start()

    def end_detaching(self, server: Server, port_id: str) -> None:
        """Detach a port if the server still has it."""
        if port_id in server.port_ids:
            server.port_ids.remove(port_id)
            ports.unbind(self._state.ports[port_id])


def _internal(name: str) -> Exception:
    text = "Unexpected API Error. Please contact the administrator\n"
    return nova_fault(
        500, "computeFault", f"{text}<class 'nova.exception_Remote.{name}'>"
    )


def _wanted_port(body: Any) -> str:
    attachment = body.get("interfaceAttachment") if isinstance(body, dict) else None
    if not isinstance(attachment, dict) or set(attachment) != {"port_id"}:
        # Ports that Nova makes itself are not needed here.
        unexpected = ", ".join(repr(name) for name in sorted(body or {}))
        text = f"Additional properties are not allowed ({unexpected} was unexpected)"
        raise nova_fault(400, "badRequest", text)
    port_id = str(attachment["port_id"])
    try:
        uuid.UUID(port_id)
    except ValueError as error:
        text = f"Invalid input for field/attribute port_id. Value: {port_id}. "
        text += f"'{port_id}' is not a 'uuid'"
        raise nova_fault(400, "badRequest", text) from error
    return port_id


def _attachment(port: Json) -> Json:
    return {
        "net_id": port["network_id"],
        "port_id": port["id"],
        "mac_addr": port["mac_address"],
        "port_state": port["status"],
        "fixed_ips": port["fixed_ips"],
    }


def _addresses(port: Json) -> Sequence[Json]:
    return [
        {
            "version": 6 if ":" in ip["ip_address"] else 4,
            "addr": ip["ip_address"],
            "OS-EXT-IPS:type": "fixed",
            "OS-EXT-IPS-MAC:mac_addr": port["mac_address"],
        }
        for ip in port["fixed_ips"]
    ]


def _summary(server: Server, root: str) -> Json:
    links = [
        {"rel": "self", "href": f"{root}/v2.1/servers/{server.id}"},
        {"rel": "bookmark", "href": f"{root}/servers/{server.id}"},
    ]
    return {"id": server.id, "name": server.name, "links": links}


def _bookmark(root: str, kind: str, resource_id: str) -> Json:
    link = {"rel": "bookmark", "href": f"{root}/{kind}/{resource_id}"}
    return {"id": resource_id, "links": [link]}


def _version(root: str) -> Json:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": "2.104",
        "min_version": "2.1",
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": f"{root}/v2.1/"}],
    }
