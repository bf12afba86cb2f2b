# SPDX-License-Identifier: Apache-2.0
"""oslo.messaging's connection to RabbitMQ, publishing without detours."""

from __future__ import annotations

import contextlib
import functools
import socket
import struct
from collections.abc import Callable
from typing import Any

import amqp
import kombu.exceptions
from amqp import basic_message, spec
from oslo_messaging._drivers import impl_rabbit

from networker.rpc.queues import calls_name
from networker.rpc.wire import Wire

#: Seconds that the rest of a frame may take when its beginning is there.
FRAME = 0.05
#: What means that the connection is of no use any more.
BROKEN = (OSError, amqp.AMQPError, kombu.exceptions.KombuError)


class _Json(basic_message.Message):  # type: ignore[misc]
    """A message whose properties are not encoded anew each time."""

    def __init__(self, body: bytes, *, durable: bool) -> None:
        super().__init__(body)
        self._durable = durable

    def _serialize_properties(self) -> bytes:
        return _json_properties(self._durable)


@functools.cache
def _json_properties(durable: bool) -> bytes:
    message = basic_message.Message(
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=2 if durable else 1,
    )
    encoded: bytes = message._serialize_properties()
    return encoded


class Publishing(impl_rabbit.Connection):  # type: ignore[misc]
    """A connection that publishes at once, or closes itself and connects anew."""

    def __init__(
        self, conf: Any, url: Any, purpose: str, retry: int | None = None
    ) -> None:
        #: The queue for calls in memory: a topic's own name may end like it.
        self.calls = calls_name(conf.networker.topic)
        #: Why the broker takes no messages, in its own words; None while it does.
        self.blocked: str | None = None
        self.channel: Any = None
        self._wire = Wire()
        self._subscribed_on: Any = None
        self._aside: Any = None
        super().__init__(conf, url, purpose, retry=retry)

    def post(
        self,
        queue: str,
        body: bytes,
        *,
        durable: bool,
        mandatory: bool = False,
        exchange: str = "",
        channel: Any = None,
    ) -> None:
        """Put a message on a queue, in the thread that consumes; nothing is waited for.

        :param durable: whether it is to outlive the broker
        :param mandatory: whether the broker is to return it if there is no such queue
        :param channel: another one than that which is consumed from
        """
        message = _Json(body, durable=durable)
        # py-amqp's basic_publish() would look for other messages first.
        (channel or self.channel).send_method(
            spec.Basic.Publish,
            "Bssbb",
            (0, exchange, queue, mandatory, False),
            message,
        )

    def topic_send(
        self,
        exchange_name: str,
        topic: str,
        msg: Any,
        timeout: float | None = None,  # noqa: ARG002
        retry: int | None = None,
        transport_options: Any = None,
    ) -> None:
        """Send a request, without a time to live.

        It would let requests expire into the queue for those that kill workers. The
        deadline goes with the request, and a worker refuses it afterwards.
        """
        super().topic_send(
            exchange_name, topic, msg, retry=retry, transport_options=transport_options
        )

    def _ensure_publishing(
        self,
        method: Callable[..., None],
        exchange: Any,
        msg: Any,
        routing_key: str | None = None,
        timeout: float | None = None,
        retry: int | None = None,
        transport_options: Any = None,
    ) -> None:
        """Publish at once if that is possible, else in oslo.messaging's longer way."""
        with self._connection_lock:
            if self.channel is not None and self.connection.connected:
                try:
                    method(exchange, msg, routing_key, timeout, transport_options)
                except BROKEN:
                    self._drop()
                else:
                    return
        super()._ensure_publishing(
            method, exchange, msg, routing_key, timeout, retry, transport_options
        )

    def _publish(
        self,
        exchange: Any,
        msg: Any,
        routing_key: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
        transport_options: Any = None,
    ) -> None:
        if not exchange.passive and exchange.name not in self._declared_exchanges:
            # oslo.messaging would go on with an exchange that a restart of the broker
            # removes; here the difference is an error.
            exchange(self.channel).declare()
            self._declared_exchanges.add(exchange.name)
        self._producer.publish(
            msg,
            mandatory=bool(transport_options and transport_options.at_least_once),
            exchange=exchange,
            routing_key=routing_key,
            delivery_mode=1 if routing_key == self.calls else 2,
        )

    def _drop(self) -> None:
        """Let go of the connection without asking the broker, who may not answer."""
        found = self.connection._connection
        self.connection._connection = self.connection._default_channel = None
        self.connection.declared_entities.clear()
        self._declared_exchanges.clear()
        self._declared_queues.clear()
        self._subscribed_on = self._aside = self.channel = None
        transport = found and found._transport
        if transport and transport.sock:
            with contextlib.suppress(OSError, ValueError):
                if self.blocked:
                    # What it has not read yet it should not read when it goes on.
                    option = struct.pack("ii", 1, 0)
                    transport.sock.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, option
                    )
                transport.sock.settimeout(FRAME)
                found.collect()
        self.blocked = None

    def _set_current_channel(self, new_channel: Any) -> None:
        before = self.channel
        if new_channel is not None and getattr(new_channel, "connection", 0) is None:
            raise amqp.RecoverableConnectionError("the channel is closed")
        super()._set_current_channel(new_channel)
        if new_channel is not None and new_channel is not before:
            self._wire.take(new_channel.connection.transport)


def hear_of_alarms(
    connection: Any, blocked: Callable[[str], None], unblocked: Callable[[], None]
) -> None:
    """Be told when the broker takes no messages on a connection, and when it does again.

    :param connection: py-amqp's
    :param blocked: called with the broker's own words, which py-amqp does not read
    """
    method = spec.Connection.Blocked
    connection._METHODS = connection._METHODS | {method: spec.method(method, "s")}
    connection._callbacks[method] = blocked
    connection._callbacks[spec.Connection.Unblocked] = unblocked
