# SPDX-License-Identifier: Apache-2.0
"""oslo.messaging's connection to RabbitMQ, with work for the thread that consumes from it.

oslo.messaging's consumers look for work in intervals of up to 5 s, in which
acknowledgements wait. Ours sleep until a message comes or :meth:`Connection.do` wakes them,
and can so publish on the connection that they consume from: an answer and the
acknowledgement of its request, or a request on the connection that takes its answer. That
saves a connection, a confirmation to wait for, and two changes of threads.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import select
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import amqp
import kombu.exceptions
import oslo_messaging
from amqp import basic_message, spec
from oslo_messaging._drivers import impl_rabbit

from networker.rpc.queues import Replies, calls_name
from networker.rpc.wire import Wire

_LONGEST_PAUSE = 30.0
#: Seconds that the rest of a frame may take when its beginning is there.
_FRAME = 0.05
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


class Connection(impl_rabbit.Connection):  # type: ignore[misc]
    """A connection whose consumer sleeps until there is something to do.

    When the broker refuses it, because the virtual host or the permission is gone, it
    pauses between attempts, longer from time to time, where both of oslo.messaging's
    consuming loops would try again at once.
    """

    def __init__(
        self, conf: Any, url: Any, purpose: str, retry: int | None = None
    ) -> None:
        #: The queue for calls in memory: a topic's own name may end like it.
        self.calls = calls_name(conf.networker.topic)
        self._stopping = threading.Event()
        self._pause = 0.0
        #: Called in the consumer's thread when there is a new channel.
        self.renewed: Callable[[Any], None] | None = None
        self._tasks: collections.deque[Callable[[], None]] = collections.deque()
        self._asleep = False
        self._wire = Wire()
        super().__init__(conf, url, purpose, retry=retry)
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)

    @property
    def up(self) -> bool:
        """Whether it was, when last used, connected."""
        connection = getattr(self.channel, "connection", None)
        return connection is not None and bool(connection.connected)

    def ensure_connection(self) -> None:
        """Connect, however long it takes, in short intervals."""
        # The options count in whole seconds.
        self.interval_start = self.interval_stepping = self.kombu_reconnect_delay
        super().ensure_connection()

    def _set_current_channel(self, new_channel: Any) -> None:
        before = self.channel
        super()._set_current_channel(new_channel)
        if new_channel is None or new_channel is before:
            return
        self._wire.take(new_channel.connection.transport)
        if self.renewed:
            self.renewed(new_channel)

    def do(self, task: Callable[[], None]) -> None:
        """Have something done in the thread that consumes, soon."""
        self._tasks.append(task)
        if self._asleep:
            # Once is enough, whoever comes next.
            self._asleep = False
            self.wake()

    def process(self) -> None:
        """Do what there is to do."""
        while self._tasks:
            with self._wire.together():
                for _ in range(len(self._tasks)):
                    self._tasks.popleft()()

    def consume(self, timeout: float | None = None) -> None:  # noqa: ARG002
        """Wait for messages, for something to :meth:`do`, or the time for a heartbeat.

        :param timeout: is ignored: it would be the interval of looking for other work
        """
        if self._served():
            return
        try:
            super().consume(timeout=_FRAME)
        except oslo_messaging.MessageDeliveryFailure as error:
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause or 1.0)
            self._stopping.wait(self._pause)
            # Both loops log the traceback, which says nothing more than the text.
            raise oslo_messaging.MessageDeliveryFailure(str(error)) from None
        self._pause = 0.0

    def _served(self) -> bool:
        """Do what there is to do; where that fails, oslo.messaging's long way mends it."""
        if self._new_tags or self._consume_loop_stopped or not self.up:
            return False
        try:
            self.process()
            if self._wait():
                self._read()
        except BROKEN:
            return False
        self._pause = 0.0
        return True

    def _wait(self) -> bool:
        """Return when there is something to do; tell whether it is on the connection.

        :raises OSError: the connection is lost
        """
        if not self.up:
            raise ConnectionError("the connection to the broker is lost")
        transport = self.channel.connection.transport
        sock = transport.sock
        if transport._read_buffer:
            return True
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            return True
        waiting = select.poll()
        waiting.register(sock, select.POLLIN)
        waiting.register(self._woken, select.POLLIN)
        self._asleep = True
        # Who adds a task from now on wakes us.
        ready = [] if self._tasks else waiting.poll(self._poll_timeout * 1000)
        self._asleep = False
        woken = [fd for fd, _ in ready if fd == self._woken.fileno()]
        if woken:
            self._woken.recv(4096)
        # When nothing came for so long, it is time for a heartbeat.
        return len(ready) > len(woken) or not (ready or self._tasks)

    def _read(self) -> None:
        """Take what is on the connection."""
        connection = self.channel.connection
        while True:
            connection.drain_events(timeout=_FRAME)
            if not connection.transport._read_buffer:
                return

    def tend(self) -> None:
        """Keep the connection alive until there is something to :meth:`do`.

        :raises OSError, AMQPError, KombuError: it is lost
        """
        if self._wait():
            try:
                self._read()
            except TimeoutError:
                self._heartbeat_check()

    def wake(self) -> None:
        """Let :meth:`consume` return, from any thread."""
        # If there is no room, it has not noticed earlier ones yet.
        with contextlib.suppress(BlockingIOError):
            self._waker.send(b"\0")

    def stop_consuming(self) -> None:
        """Stop, and cut a pause short."""
        self._stopping.set()
        super().stop_consuming()
        self.wake()

    def post(
        self, queue: str, body: bytes, *, durable: bool, mandatory: bool = False
    ) -> None:
        """Put a message on a queue, in the thread that consumes; nothing is confirmed.

        :param durable: whether it is to outlive the broker
        :param mandatory: whether the broker is to return it if there is no such queue
        """
        message = _Json(body, durable=durable)
        # py-amqp's basic_publish() would look for other messages first.
        self.channel.send_method(
            spec.Basic.Publish, "Bssbb", (0, "", queue, mandatory, False), message
        )

    def declare_direct_consumer(self, topic: str, callback: Any) -> None:
        """Listen to a queue for replies."""
        self.declare_consumer(Replies(self, topic, callback))

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
                with contextlib.suppress(*BROKEN):
                    method(exchange, msg, routing_key, timeout, transport_options)
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
            compression=self.kombu_compression,
        )

    def close(self) -> None:
        """Close the connection."""
        super().close()
        self._woken.close()
        self._waker.close()
