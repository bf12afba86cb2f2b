# SPDX-License-Identifier: Apache-2.0
"""Find out what the broker's user may do, without doing it.

RabbitMQ looks at the rights before anything else, so that a request that is wrong in
another way tells them: the answer is ACCESS_REFUSED or another error, and nothing was made,
read or sent. Each question leaves a line in the broker's log.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import amqp
from kombu.connection import Connection
from oslo_config import cfg

from networker import exceptions
from networker.rpc.rabbitmq import broker
from networker.rpc.rabbitmq.messaging_driver import driver_of
from networker.rpc.rabbitmq.queues import callers_exchange, calls_name, dead_name

#: An argument that no queue can have, which makes a declaration fail.
_NEVER = {"x-expires": "never"}
_REPLIES, _ALL = "reply_* queues", "may configure, write and read"


class Rights:
    """The rights of the user of a connection.

    :param connection: kombu's, which is connected
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        #: Named as callers name the queues on which they wait for answers.
        self._replies = f"reply_{uuid.uuid4().hex}"

    def callers(self, news: str) -> list[str]:
        """Return what a caller lacks.

        :param news: the exchange on which workers tell all callers
        """
        declaring = self._configure_exchange(news) + self._bind(self._replies, news)
        return self._waiting() + self._sending() + declaring

    def workers(self, exchange: str, queues: list[str], dead: str | None) -> list[str]:
        """Return what a worker lacks.

        :param exchange: that of the topic
        :param queues: those from which it takes requests
        :param dead: the queue and exchange for what nobody could serve, if there are
        """
        lacking = self._sending() + self._configure_exchange(exchange)
        bound = [(queue, exchange) for queue in queues]
        if dead:
            lacking += self._configure_exchange(dead) + self._publish(dead)
            bound.append((dead, dead))
        for queue, source in bound:
            lacking += self._configure_queue(queue)
            lacking += self._bind(queue, source) + self._read_queue(queue)
        return lacking

    def shared(self) -> list[str]:
        """Return what a caller would lack that had the worker's user."""
        return self._waiting()

    def _waiting(self) -> list[str]:
        return self._configure_queue(self._replies, "reply_*") + self._read_queue(
            self._replies, "reply_*"
        )

    def _sending(self) -> list[str]:
        """Ask for the default exchange, which leads to queues by their names."""

        def send(channel: Any) -> None:
            message = amqp.Message(b"")
            channel.basic_publish_confirm(message, "", self._replies, mandatory=True)

        return self._ask("write reply_* (exchange amq.default)", send)

    def _publish(self, exchange: str) -> list[str]:
        # Whose messages end in an exchange must have the right to publish to it.
        arguments = _NEVER | {"x-dead-letter-exchange": exchange}

        def declare(channel: Any) -> None:
            channel.queue_declare(
                self._replies, durable=True, auto_delete=False, arguments=arguments
            )

        if self._waiting():  # without these rights the question cannot be asked
            return []
        return self._ask(f"write exchange {exchange}", declare)

    def _configure_queue(self, queue: str, shown: str | None = None) -> list[str]:
        return self._ask(
            f"configure queue {shown or queue}",
            lambda channel: channel.queue_declare(
                queue, durable=True, auto_delete=False, arguments=_NEVER
            ),
        )

    def _read_queue(self, queue: str, shown: str | None = None) -> list[str]:
        return self._ask(
            f"read queue {shown or queue}",
            lambda channel: channel.basic_consume(
                queue, arguments={"x-priority": "none"}
            ),
        )

    def _bind(self, queue: str, exchange: str) -> list[str]:
        # It is how the worker itself binds them, where both exist.
        return self._ask(
            f"write queue {queue} and read exchange {exchange}",
            lambda channel: channel.queue_bind(queue, exchange, queue),
        )

    def _configure_exchange(self, exchange: str) -> list[str]:
        return self._ask(
            f"configure exchange {exchange}",
            lambda channel: channel.exchange_declare(
                exchange,
                "topic",
                durable=True,
                auto_delete=False,
                arguments={"alternate-exchange": 0},
            ),
        )

    def _ask(self, right: str, use: Callable[[Any], object]) -> list[str]:
        try:
            with self._connection.channel() as channel:
                use(channel)
        except amqp.AccessRefused:
            return [right]
        except amqp.ChannelError:
            return []
        return []


def worker_rights(conf: cfg.ConfigOpts, transport: Any) -> dict[str, str]:
    """Return, by name, what a worker's user may do with callers' queues.

    :param conf: names exchange and topic
    :param transport: one of RabbitMQ
    :raises BusUnavailable: it may not do what a worker does; see `refused`
    """
    driver = driver_of(transport)
    topic = conf.networker.topic
    queues = [topic, calls_name(topic)] if driver and driver.transient else [topic]
    with broker.connected(transport) as found:
        rights = Rights(found.connection)
        dead = dead_name(topic) if driver else None
        _refuse(transport, rights.workers(conf.networker.exchange, queues, dead))
        lacking = rights.shared()
    if lacking:
        what = f"write only (a caller would need besides: {', '.join(lacking)})"
        return {_REPLIES: what}
    return {_REPLIES: _ALL}


def caller_rights(conf: cfg.ConfigOpts, transport: Any) -> dict[str, str]:
    """Return, by name, what a caller's user may do with its queues.

    :param conf: names the topic
    :param transport: one of RabbitMQ
    :raises BusUnavailable: it may not do what a caller does; see `refused`
    """
    with broker.connected(transport) as found:
        rights = Rights(found.connection)
        exchange = callers_exchange(conf.networker.topic).name
        _refuse(transport, rights.callers(exchange))
    return {_REPLIES: _ALL}


def _refuse(transport: Any, lacking: list[str]) -> None:
    """Raise BusUnavailable if a right is lacking."""
    if lacking:
        url = transport._driver._url
        user = url.hosts[0].username if url.hosts else "guest"
        raise exceptions.BusUnavailable(
            f"the broker {broker.location(transport)} does not give its user {user!r} "
            f"these rights: {'; '.join(lacking)}. See rabbitmqctl set_permissions",
            refused=True,
        )
