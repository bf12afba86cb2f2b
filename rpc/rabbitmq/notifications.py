# SPDX-License-Identifier: Apache-2.0
"""Publish and take outcomes of casts as notifications, beneath oslo.messaging's Notifier.

Its Notifier would log an error and go on as if all were well, and name no exchange. Its
listener for RabbitMQ would acknowledge seconds later, and keep without a word what comes
again because an acknowledgement was lost.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from typing import Any

import oslo_messaging
from oslo_messaging._drivers import base, common

from networker.rpc import contract
from networker.rpc.rabbitmq import broker, listener
from networker.rpc.rabbitmq.connection import BROKEN
from networker.rpc.rabbitmq.message import RateLimitedWarnings
from networker.rpc.rabbitmq.messaging_driver import SCHEME, driver_of
from networker.rpc.rabbitmq.queues import NO_LIMIT, RequestConsumer

LOG = logging.getLogger(__name__)

#: Where outcomes have other needs than requests; see `messaging_driver`.
_QUERY = {
    # A controller that fails again and again must not lose what it could not handle.
    "rabbit_quorum_delivery_limit": str(NO_LIMIT),
    # While one controller handles an outcome, others take the next ones.
    "rabbit_qos_prefetch_count": "1",
}


def open_transport(conf: Any, url: oslo_messaging.TransportURL) -> Any:
    """Return oslo.messaging's transport for notifications, as outcomes need it.

    :param conf: the configuration
    :param url: the bus's; what outcomes need besides is added to it
    """
    if url.transport.partition("+")[0] in {"rabbit", SCHEME}:
        url.query |= _QUERY
    return oslo_messaging.get_notification_transport(conf, url)


def send(
    transport: Any,
    target: oslo_messaging.Target,
    context: dict[str, Any],
    message: dict[str, Any],
) -> None:
    """Publish a notification; return when the broker has it.

    :param transport: from :func:`open_transport`
    :param target: exchange and topic of outcomes
    :param context: as its `to_wire` returns it
    :param message: as oslo.messaging's Notifier makes it
    :raises NOT_TAKEN: it has not
    """
    transport._send_notification(_queue(target), context, message, 2.0, retry=1)


def listen(
    transport: Any, target: oslo_messaging.Target
) -> base.PollStyleListenerAdapter:
    """Subscribe to notifications, of which each is acknowledged by itself.

    :param transport: from :func:`open_transport`
    :param target: exchange and topic of outcomes
    :returns: oslo.messaging's listener, not started
    """
    driver = driver_of(transport)
    if driver is None:
        return transport._listen_for_notifications(
            [(target, contract.OUTCOMES_PRIORITY)], None, 1, None
        )
    connection = driver._get_connection(common.PURPOSE_LISTEN)
    source = _OutcomeListener(driver, connection)
    where = target.exchange, _queue(target).topic
    consumer = RequestConsumer(
        connection.connection, *where, source, dead_letters=False
    )
    connection.declare_consumer(consumer)
    return base.PollStyleListenerAdapter(source, 1, None)


def check(transport: Any, target: oslo_messaging.Target) -> None:
    """Make sure that outcomes can be published and taken; in memory they always can.

    :param transport: from :func:`open_transport`
    :param target: exchange and topic of outcomes
    :raises BusUnavailable: the broker does not let us in, or an exchange or a queue
        exists with other properties; the message says how to mend it
    """
    if broker.uses_rabbit(transport):
        with broker.connected(transport) as found:
            where = target.exchange, _queue(target).topic
            queue = RequestConsumer(found, *where, dead_letters=False)
            queue.check(found.connection)


def _queue(target: oslo_messaging.Target) -> oslo_messaging.Target:
    """Return the target whose topic is the name of the queue."""
    return target(topic=f"{target.topic}.{contract.OUTCOMES_PRIORITY}")


class _OutcomeDelivery(listener.Delivery):
    """An outcome that the broker keeps until it is acknowledged.

    To requeue it nothing is done: it goes back when the connection is closed.
    """

    def acknowledge(self) -> None:
        """Let the broker forget it."""
        self.finish()


class _OutcomeListener(listener.RequestListener):
    """Takes outcomes, and drops what is none."""

    message_cls = _OutcomeDelivery

    def __init__(self, driver: Any, conn: Any) -> None:
        super().__init__(driver, conn)
        self._dropped_warnings = RateLimitedWarnings(LOG)

    def refuse(self, message: Any, why: str) -> None:
        """Drop what is no outcome."""
        text = f"a message of {message.size} bytes was dropped: {why}"
        self._dropped_warnings.warning(text)
        self._connection.do(functools.partial(_drop, message))


def _drop(message: Any) -> None:
    """Let the broker forget a message for which there are no dead letters."""
    with contextlib.suppress(*BROKEN):  # it is delivered again
        message.reject()
