# SPDX-License-Identifier: Apache-2.0
"""What is in a message, with or without the envelope of oslo.messaging.

oslo.messaging puts a request as JSON into an envelope of JSON, so that it is encoded twice.
It takes requests without one as well, so networker sends calls and answers bare.

A message is looked at from outside first: one that is too large, compressed, or says that
it is something other than JSON is refused without being unpacked or parsed.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from kombu import message as kombu_message

from networker._types import known
from networker.rpc.oneline import one_line, shown

#: What :func:`content` raises where there is none.
ERRORS = (msgspec.MsgspecError, UnicodeError, RecursionError)
_TYPES = {"", "application/json"}
_ENCODINGS = {"", "ascii", "binary", "us-ascii", "utf-8"}


class Unreadable(Exception):
    """A message that nobody should try to read; the text says why."""


class Message(kombu_message.Message):
    """A message as it came.

    kombu would unpack it, were its headers to say that it is compressed, whatever size that
    makes it.

    :param raw: py-amqp's
    :param channel: on which it came
    """

    def __init__(self, raw: Any, channel: Any) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            body=raw.body,
            channel=channel,
            delivery_tag=raw.delivery_tag,
            content_type=raw.properties.get("content_type"),
            content_encoding=raw.properties.get("content_encoding"),
            delivery_info=raw.delivery_info,
            properties=raw.properties,
        )
        self.headers = raw.properties.get("application_headers") or {}

    @property
    def size(self) -> int:
        """Bytes of its body."""
        body = self.body
        return len(body.encode() if isinstance(body, str) else body)


@known
class _Envelope(msgspec.Struct):
    version: Literal["2.0"] = msgspec.field(name="oslo.version")
    message: str = msgspec.field(name="oslo.message")


def read(message: Message, most: int) -> dict[str, Any]:
    """Return what is in a message.

    :param most: bytes that it may have
    :raises Unreadable: it is not looked into, or is nothing that oslo.messaging sends
    """
    _look_from_outside(message, most)
    try:
        return content(message.body)
    except ERRORS as error:
        raise Unreadable(f"it is no request: {one_line(str(error), 200)}") from error


def content(body: str | bytes) -> dict[str, Any]:
    """Return what is in the body of a message.

    :raises ERRORS: it is nothing that oslo.messaging sends
    """
    found = msgspec.json.decode(body, type=dict[str, Any])
    if "oslo.message" in found:
        inner = msgspec.convert(found, _Envelope).message
        found = msgspec.json.decode(inner, type=dict[str, Any])
    return found


def _look_from_outside(message: Message, most: int) -> None:
    if message.size > most:
        text = f"it is larger than [networker] max_message_size = {most} bytes"
        raise Unreadable(text)
    compression = message.headers.get("compression")
    if compression:
        raise Unreadable(
            f"it is compressed ({shown(compression)}), and is not unpacked; senders must "
            "not set kombu_compression"
        )
    if (message.content_type or "").lower() not in _TYPES:
        text = f"its content type is {shown(message.content_type)}, not JSON's"
        raise Unreadable(text)
    if (message.content_encoding or "").lower() not in _ENCODINGS:
        text = f"its content encoding is {shown(message.content_encoding)}, not utf-8"
        raise Unreadable(text)
