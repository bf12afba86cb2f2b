# SPDX-License-Identifier: Apache-2.0
"""What the master serves by HTTP at ``[networker] listen``: health, metrics, what runs.

It asks the worker processes, which answer on sockets in a directory (see
:mod:`networker.monitor`), each time that it is asked itself. So it has nothing that could
be out of date, and goes on while workers are killed and replaced. Nothing but the standard
library is loaded before somebody asks for metrics.
"""

from __future__ import annotations

import contextlib
import http.server
import importlib
import json
import pathlib
import shutil
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent import futures
from http import HTTPStatus
from typing import Any

from networker import listening

#: Seconds that a worker has to tell its state; one that does not hangs.
_WITHIN = 1.0
#: Seconds that who asks has to send a line, or to take the answer.
_PATIENCE = 10.0
_CHUNK = 1 << 16
#: Characters of the temporary directory that leave room for the path of a Unix socket.
_LONGEST = 75
TEXT, JSON = "text/plain; charset=utf-8", "application/json"

Report = Mapping[str, Any]
#: Status, type of the content, and content.
Answer = tuple[HTTPStatus, str, bytes]


def reports(directory: pathlib.Path) -> list[Report]:
    """Ask all workers what they do.

    :returns: what each tells of itself; of one that does not answer, its `pid` and `hangs`
    """
    sockets = sorted(directory.glob("*.sock"))
    if not sockets:
        return []
    with futures.ThreadPoolExecutor(len(sockets)) as pool:
        return [each for each in pool.map(_report, sockets) if each]


def _report(path: pathlib.Path) -> Report | None:
    pid = int(path.stem)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(_WITHIN)
            sock.connect(str(path))
            chunks = iter(lambda: sock.recv(_CHUNK), b"")
            told: Report = json.loads(b"".join(chunks))
    except (ConnectionRefusedError, FileNotFoundError):  # it was killed, or has ended
        path.unlink(missing_ok=True)
        return None
    except (OSError, ValueError):
        return {"pid": pid, "hangs": f"it did not answer within {_WITHIN:.0f} s"}
    return told


def troubles(report: Report) -> list[str]:
    """Return why a worker is not ready; nothing if it is."""
    pid = report["pid"]
    if "hangs" in report:
        return [f"worker {pid}: {report['hangs']}"]
    if report["draining"]:
        return [f"worker {pid}: draining"]
    found = [("broker", report["bus"]), ("cloud", report["cloud"])]
    return [f"worker {pid}: {what}: {why}" for what, why in found if why]


