# SPDX-License-Identifier: Apache-2.0
"""Who may ask the console for what.

It listens on loopback, where every page that is open in a browser could reach it. So the
name by which it is asked for is checked, since a stranger's name can be made to lead here
(DNS rebinding); no other page may frame or load it; and what changes something needs a
token that is printed where the console was started.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    # No file of anybody else, and nothing written into the page.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_SCHEME = "bearer "


class Guard:
    """Refuses what comes under a strange name, and says what browsers may do.

    :param app: what is behind it
    :param hosts: names under which the console is asked for, besides `localhost` and
        addresses
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        app, host = self._app, Headers(scope=scope).get("host", "")
        if not self._knows(host):
            app = PlainTextResponse(
                f"the console is not known as {host!r}: give --allow-host to it\n", 421
            )
        await app(scope, receive, guarded)

    def _knows(self, host: str) -> bool:
        name = _without_port(host).lower()
        return name in self._hosts or _is_address(name)


def permitted(authorization: str, token: str) -> bool:
    """Tell whether a request has the token, in a time that does not tell how much of it.

    :param authorization: HTTP's header
    """
    if not authorization.lower().startswith(_SCHEME):
        return False
    given = authorization[len(_SCHEME) :].strip()
    return hmac.compare_digest(given.encode(), token.encode())


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    """Tell whether a name is an address, which nobody can make lead elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
