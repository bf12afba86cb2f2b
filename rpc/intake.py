# SPDX-License-Identifier: Apache-2.0
"""What a request has to look like: looked at before anything is done with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from networker import exceptions
from networker.drivers import base
from networker.rpc import contract
from networker.rpc.oneline import one_line, shown

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


class Malformed(Exception):
    """A message that nobody can be answered for; the text says why."""


def address(message: dict[str, Any]) -> tuple[str | None, str | None]:
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
        text = f"its _reply_q is none that callers make: {shown(reply_q)}"
        raise Malformed(text)
    if not (isinstance(msg_id, str) and _ID.fullmatch(msg_id)):
        raise Malformed(f"its _msg_id is none that callers make: {shown(msg_id)}")
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
        return exceptions.InvalidRequest(f"it names no method: {shown(method)}")
    name = one_line(method, 100)
    if not isinstance(arguments, dict):
        text = f"{name}: its arguments have no names: {shown(arguments)}"
        return exceptions.InvalidRequest(text, method=name)
    offered = method in contract.methods() and namespace == contract.NAMESPACE
    if not (offered and _has(version)):
        return exceptions.UnsupportedVersion(
            f"the workers do not support {name} of {shown(namespace)} in version "
            f"{shown(version)}",
            method=name,
            version=one_line(str(shown(version)), 20),
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
