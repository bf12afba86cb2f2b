# SPDX-License-Identifier: Apache-2.0
"""Change how py-amqp reads, writes and hears alarms, by names that are not public.

Frames that py-amqp cannot read: the broker carries properties that are no text and times
that no calendar has. py-amqp raises at them, in the middle of a message: whoever consumes
would lose the connection, get the message again, and so on for ever. With
:func:`frame_handler` such a message arrives without its properties, and is refused like any
other one that is no request.

System calls: each one releases the GIL, which then has to be acquired again. So
:class:`BatchedIO` reads at once what is there, and sends at the end of a round of work what
was written in it.
"""

from __future__ import annotations

import contextlib
import functools
import struct
from collections.abc import Callable, Iterator
from typing import Any

import amqp
from amqp import basic_message, method_framing, serialization, spec

#: The content type of a message whose own one, or another property, cannot be read.
UNREADABLE = "application/x-unreadable"
_HEADER = 2
#: Bytes before the properties: class, weight and size of the body.
_FIXED = 12
_BAD = (ArithmeticError, OSError, RecursionError, ValueError, struct.error)
#: Bytes that are read at once. py-amqp would read three times for each of three frames.
_CHUNK = 16384

Frame = tuple[int, int, Any]


def frame_handler(connection: Any, callback: Any) -> Callable[[Frame], bool]:
    """Return a handler of frames, as py-amqp's function of this name does."""
    handle = method_framing.frame_handler(connection, callback)

    def on_frame(frame: Frame) -> bool:
        kind, channel, content = frame
        try:
            return bool(handle(frame))
        except (*_BAD, amqp.AMQPError):
            if kind != _HEADER or _is_sound(content):
                raise
        # py-amqp knows by now which message it is, and waits for its properties.
        return bool(handle((kind, channel, _without_properties(content))))

    return on_frame


def _is_sound(content: Any) -> bool:
    """Tell whether the properties in a header can be read."""
    try:
        serialization.decode_properties_basic(content, _FIXED)
    except (*_BAD, amqp.AMQPError):
        return False
    return True


def _without_properties(content: Any) -> bytes:
    """Return a header for the same body, with one property that can be read."""
    name = UNREADABLE.encode()
    only_content_type = struct.pack(">HB", 0x8000, len(name)) + name
    return bytes(content[:_FIXED]) + only_content_type


def on_alarms(
    connection: Any, blocked: Callable[[str], None], unblocked: Callable[[], None]
) -> None:
    """Register what to call when the broker takes no messages, and when it does again.

    :param connection: py-amqp's
    :param blocked: called with the broker's own words, which py-amqp does not read
    """
    method = spec.Connection.Blocked
    connection._METHODS = connection._METHODS | {method: spec.method(method, "s")}
    connection._callbacks[method] = blocked
    connection._callbacks[spec.Connection.Unblocked] = unblocked


class JSONMessage(basic_message.Message):  # type: ignore[misc]
    """A message whose properties are not encoded anew each time.

    :param body: JSON
    :param durable: whether it is to outlive the broker
    """

    def __init__(self, body: bytes, *, durable: bool) -> None:
        super().__init__(body)
        self._durable = durable

    def _serialize_properties(self) -> bytes:
        return _json_properties(self._durable)


@functools.cache
def _json_properties(durable: bool) -> bytes:
    message = basic_message.Message(
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=2 if durable else 1,
    )
    encoded: bytes = message._serialize_properties()
    return encoded


class BatchedIO:
    """Reads and writes for py-amqp's transport in few system calls, in one thread."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._held: list[bytes] = []
        self._holding = False

    def serve(self, transport: Any) -> None:
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
