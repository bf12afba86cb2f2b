# SPDX-License-Identifier: Apache-2.0
"""The bytes of one connection: few system calls for many messages.

Each system call lets other threads have Python's lock, which then has to be got back. So
what is there is read at once, and what is written in one round of work is sent at its end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

#: Bytes that are read at once. py-amqp would read three times for each of three frames.
_CHUNK = 16384


class Wire:
    """Reads and writes for py-amqp's transport, by the one thread that uses it."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._held: list[bytes] = []
        self._holding = False

    def take(self, transport: Any) -> None:
        """Serve a transport from now on; what was held for another one is lost with it."""
        receive, send = transport.sock.recv, transport.sock.sendall

        def read(size: int) -> Any:
            # What is waited for may be the answer to it.
            self._flush()
            return receive(max(size, _CHUNK))

        def write(data: Any) -> None:
            if self._holding:
                self._held.append(bytes(data))
            else:
                send(data)

        self._transport = transport
        self._held.clear()
        transport._quick_recv, transport._write = read, write

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Hold what the block writes, and send it at the end."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
            # What is lost with the connection is sent or delivered again.
            with contextlib.suppress(OSError):
                self._flush()

    def _flush(self) -> None:
        """Send what was held."""
        if self._held:
            holding, self._holding = self._holding, False
            data = b"".join(self._held)
            self._held.clear()
            try:
                self._transport.write(data)
            finally:
                self._holding = holding
