# SPDX-License-Identifier: Apache-2.0
"""The queue for calls in memory: on which node it is, and whether a caller may use it.

It is on one node. When that node of a cluster is lost, so are the calls in it, and callers
that are connected to other nodes would not notice. So callers use it only where it is on
the node that they are connected to, and the durable queue of the topic else: then whatever
loses their calls ends their connection too, and they send the calls again. On a single node
that makes no difference.

AMQP does not say whether a broker is a cluster, nor where a queue is, and the name of the
cluster is each node's own until somebody sets it. But who asks for an answer by RabbitMQ's
direct reply-to is given an address, and in it is a name for the node of the connection.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import time
import uuid
import zlib
from typing import Any

import amqp
from kombu import entity

from networker.rpc.rabbitmq.queues import (
    RequestConsumer,
    calls_name,
    dead_letter_arguments,
    dead_name,
)

LOG = logging.getLogger(__name__)

#: Milliseconds for which the queue is kept when no worker listens, so that calls do not
#: wait on it that nobody will ever take.
_KEPT = 600_000
#: Seconds for which a queue is left alone whose node does not answer.
_ALONE = 30.0

_DIRECT = "amq.rabbitmq.reply-to"
#: Of Erlang's external term format: a process's identifier, and names by the octets of
#: their length.
_PIDS = (b"\x83g", b"\x83X")
_NAMES = {100: 2, 118: 2, 115: 1, 119: 1}
#: More messages than a queue can hold; what is added to it says where the queue is.
_BOUNDLESS = 1 << 40
_OTHER = re.compile(r"arg 'x-max-length'.* but current is (?:the value '?)?(\d+)")


class _CallQueue:
    """The queue, found and declared without asking the queue, whose node may hang.

    :param topic: of the calls
    """

    def __init__(self, topic: str) -> None:
        self._name = calls_name(topic)
        # What is no request ends beside those of the topic's own queue.
        dead = dead_letter_arguments(dead_name(topic), quorum=False)
        self._arguments: dict[str, Any] = {"x-expires": _KEPT, **dead}

    def exists(self, channel: Any) -> bool:
        """Tell whether there is one, on a node that is not known to be lost."""
        try:
            channel.queue_declare(self._name, passive=True, nowait=True)
            channel.basic_qos(0, 0, False)  # errors come before the answer to it
        except amqp.NotFound:
            return False
        return True

    def is_here(self, channel: Any, node: str | None) -> bool:
        """Declare the queue on this node, and tell whether it is there now.

        :param node: the name of this node
        :raises NotFound: it is on a node that is lost
        """
        if node is None:
            return False
        try:
            self._declare(channel, node)
        except amqp.PreconditionFailed:
            return False  # it is elsewhere, or left over from another configuration
        return True

    def is_left_over(self, channel: Any) -> bool:
        """Tell whether there is one that no node would have made."""
        node = node_of(channel)
        if node is None or not self.exists(channel):
            return False
        try:
            self._declare(channel, node)
        except amqp.PreconditionFailed as error:
            return not is_elsewhere(error.reply_text)
        except amqp.NotFound:  # its node is lost
            return False
        return False

    def _declare(self, channel: Any, node: str) -> None:
        """Declare the queue on a node.

        :raises PreconditionFailed: it is elsewhere, or left over
        :raises NotFound: it is on a node that is lost
        """
        marked = self._arguments | arguments(node, channel)
        options = {"durable": True, "auto_delete": False, "arguments": marked}
        channel.queue_declare(self._name, nowait=True, **options)
        channel.basic_qos(0, 0, False)


def left_over(channel: Any, topic: str) -> bool:
    """Tell whether the queue is another configuration's: then no call waits in memory."""
    return _CallQueue(topic).is_left_over(channel)


class CallConsumer(RequestConsumer):
    """Consumes calls from the queue, on whichever node it is.

    The queue itself is durable, since RabbitMQ 4 knows no other shared one; its messages
    are not. As long as its node is lost or hangs, there is no subscription.
    """

    def __init__(
        self,
        connection: Any,
        exchange: str,
        topic: str,
        callback: Any = None,
        callers: entity.Exchange | None = None,
    ) -> None:
        super().__init__(
            connection,
            exchange,
            calls_name(topic),
            callback,
            dead_letters=False,
            callers=callers,
        )
        self._calls = _CallQueue(topic)
        self._tag = 0
        self._alone_until = 0.0
        self._subscribed = False
        #: Whether the queue is on the node that one is connected to.
        self.is_here = False

    def declare(self, conn: Any) -> None:
        """Declare the queue on this node if it is nowhere."""
        self.is_here = self._subscribed = self._made = False
        self.queue = self._queue()(conn.channel)
        if time.monotonic() < self._alone_until:
            return
        try:
            self._find(conn.side_channel())
        except TimeoutError:
            self._leave_alone()
            raise

    def _find(self, channel: Any) -> None:
        existed = self._calls.exists(channel)
        try:
            self.is_here = self._calls.is_here(channel, node_of(channel))
            self._subscribed = self.is_here or self._calls.exists(channel)
        except amqp.NotFound as error:
            LOG.debug("calls wait on the topic's own queue: %s", error.reply_text)
        self._made = not existed and self._subscribed and self._callers is not None

    def consume(self, conn: Any, tag: int) -> None:
        """Consume, if there is a queue."""
        self._tag = tag
        if not self._subscribed:
            return
        try:
            super().consume(conn, tag)
        except TimeoutError:
            self._leave_alone()
            raise

    def _leave_alone(self) -> None:
        """Let the next connection be of use without the queue.

        Its node hangs; or the broker has an alarm, in which it does not say who it is.
        """
        self._alone_until = time.monotonic() + _ALONE

    def verify(self, conn: Any) -> None:
        """Find out whether the queue is there again; the broker tells when it is gone."""
        if not self._subscribed:
            self.declare(conn)
            self.consume(conn, self._tag)

    def check(self, connection: Any) -> None:
        """Do nothing: whatever the queue is like, calls find another one."""


class CallQueueLocator:
    """Finds out whether the queue is on the node that a caller is connected to.

    For its connection it is a consumer that consumes nothing.

    :param topic: of the calls
    :param anywhere: to do with it wherever it is
    """

    #: What oslo.messaging asks every consumer when it closes the connection.
    type = "direct"

    def __init__(self, topic: str, *, anywhere: bool) -> None:
        self.queue_name = calls_name(topic)
        self._calls = _CallQueue(topic)
        self._anywhere = anywhere
        self._node: str | None = None
        self._is_here = False

    @property
    def usable(self) -> bool:
        """Whether calls may go there."""
        return self._anywhere or self._is_here

    def forget(self) -> None:
        """Use it no more until :meth:`verify` has found it again."""
        self._is_here = False

    def declare(self, conn: Any) -> None:  # noqa: ARG002
        """Begin anew on a new connection.

        A broker in alarm would not answer, and not hear what else it is asked.
        """
        self._node, self._is_here = None, False

    def consume(self, conn: Any, tag: int) -> None:
        """Consume nothing."""

    def verify(self, conn: Any) -> None:
        """Find out, and again if it was not there; only when the broker takes messages."""
        if self.usable:
            return
        channel = conn.side_channel()
        try:
            self._node = self._node or node_of(channel)
            there = self._calls.exists(channel)
            self._is_here = there and self._calls.is_here(channel, self._node)
        except (amqp.NotFound, amqp.AccessRefused) as error:
            LOG.debug("calls use the topic's own queue: %s", error.reply_text)


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
    """Ignore an answer: nothing was asked, and none comes."""
