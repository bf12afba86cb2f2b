# SPDX-License-Identifier: Apache-2.0
"""The queues and exchanges on RabbitMQ: their names, declarations and consumers."""

from __future__ import annotations

import logging
import re
from typing import Any

import amqp
import msgspec
from kombu import entity
from kombu.connection import Connection
from oslo_messaging._drivers import impl_rabbit

from networker import exceptions
from networker.rpc import contract
from networker.rpc.rabbitmq import message as messages
from networker.rpc.rabbitmq.supervision import ChannelClosed, ConsumerLost

LOG = logging.getLogger(__name__)

#: A delivery limit that means none, which RabbitMQ 4 would take for one of 20.
NO_LIMIT = 1_000_000
#: How often in a row, once a second, a queue may know no consumer though there is ours.
_MOST_UNKNOWN = 10
#: In the message by which a worker tells callers that it had to make a queue: its name.
MADE = "_made"
_MISMATCH = re.compile(
    r"inequivalent arg '(?P<what>[^']+)' for (?P<kind>queue|exchange) "
    r"'(?P<name>[^']+)'.*received (?P<wanted>.+?) but current is (?P<found>.+)"
)


def dead_name(topic: str) -> str:
    """Name the exchange and the queue for requests of a topic that nobody could serve."""
    return f"{topic}.dead"


def calls_name(topic: str) -> str:
    """Name the queue for the calls of a topic, where they have one of their own."""
    return f"{topic}.calls"


def callers_exchange(topic: str) -> entity.Exchange:
    """Return the exchange on which workers tell all callers, not declared yet."""
    return entity.Exchange(f"{topic}.callers", type="fanout", durable=True)


def outcomes_name(topic: str) -> str:
    """Name the queue in which outcomes of casts wait."""
    return f"{contract.outcomes_topic(topic)}.{contract.OUTCOMES_PRIORITY}"


def dead_queue(topic: str, *, quorum: bool) -> entity.Queue:
    """Return the queue for requests that nobody could serve, not declared yet."""
    name = dead_name(topic)
    return entity.Queue(
        name,
        entity.Exchange(name, type="direct", durable=True),
        routing_key=name,
        durable=True,
        # Looking at a letter counts as a delivery.
        queue_arguments={"x-queue-type": "quorum", "x-delivery-limit": NO_LIMIT}
        if quorum
        else {},
    )


class _ReadMessage(impl_rabbit.RabbitMessage):  # type: ignore[misc]
    """A message, read in a faster way than oslo.messaging's.

    :param raw: as kombu has it
    """

    def __init__(self, raw: Any, content: dict[str, Any]) -> None:
        dict.__init__(self, content)
        self._raw_message = raw


class Consumer(impl_rabbit.Consumer):  # type: ignore[misc]
    """A consumer whose errors end the connection: connecting anew mends all of them.

    It reads messages in a faster way than oslo.messaging's. Its callback has `most`, the
    bytes that a message may have, and `refuse`, which is called with a message that is not
    read, and why.
    """

    def _callback(self, message: Any) -> None:
        raw = messages.Message(message, self.queue.channel)
        try:
            content = messages.read(raw, self.callback.most)
        except messages.Unreadable as error:
            self.callback.refuse(raw, str(error))
        else:
            self.callback(_ReadMessage(raw, content))

    def consume(self, conn: Any, tag: int) -> None:
        """Consume, on the channel on which it was declared."""
        # py-amqp would decode a body with whatever its sender names.
        conn.channel.auto_decode = False
        self.queue.consume(str(tag), self._callback)

    def verify(self, conn: Any) -> None:
        """Find out what the broker does not tell by itself, and mend it."""


