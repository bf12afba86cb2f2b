# SPDX-License-Identifier: Apache-2.0
"""A port that speaks TLS with a certificate of one's choice, and never more than that."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
from typing import Self

from tests.certificates import Pair


class TlsFront:
    """Answers the handshake on a port of loopback, and ends the connection after it.

    :param pair: its certificate
    """

    def __init__(self, pair: Pair) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with (
                    contextlib.suppress(OSError),
                    context.wrap_socket(self.request, server_side=True) as secured,
                ):
                    secured.recv(1024)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._server.server_address[1]
        return port
