# SPDX-License-Identifier: Apache-2.0
"""A tap on connections to the broker, which counts the bytes of messages."""

from __future__ import annotations

import asyncio
import dataclasses
import struct
from typing import Self

from tests.chaos.tcpproxy import TcpProxy

#: What a client says first, in 8 bytes (AMQP 0-9-1, section 4.2.2).
_HELLO = b"AMQP"
#: Type, channel and size of a frame (section 4.2.3); one byte ends it.
_FRAME = struct.Struct(">BHL")
_BODY = 3


@dataclasses.dataclass
class Count:
    """Bytes that passed.

    :param sent: of messages' bodies, to the broker
    :param received: the same from the broker
    :param total: of everything, in both directions
    """

    sent: int = 0
    received: int = 0
    total: int = 0

    def __sub__(self, before: Self) -> Count:
        return Count(
            self.sent - before.sent,
            self.received - before.received,
            self.total - before.total,
        )


class Tap(TcpProxy):
    """Passes connections on to a broker, and counts.

    :param upstream: the broker's port
    """

    def __init__(self, upstream: int) -> None:
        super().__init__(upstream)
        self._count = Count()

    def count(self) -> Count:
        """Return what has passed until now."""
        return dataclasses.replace(self._count)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        begin = await reader.read(8)
        to_broker = begin.startswith(_HELLO)
        writer.write(begin)
        seen = bytearray() if to_broker else bytearray(begin)
        while data := await reader.read(65536):
            seen += data
            bodies = _bodies(seen)
            self._count.total += len(data)
            if to_broker:
                self._count.sent += bodies
            else:
                self._count.received += bodies
            writer.write(data)
            await writer.drain()
        writer.close()


def _bodies(seen: bytearray) -> int:
    """Take whole frames from the beginning; return how many bytes are of bodies."""
    found = 0
    while len(seen) >= _FRAME.size:
        kind, _, size = _FRAME.unpack_from(seen)
        whole = _FRAME.size + size + 1
        if len(seen) < whole:
            break
        found += size if kind == _BODY else 0
        del seen[:whole]
    return found
