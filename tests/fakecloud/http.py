# SPDX-License-Identifier: Apache-2.0
"""The HTTP side of a fake cloud: connections, what is recorded, faults on purpose."""

from __future__ import annotations

import dataclasses
import http.server
import json
import re
import socket
import socketserver
import sys
import threading
import urllib.parse
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from tests.fakecloud.listing import CONTROLS
from tests.fakecloud.state import Answer, Fault, Request, error_page

_VERSION = re.compile(r"^/v2(\.\d)?(?=/.)")
_ID = re.compile(r"(?<=/)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=/|$)")
#: The status of a request that was never answered.
DROPPED = 0


class Recorded(NamedTuple):
    """One request that a fake cloud received.

    :param path: without the version of Neutron and Nova and without the query; ids are
        ``{id}``
    :param status: of the answer; `DROPPED` if the request was not carried out
    :param filters: by which attributes a list was filtered
    :param traceparent: the span of the client's that it was a part of; empty if none
    """

    service: str
    method: str
    path: str
    status: int
    filters: tuple[str, ...] = ()
    traceparent: str = ""


@dataclasses.dataclass
class Trouble:
    """What is to go wrong with some requests.

    :param answer: instead of the service's own
    :param drop: close the connection before or after the request is carried out
    :param times: how many requests are left to fail
    """

    service: str
    method: str
    path: re.Pattern[str]
    answer: Answer | None
    drop: Literal["before", "after"] | None
    times: int

    def meets(self, request: Request) -> bool:
        """Tell whether a request is to fail."""
        return (
            self.times > 0
            and (self.service, self.method) == (request.service, request.method)
            and self.path.search(request.path) is not None
        )


Service = Callable[[Request], Answer]


class Front:
    """Takes requests to services, records them, and makes some fail.

    :param services: by the first part of the path
    :param lock: held while a service works
    """

    def __init__(self, services: Mapping[str, Service], lock: threading.RLock) -> None:
        self._services = services
        self._lock = lock
        self.requests: list[Recorded] = []
        self.troubles: list[Trouble] = []

    def answer(self, request: Request) -> Answer | None:
        """Return the answer to a request, None to close the connection without one."""
        with self._lock:
            trouble = next((t for t in self.troubles if t.meets(request)), None)
            if trouble is None:
                return self._recorded(request, self._carry_out(request))
            trouble.times -= 1
            if trouble.drop == "before":
                return self._recorded(request, None)
            answer = trouble.answer or self._carry_out(request)
            self._recorded(request, answer)
            return None if trouble.drop else answer

    def _carry_out(self, request: Request) -> Answer:
        try:
            if request.service not in self._services:
                raise error_page()
            return self._services[request.service](request)
        except Fault as fault:
            return fault.answer

    def _recorded(self, request: Request, answer: Answer | None) -> Answer | None:
        path = _ID.sub("{id}", request.path)
        status = answer.status if answer else DROPPED
        filters = tuple(sorted(set(request.query) - CONTROLS))
        traceparent = request.headers.get("Traceparent", "")
        record = Recorded(
            request.service, request.method, path, status, filters, traceparent
        )
        self.requests.append(record)
        return answer


class HttpServer(http.server.ThreadingHTTPServer):
    """Serves a fake cloud on a free port of the loopback interface."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, front: Front) -> None:
        self.front = front
        self._open: set[Any] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Where the services are."""
        return f"http://127.0.0.1:{self.server_port}"

    def server_bind(self) -> None:
        """Bind without asking for the host's name, which can take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, and serve it."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report mistakes of the fake; a client may well close its connection."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        """Stop, and end all connections."""
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "fakecloud"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: HttpServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: requests are recorded."""

    def _handle(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = urllib.parse.urlsplit(self.path)
        service, _, rest = target.path.removeprefix("/").partition("/")
        answer = self.server.front.answer(
            Request(
                service=service,
                method=self.command,
                path=stripped(f"/{rest}"),
                query=urllib.parse.parse_qs(target.query, keep_blank_values=True),
                headers={k.title(): v for k, v in self.headers.items()},
                body=decoded(content),
                root=f"{self.server.url}/{service}",
            )
        )
        if answer is None:
            self.close_connection = True
        else:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        html = isinstance(answer.body, str)
        content = b""
        if answer.body is not None:
            content = (str(answer.body) if html else json.dumps(answer.body)).encode()
        self.send_response(answer.status)
        self.send_header("X-Openstack-Request-Id", f"req-{uuid.uuid4()}")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            kind = "text/html; charset=UTF-8" if html else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - the base class's


def stripped(path: str) -> str:
    """Return a path without the version of Neutron and Nova."""
    return _VERSION.sub("", path)


def decoded(content: bytes) -> Any:
    """Return the JSON of a body, None if it is none."""
    try:
        return json.loads(content)
    except ValueError:
        return None