def readiness(told: Sequence[Report], *, draining: bool) -> list[str]:
    """Return why nobody here serves; nothing if at least one worker does.

    :param draining: whether all of them were told to end
    """
    if draining:
        return ["draining: what was begun is finished, and no more is taken"]
    found = [troubles(each) for each in told]
    if any(not each for each in found):
        return []
    return [line for each in found for line in each] or ["no worker has begun to serve"]


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """An HTTP server on a socket that already listens."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, sock: socket.socket, pages: Pages) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.pages = pages

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent: who asked has gone away."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request."""

    server: _Server
    server_version = listening.SERVER
    sys_version = ""
    timeout = _PATIENCE

    def do_GET(self) -> None:
        """Answer."""
        accepted = self.headers.get("Accept", "")
        path = self.path.partition("?")[0]
        status, kind, content = self.server.pages.answer(path, accepted)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Be silent: probes come every few seconds."""


class Pages:
    """What there is at an endpoint.

    :param directory: where workers have their sockets and metrics
    :param alive: tells whether the master and the process that runs the workers go on
    :param draining: tells whether all workers were told to end
    """

    def __init__(
        self,
        directory: pathlib.Path,
        alive: Callable[[], bool],
        draining: Callable[[], bool],
    ) -> None:
        self._directory = directory
        self._alive = alive
        self._draining = draining
        self._exposition: Any = None
        self._lock = threading.Lock()
        self._pages: dict[str, Callable[[str], Answer]] = {
            "/livez": self._live,
            "/metrics": self._metrics,
            "/readyz": self._ready,
            "/state": self._state,
        }

    def answer(self, path: str, accepted: str) -> Answer:
        """Return a page.

        :param accepted: types of content, as HTTP's header Accept has them
        """
        page = self._pages.get(path)
        if page:
            return page(accepted)
        there = ", ".join(self._pages)
        return HTTPStatus.NOT_FOUND, TEXT, f"there are {there}\n".encode()

    def _look(self) -> tuple[list[Report], list[str]]:
        """Return what the workers tell, and why nobody here serves."""
        told = reports(self._directory)
        return told, readiness(told, draining=self._draining())

    def _live(self, _accepted: str) -> Answer:
        if self._alive():
            return HTTPStatus.OK, TEXT, b"alive\n"
        text = b"the process that runs the workers does not answer\n"
        return HTTPStatus.SERVICE_UNAVAILABLE, TEXT, text

    def _ready(self, _accepted: str) -> Answer:
        _, why = self._look()
        if not why:
            return HTTPStatus.OK, TEXT, b"ready\n"
        text = "".join(f"{line}\n" for line in why)
        return HTTPStatus.SERVICE_UNAVAILABLE, TEXT, text.encode()

    def _state(self, _accepted: str) -> Answer:
        told, why = self._look()
        state = {
            "host": socket.gethostname(),
            "ready": not why,
            "why": why,
            "draining": self._draining(),
            "workers": told,
        }
        text = json.dumps(state, indent=2) + "\n"
        return HTTPStatus.OK, JSON, text.encode()

    def _metrics(self, accepted: str) -> Answer:
        with self._lock:
            if self._exposition is None:
                module = importlib.import_module("networker.exposition")
                self._exposition = module.Exposition(self._directory)
            told, why = self._look()
            kind, content = self._exposition.page(told, not why, accepted)
        return HTTPStatus.OK, kind, content


class Endpoints:
    """Serves at the addresses that pools of workers want.

    While a pool takes another one's place there can be two.

    :param alive: see :class:`Pages`
    :param draining: see :class:`Pages`
    """

    def __init__(self, alive: Callable[[], bool], draining: Callable[[], bool]) -> None:
        self._asked = alive, draining
        self._directory: pathlib.Path | None = None
        self._servers: dict[str, _Server] = {}
        self._wanted: dict[Hashable, str] = {}

    def open(self, pool: Hashable, address: str) -> dict[str, str]:
        """Serve at an address for a pool.

        :returns: for the pool, the `directory` of its workers, or the `error`
        """
        try:
            directory = self._make_directory()
            if address not in self._servers:
                server = _Server(
                    listening.bind(address), Pages(directory, *self._asked)
                )
                self._servers[address] = server
                threading.Thread(
                    target=server.serve_forever, name="endpoint", daemon=True
                ).start()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            return {"error": f"[networker] listen = {address}: {why}"}
        self._wanted[pool] = address
        return {"directory": str(directory)}

    def release(self, pool: Hashable) -> None:
        """Serve no more where only this pool wanted it."""
        address = self._wanted.pop(pool, None)
        if address and address not in self._wanted.values():
            self._close(address)

    def close(self) -> None:
        """End, and leave nothing behind."""
        for address in list(self._servers):
            self._close(address)
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _close(self, address: str) -> None:
        server = self._servers.pop(address)
        server.shutdown()
        server.server_close()
        with contextlib.suppress(OSError):
            listening.release(address)

    def _make_directory(self) -> pathlib.Path:
        if self._directory is None:
            usual = tempfile.gettempdir()
            place = usual if len(usual) <= _LONGEST else "/tmp"  # noqa: S108 - it is made there
            made = tempfile.mkdtemp(prefix="networker-", dir=place)
            self._directory = pathlib.Path(made)
        return self._directory
