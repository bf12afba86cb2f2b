# SPDX-License-Identifier: Apache-2.0
"""A cloud made of scripted answers on a loopback port."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from oslo_config import cfg

from networker import conf as networker_conf
from networker.drivers.neutron.api import options


@dataclasses.dataclass
class Answer:
    """What the cloud answers to one request.

    :param body: JSON, or the text itself
    :param lost: close the connection instead of answering
    :param delay: seconds before the answer
    """

    status: int = 200
    body: Any = dataclasses.field(default_factory=dict)
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    lost: bool = False
    delay: float = 0.0


def neutron_error(status: int, kind: str, message: str = "no") -> Answer:
    """Return an error as Neutron writes it."""
    error = {"type": kind, "message": message, "detail": ""}
    return Answer(status, {"NeutronError": error})


@dataclasses.dataclass
class Request:
    """What the cloud was asked."""

    line: str
    body: Any
    headers: dict[str, str]


class FakeCloud(ThreadingHTTPServer):
    """Answers what it was told to, in order, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Request] = []
        self.answers: list[Answer] = []

    def asked(self) -> list[str]:
        """Return methods and paths, without the queries."""
        return [request.line.partition("?")[0] for request in self.requests]

    def conf(self, **neutron: Any) -> cfg.ConfigOpts:
        """Return a configuration that leads here."""
        conf = networker_conf.register(cfg.ConfigOpts())
        conf([], project="test", default_config_files=[])
        options.register(conf)
        root = f"http://127.0.0.1:{self.server_port}"
        conf.set_override("endpoint_override", f"{root}/v2.0", "neutron")
        conf.set_override("endpoint_override", f"{root}/v2.1", "nova")
        conf.set_override("auth_type", "none", "neutron")
        for name, value in neutron.items():
            conf.set_override(name, value, "neutron")
        return conf


class _Handler(BaseHTTPRequestHandler):
    server: FakeCloud
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        line = f"{self.command} {self.path}"
        if self.path in ("/v2.0", "/v2.1"):
            # openstacksdk asks first of which version this is.
            link = {"rel": "self", "href": f"http://{self.headers['Host']}{self.path}"}
            version = {"id": self.path[1:], "status": "CURRENT", "links": [link]}
            self._send(Answer(body={"versions": [version]}))
            return
        self.server.requests.append(Request(line, body, dict(self.headers)))
        answer = self.server.answers.pop(0) if self.server.answers else Answer(500)
        time.sleep(answer.delay)
        if answer.lost:
            self.close_connection = True
            return
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(text.encode())

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - http.server's

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def running() -> Iterator[FakeCloud]:
    """Run a cloud for a while."""
    with FakeCloud() as cloud:
        thread = threading.Thread(target=cloud.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield cloud
        finally:
            cloud.shutdown()
            thread.join()
