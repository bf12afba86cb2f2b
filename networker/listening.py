# SPDX-License-Identifier: Apache-2.0
"""Addresses of ``[networker] listen``: how to listen there, and how to ask who does.

Only the standard library is used: the master needs this.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import http.client
import pathlib
import re
import socket
import stat

_TCP = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.%]+)\]|(?P<host>[^\s:/\[\]]+)):(?P<port>\d+)"
)
_MOST = 65535
#: What the endpoint calls itself in its answers.
SERVER = "networker"
_BACKLOG = 64


def parse(text: str) -> str | tuple[str, int]:
    """Return the path of a Unix socket, or a host and a port.

    :raises ValueError: it is neither
    """
    if text.startswith("/"):
        return text
    found = _TCP.fullmatch(text)
    if not found or not 0 < int(found["port"]) <= _MOST:
        raise ValueError(
            f"{text!r} is neither HOST:PORT, such as 127.0.0.1:9191 or [::1]:9191, nor "
            "the absolute path of a Unix socket"
        )
    return found["six"] or found["host"], int(found["port"])


def bind(text: str) -> socket.socket:
    """Listen at an address; a Unix socket that nobody listens on any more is replaced.

    :raises OSError: that is not possible, for instance because somebody else does
    :raises ValueError: it is no address
    """
    address = parse(text)
    if isinstance(address, str):
        _remove_stale(pathlib.Path(address))
        family, where = socket.AF_UNIX, address
    else:
        family, _, _, _, where = socket.getaddrinfo(  # type: ignore[assignment]
            *address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(where)
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def release(text: str) -> None:
    """Remove what listening left behind."""
    if text.startswith("/"):
        pathlib.Path(text).unlink(missing_ok=True)


def taken(text: str) -> str | None:
    """Return why workers could not listen at an address.

    :returns: None if they could, or if workers do
    """
    try:
        with bind(text):
            pass
    except OSError as error:
        if error.errno == errno.EADDRINUSE and is_ours(text):
            return None
        return f"[networker] listen = {text}: {error.strerror or error}"
    release(text)
    return None


def is_ours(text: str) -> bool:
    """Tell whether workers listen at an address."""
    try:
        return ask(text, "/livez").server.startswith(SERVER)
    except (OSError, http.client.HTTPException):
        return False


@dataclasses.dataclass(frozen=True)
class Answer:
    """What was answered.

    :param status: HTTP's
    :param text: the page
    :param server: what the one who answered calls itself
    """

    status: int
    text: str
    server: str


def ask(text: str, path: str, timeout: float = 10.0) -> Answer:
    """Ask whoever listens at an address, and return the answer.

    :param timeout: seconds for each step
    :raises OSError: nobody answers
    :raises http.client.HTTPException: what answers does not speak HTTP
    """
    address = parse(text)
    host, port = ("localhost", None) if isinstance(address, str) else address
    with contextlib.closing(
        http.client.HTTPConnection(host, port, timeout=timeout)
    ) as connection:
        if isinstance(address, str):
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(timeout)
            connection.sock.connect(address)
        connection.request("GET", path, headers={"Connection": "close"})
        with connection.getresponse() as answer:
            content = answer.read().decode(errors="replace")
            return Answer(answer.status, content, answer.getheader("Server") or "")


def _remove_stale(path: pathlib.Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.stat().st_mode):
            return  # bind says that it is there
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            try:
                sock.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
