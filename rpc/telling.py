# SPDX-License-Identifier: Apache-2.0
"""How workers tell the outcomes of casts.

They are oslo.messaging notifications of the types ``networker.<method>.end`` and
``networker.<method>.error``, on the exchange of the requests and the topic
``<topic>.outcomes``; all have the priority ``info``, so that there is one queue, in
which they keep their order. They are told if ``[networker] notify`` is set.
"""

from __future__ import annotations

import datetime
import logging
import socket
import threading
import uuid
from typing import Any

import amqp
import kombu.exceptions
import oslo_messaging
import tenacity
from oslo_config import cfg

from networker.context import Context
from networker.rpc import broker, rabbit
from networker.rpc.queues import NO_LIMIT, Requests, outcomes_name
from networker.rpc.transport import open_transport

LOG = logging.getLogger(__name__)

PRIORITY = "info"
_BROKEN = (
    oslo_messaging.MessagingException,
    kombu.exceptions.KombuError,
    amqp.AMQPError,
    amqp.exceptions.MessageNacked,
    OSError,
)
#: Where outcomes have other needs than requests; see `networker.rpc.rabbit`.
_QUERY = {
    # A controller that fails again and again must not lose what it could not handle.
    "rabbit_quorum_delivery_limit": str(NO_LIMIT),
    # While one controller handles an outcome, others take the next ones.
    "rabbit_qos_prefetch_count": "1",
}


class Unpublished(BaseException):
    """An outcome could not be told, and the request must not be acknowledged.

    It is no Exception, since oslo.messaging would answer that and acknowledge.
    """


class Publisher:
    """The workers' end: tells how casts ended, each before its request is acknowledged.

    A worker that dies in between leaves the request to another one, which tells it
    again under the same operation id: an outcome is told at least once.

    While the broker is away a cast's thread tries until it is back, as one does that has
    an answer to send. When the worker is told to stop it gives up after one more attempt,
    so that stopping ends; the broker still has the request, and another worker gets it.

    :param conf: a configuration on which :func:`networker.conf.register` was called
    :raises ValueError: the transport_url is wrong
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._transport = connected(conf)
        self._target = target(conf)
        self._name = f"networker.{socket.gethostname()}"
        self._hurried = threading.Event()

    def check(self) -> None:
        """Make sure that outcomes can be published.

        :raises BusUnavailable: as :func:`check`
        """
        check(self._transport, self._target)

    def publish(
        self, context: Context, method: str, answer: dict[str, Any], seconds: float
    ) -> None:
        """Tell how a cast ended; return when the broker has it.

        :param answer: as :func:`networker.rpc.codec.encode_answer` returns it
        :param seconds: how long it ran
        :raises Unpublished: the broker is away, and the worker stops
        """
        message = {
            "message_id": str(uuid.uuid4()),
            "publisher_id": self._name,
            "event_type": f"networker.{method}.{'error' if answer['error'] else 'end'}",
            "priority": PRIORITY.upper(),
            "timestamp": str(datetime.datetime.now(datetime.UTC).replace(tzinfo=None)),
            "payload": answer
            | {
                "operation_id": context.operation_id,
                "request_id": context.request_id,
                "method": method,
                "seconds": seconds,
            },
        }
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_BROKEN),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
            stop=tenacity.stop_when_event_set(self._hurried),
            sleep=tenacity.sleep_using_event(self._hurried),
        )
        try:
            attempts(self._send, context.to_wire(), message)
        except tenacity.RetryError as error:
            text = f"{method}: the outcome of {context.operation_id} was not published"
            LOG.warning("%s; the request will be run again", text)
            raise Unpublished(text) from error

    def hurry(self) -> None:
        """Make one more attempt for each outcome, and then give up."""
        self._hurried.set()

    def close(self) -> None:
        """Close the connections."""
        self._transport.cleanup()

    def _send(self, context: dict[str, Any], message: dict[str, Any]) -> None:
        # oslo.messaging's Notifier would log an error and go on as if all were well,
        # and name no exchange.
        where = self._target(topic=f"{self._target.topic}.{PRIORITY}")
        self._transport._send_notification(where, context, message, 2.0, retry=1)


def queue_name(conf: cfg.ConfigOpts) -> str:
    """Return the name of the queue that outcomes wait in."""
    return f"{outcomes_name(conf.networker.topic)}.{PRIORITY}"


def connected(conf: cfg.ConfigOpts) -> Any:
    """Return oslo.messaging's transport for outcomes; no I/O yet.

    :raises ValueError: the URL is malformed or names an unknown transport
    """

    def opened(conf: cfg.ConfigOpts, url: oslo_messaging.TransportURL) -> Any:
        if url.transport.partition("+")[0] in {"rabbit", rabbit.SCHEME}:
            url.query |= _QUERY
        return oslo_messaging.get_notification_transport(conf, url)

    return open_transport(conf, opened)


def target(conf: cfg.ConfigOpts) -> oslo_messaging.Target:
    """Return where outcomes are told."""
    return oslo_messaging.Target(
        exchange=conf.networker.exchange, topic=outcomes_name(conf.networker.topic)
    )


def check(transport: Any, where: oslo_messaging.Target) -> None:
    """Make sure that outcomes can be told and taken; in memory they always can.

    :raises BusUnavailable: the broker does not let us in, or an exchange or a queue
        exists with other properties; the message says how to mend it
    """
    if broker.uses_rabbit(transport):
        with broker.look(transport) as found:
            name = f"{where.topic}.{PRIORITY}"
            told = Requests(found, where.exchange, name, dead_letters=False)
            told.check(found.connection)
