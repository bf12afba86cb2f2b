# SPDX-License-Identifier: Apache-2.0
"""Which node of a cluster one is connected to, as the broker itself tells.

AMQP does not say whether a broker is a cluster, nor where a queue is, and the name of the
cluster is each node's own until somebody sets it. But who asks for an answer by RabbitMQ's
direct reply-to is given an address, and in it is a name for the node of the connection.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
import zlib
from typing import Any

import amqp

_DIRECT = "amq.rabbitmq.reply-to"
#: Of Erlang's external term format: a process's identifier, and names by the octets of
#: their length.
_PIDS = (b"\x83g", b"\x83X")
_NAMES = {100: 2, 118: 2, 115: 1, 119: 1}
#: More messages than a queue can hold; what is added to it says where the queue is.
_BOUNDLESS = 1 << 40
_OTHER = re.compile(r"arg 'x-max-length'.* but current is (?:the value '?)?(\d+)")


def node_of(channel: Any) -> str | None:
    """Return a name for the node that a channel's connection ends at.

    It is the same for all connections to a node, also after its restart, and differs
    between the nodes of a cluster. Nothing but the right to answer is needed for it: a
    message is sent to a queue that does not exist, and comes back with the address.

    :param channel: of py-amqp, without errors waiting
    :returns: None if the broker does not tell, because it is another one than RabbitMQ
    """
    addresses: list[str] = []

    def returned(_error: Any, _exchange: str, _key: str, message: Any) -> None:
        addresses.append(message.properties.get("reply_to", ""))

    channel.events["basic_return"].add(returned)
    tag = channel.basic_consume(_DIRECT, no_ack=True, callback=_ignore)
    try:
        asking = amqp.Message(b"", reply_to=_DIRECT)
        nowhere = f"nowhere-{uuid.uuid4()}"
        channel.basic_publish(asking, routing_key=nowhere, mandatory=True)
        channel.basic_qos(0, 0, False)  # what comes back comes before the answer to it
    finally:
        channel.events["basic_return"].discard(returned)
        channel.basic_cancel(tag)
    return _node(addresses[0]) if addresses else None


def arguments(node: str, channel: Any) -> dict[str, Any]:
    """Return arguments for a classic queue that is to be on one's own node, and to say so.

    RabbitMQ compares a queue's limit of length with that in a declaration, before it asks
    the queue. So a declaration succeeds on the node where the queue is, and fails with
    PRECONDITION_FAILED on all others.

    :param node: from :func:`node_of`
    :param channel: on which it will be declared
    """
    version = str(channel.connection.server_properties.get("version", ""))
    # Whatever a policy says; RabbitMQ 4 wants the other name for it.
    old = version.startswith("3.")
    locator = "x-queue-master-locator" if old else "x-queue-leader-locator"
    marker = _BOUNDLESS + zlib.crc32(node.encode())
    return {"x-max-length": marker, locator: "client-local"}


def is_elsewhere(refusal: str) -> bool:
    """Tell whether RabbitMQ refused a declaration because another node has the queue.

    :param refusal: its text
    """
    found = _OTHER.search(refusal)
    return found is not None and int(found[1]) >= _BOUNDLESS


def _node(address: str) -> str | None:
    """Return the name in an address such as amq.rabbitmq.reply-to.BASE64.KEY."""
    encoded = address.removeprefix(f"{_DIRECT}.").partition(".")[0]
    try:
        pid = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    size = _NAMES.get(pid[2]) if pid[:2] in _PIDS and len(pid) > 3 else None
    if size is None:
        return None
    begin = 3 + size
    length = int.from_bytes(pid[3:begin], "big")
    return pid[begin : begin + length].decode(errors="replace") or None


def _ignore(_message: Any) -> None:
    """Take an answer to nothing, which never comes."""
