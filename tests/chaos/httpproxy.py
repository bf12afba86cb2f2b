# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy that loses, delays and falsifies answers, to stand before a cloud.

It is code of its own because the Python proxies that can do this, mitmproxy for one,
bring a TLS stack and a hundred dependencies for what are a hundred lines here.
"""

from __future__ import annotations

import dataclasses
import http.client
import http.server
import random
import re
import socketserver
import sys
import threading
import urllib.parse
from collections.abc import Mapping
from typing import Any, Literal, Self

#: Headers that belong to one connection, not to the message (RFC 9110, 7.6.1).
_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "host"}
#: Seconds that the real service may take.
_PATIENCE = 120.0


@dataclasses.dataclass
class Rule:
    """Which requests are to suffer, and what.

    :param action: close the connection before or after the request was served, wait
        before it is served, or answer `status` and do not serve it
    :param method: a regular expression for the whole method
    :param path: a regular expression that is searched for in path and query
    :param probability: of each request that fits
    :param nth: only the nth request that fits, counted from 1
    :param seconds: how long `delay` waits
    """

    action: Literal["drop-before", "drop-after", "delay", "status"]
    method: str = ".*"
    path: str = ""
    probability: float = 1.0
    nth: int | None = None
    status: int = 503
    seconds: float = 0.0
    seen: int = dataclasses.field(default=0, init=False)
    hits: int = dataclasses.field(default=0, init=False)

    def meets(self, method: str, path: str, rng: random.Random) -> bool:
        """Tell whether a request is to suffer, and count it."""
        if not re.fullmatch(self.method, method) or not re.search(self.path, path):
            return False
        self.seen += 1
        hit = self.nth in (None, self.seen) and rng.random() < self.probability
        self.hits += hit
        return hit


class HttpProxy(http.server.ThreadingHTTPServer):
    """Serves ``/<service>/...`` with what ``<base URL of the service>/...`` answers.

    :param services: base URLs by name
    :param seed: of the rules' probabilities
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, services: Mapping[str, str], seed: int = 0) -> None:
        self.services = {k: urllib.parse.urlsplit(v) for k, v in services.items()}
        self.rules: list[Rule] = []
        self.requests = 0
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def __enter__(self) -> Self:
        """Begin to serve."""
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop to accept connections."""
        self.shutdown()
        self.server_close()

    def url(self, service: str) -> str:
        """Return the base URL under which a service is found here."""
        return f"http://127.0.0.1:{self.server_port}/{service}"

    def trouble(self, method: str, path: str) -> Rule | None:
        """Return the first rule that a request falls under."""
        with self._lock:
            self.requests += 1
            return next(
                (rule for rule in self.rules if rule.meets(method, path, self._rng)),
                None,
            )

    def server_bind(self) -> None:
        """Bind without asking for the host's name, which can take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report mistakes of the proxy; either side may well close its connection."""
        kind = sys.exc_info()[0] or OSError
        if not issubclass(kind, (OSError, http.client.HTTPException)):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: HttpProxy

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: the rules count."""

    def _handle(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        rule = self.server.trouble(self.command, self.path)
        action = rule.action if rule else ""
        if action == "drop-before":
            self.close_connection = True
            return
        if rule and action == "status":
            self._answer(rule.status, {}, b"")
            return
        if rule and action == "delay":
            threading.Event().wait(rule.seconds)
        status, headers, body = self._forward(content)
        if action == "drop-after":
            self.close_connection = True
        else:
            self._answer(status, headers, body)

    def _forward(self, content: bytes) -> tuple[int, dict[str, str], bytes]:
        _, service, *rest = self.path.split("/", 2)
        base = self.server.services[service]
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
        there = http.client.HTTPConnection(base.netloc, timeout=_PATIENCE)
        try:
            path = "/".join([base.path.rstrip("/"), *rest]) or "/"
            there.request(self.command, path, content, headers)
            answer = there.getresponse()
            kept = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP}
            return answer.status, kept, answer.read()
        finally:
            there.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - the base class's
