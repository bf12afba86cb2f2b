# SPDX-License-Identifier: Apache-2.0
"""Frames whose properties py-amqp cannot read.

The broker carries properties that are no text and times that no calendar has. py-amqp
raises at them, in the middle of a message: whoever consumes would lose the connection, get
the message again, and so on for ever. Here such a message arrives without its properties,
and is refused like any other one that is no request.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import amqp
from amqp import method_framing, serialization

#: The content type of a message whose own one, or another property, cannot be read.
UNREADABLE = "application/x-unreadable"
_HEADER = 2
#: Bytes before the properties: class, weight and size of the body.
_FIXED = 12
_BAD = (ArithmeticError, OSError, RecursionError, ValueError, struct.error)

Frame = tuple[int, int, Any]


def frame_handler(connection: Any, callback: Any) -> Callable[[Frame], bool]:
    """Return what takes frames, as py-amqp's function of this name does."""
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
