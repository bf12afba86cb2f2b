# SPDX-License-Identifier: Apache-2.0
"""The queue for calls in memory, and whether a caller may rely on it.

It is on one node. When that node of a cluster is lost, so are the calls in it, and callers
that are connected to other nodes would not notice. So callers use it only where it is on
the node that they are connected to, and the durable queue of the topic else: then whatever
loses their calls ends their connection too, and they send the calls again. On a single node
that makes no difference.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import amqp
from kombu import entity

from networker.rpc.queues import Requests, calls_name, dead_letter_arguments, dead_name
from networker.rpc.topology import arguments, is_elsewhere, node_of

LOG = logging.getLogger(__name__)

#: Milliseconds for which the queue is kept when no worker listens, so that calls do not
#: wait on it that nobody will ever take.
_KEPT = 600_000
#: Seconds for which a queue is left alone whose node does not answer.
_ALONE = 30.0


class _Place:
    """Finds out where the queue is, without asking the queue, whose node may hang.

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
    return _Place(topic).is_left_over(channel)


class Calls(Requests):
    """A worker's subscription to the queue, wherever it is.

    The queue itself is durable, since RabbitMQ 4 knows no other shared one; its messages
    are not. As long as its node is lost or hangs, there is no subscription.
    """

    def __init__(
        self,
        connection: Any,
        exchange: str,
        topic: str,
        callback: Any = None,
        news: entity.Exchange | None = None,
    ) -> None:
        super().__init__(
            connection,
            exchange,
            calls_name(topic),
            callback,
            dead_letters=False,
            news=news,
        )
        self._place = _Place(topic)
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
            self._find(conn.aside())
        except TimeoutError:
            self._leave_alone()
            raise

    def _find(self, channel: Any) -> None:
        existed = self._place.exists(channel)
        try:
            self.is_here = self._place.is_here(channel, node_of(channel))
            self._subscribed = self.is_here or self._place.exists(channel)
        except amqp.NotFound as error:
            LOG.debug("calls wait on the topic's own queue: %s", error.reply_text)
        self._made = not existed and self._subscribed and self._news is not None

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

    def look(self, conn: Any) -> None:
        """See whether the queue is there again; the broker tells when it is gone."""
        if not self._subscribed:
            self.declare(conn)
            self.consume(conn, self._tag)

    def check(self, connection: Any) -> None:
        """Do nothing: whatever the queue is like, calls find another one."""


class Nearness:
    """Whether a caller finds the queue on the node that it is connected to.

    For its connection it is a consumer that consumes nothing.

    :param topic: of the calls
    :param anywhere: to do with it wherever it is
    """

    #: What oslo.messaging asks every consumer when it closes the connection.
    type = "direct"

    def __init__(self, topic: str, *, anywhere: bool) -> None:
        self.queue_name = calls_name(topic)
        self._place = _Place(topic)
        self._anywhere = anywhere
        self._node: str | None = None
        self._is_here = False

    @property
    def usable(self) -> bool:
        """Whether calls may go there."""
        return self._anywhere or self._is_here

    def forget(self) -> None:
        """Use it no more until :meth:`look` has found it again."""
        self._is_here = False

    def declare(self, conn: Any) -> None:  # noqa: ARG002
        """Begin anew on a new connection.

        A broker in alarm would not answer, and not hear what else it is asked.
        """
        self._node, self._is_here = None, False

    def consume(self, conn: Any, tag: int) -> None:
        """Consume nothing."""

    def look(self, conn: Any) -> None:
        """Find out, and again if it was not there; only when the broker takes messages."""
        if self.usable:
            return
        channel = conn.aside()
        try:
            self._node = self._node or node_of(channel)
            there = self._place.exists(channel)
            self._is_here = there and self._place.is_here(channel, self._node)
        except (amqp.NotFound, amqp.AccessRefused) as error:
            LOG.debug("calls use the topic's own queue: %s", error.reply_text)
