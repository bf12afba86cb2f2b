# SPDX-License-Identifier: Apache-2.0
"""Read messages: find out what is in one, who is to be answered, and what is wrong with it.

oslo.messaging puts a request as JSON into an envelope of JSON, so that it is encoded twice.
It takes requests without one as well, so networker sends calls and answers bare.

A message is looked at from outside first: one that is too large, compressed, or says that
it is something other than JSON is refused without being unpacked or parsed.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from kombu import message as kombu_message

from networker import exceptions
from networker._text import abbreviated, printable
from networker._types import known
from networker.drivers import base
from networker.rpc import contract

_TYPES = {"", "application/json"}
_ENCODINGS = {"", "ascii", "binary", "us-ascii", "utf-8"}
#: The queues that oslo.messaging's callers, and so ours, make for answers: by a random
#: number, or by host, process and number where it manages its queues. A worker writes into
#: no other queue, whoever asks for it.
_QUEUE = re.compile(r"reply_(?:[0-9a-f]{32}|[ -~]+:[ -~]+:[0-9]+)")
#: Bytes of a queue's name in AMQP.
_LONGEST = 255
_ID = re.compile(r"[ -~]{1,400}")
_VERSION = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})")
#: Seconds at which callers of oslo.messaging may want to be told that a call is running.
_MONITORED = range(2, 86_400)
#: oslo.messaging's own method, which its option rpc_ping_enabled offers.
_PING = "oslo_rpc_server_ping"
#: Seconds between two lines in the log about the same.
_INTERVAL = 60.0


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
    def data(self) -> bytes:
        """Its body, which py-amqp may have decoded."""
        body = self.body
        return body.encode() if isinstance(body, str) else bytes(body)

    @property
    def size(self) -> int:
        """How many bytes its body has."""
        return len(self.data)


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
        found = msgspec.json.decode(message.body, type=dict[str, Any])
        if "oslo.message" in found:
            inner = msgspec.convert(found, _Envelope).message
            found = msgspec.json.decode(inner, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Unreadable(f"it is no request: {printable(str(error), 200)}") from error
    return found


def _look_from_outside(message: Message, most: int) -> None:
    if message.size > most:
        text = f"it is larger than [networker] max_message_size = {most} bytes"
        raise Unreadable(text)
    compression = message.headers.get("compression")
    if compression:
        raise Unreadable(
            f"it is compressed ({abbreviated(compression)}), and is not unpacked; "
            "senders must not set kombu_compression"
        )
    if (message.content_type or "").lower() not in _TYPES:
        text = f"its content type is {abbreviated(message.content_type)}, not JSON's"
        raise Unreadable(text)
    if (message.content_encoding or "").lower() not in _ENCODINGS:
        text = f"its content encoding is {abbreviated(message.content_encoding)}, not utf-8"
        raise Unreadable(text)


class Malformed(Exception):
    """A message that nobody can be answered for; the text says why."""


def reply_address(message: dict[str, Any]) -> tuple[str | None, str | None]:
    """Take from a message under which id, and on which queue, its caller waits.

    :returns: both, or None for both if nobody waits
    :raises Malformed: they are none that a caller makes
    """
    msg_id, reply_q = message.pop("_msg_id", None), message.pop("_reply_q", None)
    if msg_id is None and reply_q is None:
        return None, None
    if not (
        isinstance(reply_q, str)
        and len(reply_q) <= _LONGEST
        and _QUEUE.fullmatch(reply_q)
    ):
        text = f"its _reply_q is none that callers make: {abbreviated(reply_q)}"
        raise Malformed(text)
    if not (isinstance(msg_id, str) and _ID.fullmatch(msg_id)):
        raise Malformed(f"its _msg_id is none that callers make: {abbreviated(msg_id)}")
    return msg_id, reply_q


def monitored(message: dict[str, Any]) -> int | None:
    """Take from a message how often its caller wants to be told that it is running."""
    seconds = message.pop("_timeout", None)
    sound = isinstance(seconds, int) and not isinstance(seconds, bool)
    return seconds if sound and seconds in _MONITORED else None


def unservable(message: Mapping[str, Any]) -> exceptions.BusError | None:
    """Return what is wrong with a request that no method is to be called for, or None."""
    method, arguments = message.get("method"), message.get("args", {})
    namespace, version = message.get("namespace"), message.get("version", "1.0")
    if namespace is None and method == _PING:
        return None
    if not isinstance(method, str):
        return exceptions.InvalidRequest(f"it names no method: {abbreviated(method)}")
    name = printable(method, 100)
    if not isinstance(arguments, dict):
        text = f"{name}: its arguments have no names: {abbreviated(arguments)}"
        return exceptions.InvalidRequest(text, method=name)
    offered = method in contract.methods() and namespace == contract.NAMESPACE
    if not (offered and _has(version)):
        return exceptions.UnsupportedVersion(
            f"the workers do not support {name} of {abbreviated(namespace)} in version "
            f"{abbreviated(version)}",
            method=name,
            version=printable(str(abbreviated(version)), 20),
        )
    return None


def is_name(method: object) -> bool:
    """Tell whether something may be the name of a method, of whatever release."""
    return isinstance(method, str) and method.isidentifier() and len(method) < 100


def _has(version: object) -> bool:
    """Tell whether this release serves a version of the interface."""
    found = isinstance(version, str) and _VERSION.fullmatch(version)
    if not found:
        return False
    major, minor = (int(number) for number in base.INTERFACE_VERSION.split("."))
    return int(found[1]) == major and int(found[2]) <= minor


class RateLimitedWarnings:
    """Logs a warning at once, and those that follow at most once a minute.

    :param logger: where to
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._again = 0.0
        self._kept = 0

    def warning(self, text: str) -> None:
        """Write a line, or count it for the next one."""
        now = time.monotonic()
        with self._lock:
            if now < self._again:
                self._kept += 1
                return
            kept, self._kept, self._again = self._kept, 0, now + _INTERVAL
        more = f" (and {kept} more since the last such line)" if kept else ""
        self._logger.warning("%s%s", text, more)
