# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that can be cut, stalled and slowed down, to stand before RabbitMQ.

It is code of its own because toxiproxy, the tool for this, is a separate binary, and the
Python packages of that name are clients of it.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any, Self

_HOST = "127.0.0.1"
#: Closing sends a reset instead of an end of file.
_RESET = struct.pack("ii", 1, 0)
#: Seconds until the proxy's own thread has done what it was told.
_PATIENCE = 10.0


class TcpProxy:
    """Passes connections on to ports of this machine, as long as it is told to.

    :param upstreams: the ports that connections are passed on to, to each in turn; one
        that refuses a connection is passed over, as a load balancer does
    """

    def __init__(self, *upstreams: int) -> None:
        self._upstreams = collections.deque(upstreams)
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._rate: float | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        """Begin to pass connections on."""
        self._thread.start()
        self.resume()
        return self

    def __exit__(self, *error: object) -> None:
        """Reset all connections and end."""
        self.cut()
        self._do(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)
        self._loop.close()

    def resume(self) -> None:
        """Pass everything on again."""
        self._do(self._resume())

    def cut(self) -> None:
        """Reset all connections, and refuse new ones."""
        self._do(self._cut())

    def stall(self) -> None:
        """Keep all connections and accept new ones, but pass nothing on."""
        self._do(self._stall())

    def slow(self, rate: float) -> None:
        """Pass so many bytes a second on, in each direction of each connection."""
        self._rate = rate

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(_PATIENCE)

    async def _resume(self) -> None:
        self._rate = None
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, _HOST, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _stall(self) -> None:
        self._flowing.clear()

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            self._reset(writer)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._open.add(writer)
        await self._flowing.wait()
        there = await self._connect()
        if there is None:
            self._reset(writer)
            return
        self._open.add(there[1])
        with contextlib.suppress(OSError):
            await asyncio.gather(
                self._pump(reader, there[1]), self._pump(there[0], writer)
            )
        self._reset(writer)
        self._reset(there[1])

    async def _connect(
        self,
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in range(len(self._upstreams)):
            port = self._upstreams[0]
            self._upstreams.rotate(-1)
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(_HOST, port)
        return None

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            await self._flowing.wait()
            if self._rate:
                await asyncio.sleep(len(data) / self._rate)
            writer.write(data)
            await writer.drain()
        writer.close()

    def _reset(self, writer: asyncio.StreamWriter) -> None:
        self._open.discard(writer)
        if not writer.transport.is_closing():
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