class ReplyConsumer(Consumer):
    """Consumes the answers to one client, which does not acknowledge them.

    An answer that is lost with the connection is asked for again, so that the broker need
    not keep it. The queue itself is durable, since RabbitMQ 4 knows no other one that
    outlives its connection. Workers tell all callers when they had to make a queue.
    """

    def __init__(self, connection: Any, name: str, topic: str, callback: Any) -> None:
        super().__init__(
            exchange_name="",
            queue_name=name,
            routing_key="",
            type="direct",
            durable=True,
            exchange_auto_delete=False,
            queue_auto_delete=False,
            callback=callback,
            rabbit_queue_ttl=connection.rabbit_transient_queues_ttl,
            rabbit_quorum_queue=connection.rabbit_transient_quorum_queue,
            rabbit_quorum_queue_config=connection.rabbit_quorum_queue_config,
        )
        self._callers = callers_exchange(topic)
        #: Whether it is on a node of a cluster that is lost; then another one is needed.
        self.is_lost = False

    def rename(self, name: str) -> None:
        """Let the next connection have another queue."""
        self.queue_name, self.is_lost = name, False

    def declare(self, conn: Any) -> None:
        """Declare the queue, and let it have what workers tell all callers."""
        queue = entity.Queue(
            self.queue_name,
            durable=True,
            queue_arguments=self.queue_arguments,
            no_ack=True,
        )
        self.queue = queue(conn.channel)
        try:
            self.queue.queue_declare()
        except ChannelClosed as error:
            if not isinstance(error.cause, amqp.NotFound):
                raise
            self.is_lost = True
            # No refusal: with another queue it will pass.
            text = f"the queue {self.queue_name} is on a node that is lost"
            raise ConsumerLost(text) from error
        self._callers(conn.channel).declare()
        self.queue.bind_to(self._callers)

    def verify(self, conn: Any) -> None:
        """Make sure that what workers tell all callers still comes."""
        channel = conn.side_channel()
        self._callers(channel).declare()
        self.queue.bind_to(self._callers, channel=channel)


class RequestConsumer(Consumer):
    """Consumes requests from the queue of a topic, which has a queue for dead letters.

    :param connection: oslo.messaging's, whose configuration says what queues are like
    :param callback: called with every message; None to declare only
    :param dead_letters: False for the queue as oslo.messaging itself declares it
    :param callers: the exchange on which callers are told when the queue had to be made,
        since what waited in the one before it is gone
    """

    def __init__(
        self,
        connection: Any,
        exchange: str,
        topic: str,
        callback: Any = None,
        *,
        dead_letters: bool = True,
        callers: entity.Exchange | None = None,
    ) -> None:
        super().__init__(
            exchange_name=exchange,
            queue_name=topic,
            routing_key=topic,
            type="topic",
            durable=connection.durable,
            exchange_auto_delete=connection.amqp_auto_delete,
            queue_auto_delete=connection.amqp_auto_delete,
            callback=callback,
            rabbit_ha_queues=connection.rabbit_ha_queues,
            enable_cancel_on_failover=connection.enable_cancel_on_failover,
            rabbit_quorum_queue=connection.rabbit_quorum_queue,
            rabbit_quorum_queue_config=connection.rabbit_quorum_queue_config,
        )
        self._dead: entity.Queue | None = None
        self._callers = callers
        self._made = False
        self._unknown = 0
        #: How many dead letters there are; None before anybody has looked.
        self.dead_letters: int | None = None
        if dead_letters:
            quorum = connection.rabbit_quorum_queue
            self._dead = dead_queue(topic, quorum=quorum)
            self.queue_arguments |= dead_letter_arguments(
                dead_name(topic), quorum=quorum
            )

    def declare(self, conn: Any) -> None:
        """Declare the queue, and first where its requests go in the end.

        oslo.messaging's way is more forgiving: it makes do with a queue that a restart of
        the broker empties, and deletes one whose node does not answer.
        """
        if self._dead:
            self._dead(conn.channel).declare()
        self._made = (
            self._callers is not None and self._consumers(conn.side_channel()) is None
        )
        self.queue = self._queue()(conn.channel)
        self.queue.declare()

    def consume(self, conn: Any, tag: int) -> None:
        """Consume, and tell callers if the queue is a new one."""
        super().consume(conn, tag)
        self._unknown = 0
        if self._made and self._callers:
            self._callers(conn.side_channel()).declare()
            made = msgspec.json.encode({MADE: self.queue_name})
            conn.post("", made, durable=False, exchange=self._callers.name)

    def verify(self, conn: Any) -> None:
        """Find out whether the queue knows us, is bound, and has where to put dead letters.

        RabbitMQ tells nobody when an exchange or a binding is deleted, or a queue that
        nobody consumes from.

        :raises ConsumerLost: it does not know us
        """
        channel = conn.side_channel()
        try:
            known = self._consumers(channel)
            # One whose leader has died counts none for some seconds.
            self._unknown = 0 if known else self._unknown + 1
            if known is None or self._unknown > _MOST_UNKNOWN:
                raise self._consumer_lost()
            for queue in filter(None, [self._queue(), self._dead]):
                self._bind(queue(channel))
            if self._dead:
                found = channel.queue_declare(self._dead.name, passive=True)
                self.dead_letters = int(found.message_count)
        except amqp.ChannelError as error:
            LOG.debug("%s could not be looked at: %s", self.queue_name, error)

    def _bind(self, queue: entity.Queue) -> None:
        try:
            queue.queue_bind()
        except amqp.NotFound as error:
            if queue.name == self.queue_name and self._consumers(queue.channel) is None:
                # Deleted just now: it is declared, and that told, with its consumer.
                raise self._consumer_lost() from error
            LOG.warning("%s is declared again: %s", queue.name, error.reply_text)
            queue.declare()

    def _consumer_lost(self) -> ConsumerLost:
        return ConsumerLost(f"the queue {self.queue_name} does not know its consumer")

    def _consumers(self, channel: Any) -> int | None:
        """Return how many consume from the queue; None if there is no queue."""
        try:
            found = channel.queue_declare(self.queue_name, passive=True)
        except amqp.NotFound:
            return None
        return int(found.consumer_count)

    def _queue(self) -> entity.Queue:
        return entity.Queue(
            self.queue_name,
            self.exchange,
            routing_key=self.routing_key,
            durable=self.durable,
            auto_delete=self.queue_auto_delete,
            queue_arguments=self.queue_arguments,
        )

    def check(self, connection: Connection) -> None:
        """Make sure that what exists of the queues already is as it should be.

        Nothing is made that does not exist.

        :raises BusUnavailable: an exchange or a queue has other properties, as it can be
            left by another release or configuration; the message says how to mend it
        """
        declarations = [self.exchange.declare, self._queue().queue_declare]
        if self._dead:
            declarations += [self._dead.exchange.declare, self._dead.queue_declare]
        for declare in declarations:
            # Only an active declaration compares, and only a passive one makes nothing.
            for passive in (True, False):
                with connection.channel() as channel:
                    try:
                        declare(passive=passive, channel=channel)
                    except amqp.NotFound:
                        break
                    except amqp.PreconditionFailed as error:
                        raise _mismatch(error, connection.virtual_host) from error


def dead_letter_arguments(name: str, *, quorum: bool) -> dict[str, str]:
    """Return the arguments by which a queue's dead letters go to a queue of that name."""
    arguments = {"x-dead-letter-exchange": name, "x-dead-letter-routing-key": name}
    if quorum:
        # Without it a request could be lost on its way to the other queue.
        arguments |= {
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
    return arguments


def _mismatch(error: amqp.PreconditionFailed, vhost: str) -> exceptions.BusUnavailable:
    """Explain that a queue or an exchange exists with other properties.

    :param error: what RabbitMQ answered
    :param vhost: the virtual host
    """
    found = _MISMATCH.search(str(error))
    if found is None:
        text = f"the broker refused to declare a queue: {error}"
        return exceptions.BusUnavailable(text, refused=True)
    kind, name = found["kind"], found["name"]
    if kind == "queue":
        mend = f"rabbitmqctl delete_queue --vhost '{vhost}' '{name}'"
    else:
        where = f'rabbit_misc:r(<<"{vhost}">>, exchange, <<"{name}">>)'
        mend = (
            f"rabbitmqctl eval 'rabbit_exchange:delete({where}, false, <<\"cli\">>).'"
        )
    text = (
        f"the {kind} {name!r} exists in the virtual host {vhost!r} with another "
        f"{found['what']} ({found['found']}, not {found['wanted']}); stop all callers "
        f"and workers, delete it with: {mend} (requests that wait in a queue are lost), "
        "or configure another topic and exchange"
    )
    return exceptions.BusUnavailable(text, refused=True)
