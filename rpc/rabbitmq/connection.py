# SPDX-License-Identifier: Apache-2.0
"""oslo.messaging's connection to RabbitMQ, with subscriptions that are supervised.

Each end has one such connection, which one thread serves by calling
:meth:`Connection.consume` again and again. That is the one place which knows whether the
subscriptions are alive. Whatever ends them closes the connection: a queue that is deleted,
a channel that the broker closes, a heartbeat that does not come; the next round connects,
declares and subscribes anew.

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
import heapq
import itertools
import logging
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import amqp
import kombu.exceptions
import oslo_messaging
from amqp import spec
from oslo_messaging._drivers import common, impl_rabbit

from networker.rpc.rabbitmq.pyamqp import (
    BatchedIO,
    JSONMessage,
    frame_handler,
    on_alarms,
)
from networker.rpc.rabbitmq.queues import calls_name
from networker.rpc.rabbitmq.supervision import ChannelClosed, Loss, Supervision, place

LOG = logging.getLogger(__name__)

#: What means that the connection is of no use any more.
BROKEN = (OSError, amqp.AMQPError, kombu.exceptions.KombuError)
#: What means that a message was not taken, published in oslo.messaging's way.
NOT_TAKEN = (
    *BROKEN,
    amqp.exceptions.MessageNacked,
    oslo_messaging.MessagingException,
)
#: Seconds that the rest of a frame may take when its beginning is there.
_FRAME = 0.05
#: Seconds that a host has to let us in, and each step of subscribing.
_TIMEOUT = 5.0
#: Seconds between verifications of what the broker does not tell by itself.
_VERIFIED_EVERY = 1.0
#: AMQP's delivery mode of what is to outlive the broker.
_DURABLE = 2

Task = Callable[[], None]


class Connection(impl_rabbit.Connection):  # type: ignore[misc]
    """A connection whose consumer sleeps until there is something to do.

    One that consumes connects in :meth:`consume`, and not before. One that only sends
    publishes at once, or closes itself and connects anew.
    """

    def __init__(
        self, conf: Any, url: Any, purpose: str, retry: int | None = None
    ) -> None:
        #: The queue for calls in memory: a topic's own name may end like it.
        self.calls = calls_name(conf.networker.topic)
        #: Why the broker takes no messages, in its own words; None while it does.
        self.blocked: str | None = None
        self.channel: Any = None
        self.supervision = Supervision(place(url))
        #: Called in the consumer's thread when there is a new channel, or none any more,
        #: with whether there was a subscription.
        self.renewed: Callable[[Any], None] | None = None
        self.lost: Callable[[Loss, bool], None] | None = None
        #: Whether consumers are to verify what the broker does not tell by itself.
        self.verifies: Callable[[], bool] = lambda: False
        #: Since when it is subscribed and the broker takes messages.
        self.flowing_since = 0.0
        self._io = BatchedIO()
        self._subscribed_on: Any = None
        self._side_channel: Any = None
        self._stopping = threading.Event()
        self._tasks: collections.deque[Task] = collections.deque()
        self._postponed: list[tuple[float, int, Task]] = []
        self._order = itertools.count()
        self._asleep = False
        self._next_beat = self._next_verification = 0.0
        super().__init__(conf, url, purpose, retry=retry)
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        if purpose == common.PURPOSE_LISTEN:
            self.connection.connect_timeout = _TIMEOUT
            limits = {"read_timeout": _TIMEOUT, "write_timeout": _TIMEOUT}
            self.connection.transport_options |= limits

    @property
    def up(self) -> bool:
        """Whether it was, when last used, connected."""
        connection = self.channel and self.channel.connection
        return connection is not None and bool(connection.connected)

    @property
    def subscribed(self) -> bool:
        """Whether all consumers consume, as far as is known."""
        return self.channel is not None and self._subscribed_on is self.channel

    def ensure_connection(self) -> None:
        """Connect, however long it takes, in short intervals; only for sending."""
        self.connection.transport_options |= {"frame_handler": frame_handler}
        if self.purpose == common.PURPOSE_LISTEN:
            return
        # The options count in whole seconds.
        self.interval_start = self.interval_stepping = self.kombu_reconnect_delay
        super().ensure_connection()

    def declare_consumer(self, consumer: Any) -> None:
        """Let :meth:`consume` subscribe a consumer."""
        self._consumers[consumer] = next(self._tags)

    def declare_direct_consumer(self, topic: str, callback: Any) -> None:
        """Refuse oslo.messaging's own way to answers, which :class:`Link` replaces."""
        raise NotImplementedError

    def consume(self, timeout: float | None = None) -> None:  # noqa: ARG002
        """Subscribe if need be; wait for messages, for something to do, or a heartbeat.

        :param timeout: is ignored: it would be the interval of looking for other work
        """
        if self._consume_loop_stopped:
            return
        if self.subscribed:
            self._attempt(self._serve)
        else:
            self._attempt(self._subscribe)

    def begin(self) -> None:
        """Try to subscribe for the first time; :meth:`consume` tries again."""
        self._attempt(self._subscribe)

    def do(self, task: Task) -> None:
        """Have something done in the thread that consumes, soon.

        While there is no subscription, or the broker takes no messages, it waits.
        """
        self._tasks.append(task)
        if self._asleep:
            # Once is enough, whoever comes next.
            self._asleep = False
            self.wake()

    def postpone(self, seconds: float, task: Task) -> None:
        """Have something done later; only from the thread that consumes."""
        when = time.monotonic() + seconds
        heapq.heappush(self._postponed, (when, next(self._order), task))

    def process(self) -> None:
        """Do what there is to do, if there is a subscription."""
        if self.subscribed:
            self._attempt(self._process)

    def drain(self) -> bool:
        """Do one round without subscribing again; tell whether there was a subscription.

        For what has been delivered and is not finished when no more is wanted.
        """
        if self.subscribed:
            self._attempt(self._serve)
        return self.subscribed

    def wake(self) -> None:
        """Let :meth:`consume` return, from any thread."""
        # If there is no room, it has not noticed earlier ones yet.
        with contextlib.suppress(BlockingIOError, OSError):
            self._waker.send(b"\0")

    def stop_consuming(self) -> None:
        """Stop, and cut a pause short."""
        self._stopping.set()
        super().stop_consuming()
        self.wake()

    def side_channel(self) -> Any:
        """Return a channel whose errors do not end the subscriptions."""
        if self._side_channel is None:
            self._side_channel = self.connection.channel()
        return self._side_channel

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
        message = JSONMessage(body, durable=durable)
        # py-amqp's basic_publish() would look for other messages first.
        (channel or self.channel).send_method(
            spec.Basic.Publish,
            "Bssbb",
            (0, exchange, queue, mandatory, False),
            message,
        )

    def close(self) -> None:
        """Close the connection; where the broker does not listen, without a word."""
        if self.blocked or not self.up:
            self._drop()
        super().close()
        self._woken.close()
        self._waker.close()

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
            delivery_mode=_DURABLE,
        )

    def _attempt(self, action: Task) -> None:
        """Do something with the connection, which is over if that fails."""
        lost: BaseException | None = None
        try:
            action()
        except BROKEN as error:
            lost = error
        # Not within the exception, which the log would tell as well.
        if lost is not None:
            self._lose(lost)

    def _serve(self) -> None:
        """Do one round on the connection.

        :raises OSError, AMQPError, KombuError: it is lost
        """
        self._process()
        if self._wait():
            self._read()
        self._keep()

    def _process(self) -> None:
        while self._tasks and not self.blocked:
            with self._io.together():
                for _ in range(len(self._tasks)):
                    self._tasks.popleft()()

    def _subscribe(self) -> None:
        """Connect, declare what is consumed from, and consume."""
        self._drop()
        self._connect()
        channel = self.connection.channel()
        channel.connection.sock.settimeout(_TIMEOUT)
        closed = functools.partial(_closed, channel)
        channel._callbacks[spec.Channel.Close] = closed
        self._set_current_channel(channel)
        for consumer, tag in self._consumers.items():
            consumer.consume(self, tag)
        self.set_transport_socket_timeout()
        self._subscribed_on = channel
        self.flowing_since = time.monotonic()
        self._next_verification = self.flowing_since + _VERIFIED_EVERY
        self.supervision.back()
        if self.renewed:
            self.renewed(channel)

    def _connect(self) -> None:
        """Try each host once, beginning with the next one."""
        hosts = max(len(self.connection.alt), 1)
        for left in reversed(range(hosts)):
            try:
                found = self.connection._establish_connection()
            except BROKEN:
                self.connection.maybe_switch_next()
                if not left:
                    raise
            else:
                break
        self.connection._connection = found
        on_alarms(found, self._block, self._unblock)

    def _drop(self) -> None:
        """Let go of the connection without asking the broker, who may not answer."""
        found = self.connection._connection
        self.connection._connection = self.connection._default_channel = None
        self.connection.declared_entities.clear()
        self._declared_exchanges.clear()
        self._declared_queues.clear()
        self._subscribed_on = self._side_channel = self.channel = None
        transport = found and found._transport
        if transport and transport.sock:
            with contextlib.suppress(OSError, ValueError):
                if self.blocked:
                    # What it has not read yet it should not read when it goes on.
                    option = struct.pack("ii", 1, 0)
                    transport.sock.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, option
                    )
                transport.sock.settimeout(_FRAME)
                found.collect()
        self.blocked = None

    def _set_current_channel(self, new_channel: Any) -> None:
        before = self.channel
        if new_channel is not None and getattr(new_channel, "connection", 0) is None:
            raise amqp.RecoverableConnectionError("the channel is closed")
        super()._set_current_channel(new_channel)
        if new_channel is not None and new_channel is not before:
            self._io.serve(new_channel.connection.transport)

    def _lose(self, error: BaseException) -> None:
        """Close a connection that is no use any more, and pause before the next one."""
        tags = {str(tag): c.queue_name for c, tag in self._consumers.items()}
        loss, pause, subscribed = Loss.of(error, tags), 0.0, self.subscribed
        self._drop()
        self.connection.maybe_switch_next()
        if not self._stopping.is_set():
            pause = self.supervision.lost(loss)
        if self.lost:
            self.lost(self.supervision.loss or loss, subscribed)
        self._stopping.wait(pause)

    def _block(self, reason: str) -> None:
        self.blocked = str(reason) or "an alarm"
        LOG.warning("%s takes no messages: %s", self.supervision.place, self.blocked)

    def _unblock(self) -> None:
        self.blocked, self.flowing_since = None, time.monotonic()
        LOG.info("%s takes messages again", self.supervision.place)

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
        todo = self._tasks and not self.blocked
        ready = [] if todo else waiting.poll(self._idle_for() * 1000)
        self._asleep = False
        woken = [fd for fd, _ in ready if fd == self._woken.fileno()]
        if woken:
            self._woken.recv(4096)
        return len(ready) > len(woken)

    def _idle_for(self) -> float:
        """Return the seconds until there is something to do at any rate."""
        due = [self._next_beat]
        if self._postponed:
            due.append(self._postponed[0][0])
        if self.verifies():
            due.append(self._next_verification)
        return max(0.0, min(due) - time.monotonic())

    def _read(self) -> None:
        """Take what is on the connection."""
        connection = self.channel.connection
        while True:
            try:
                connection.drain_events(timeout=_FRAME)
            except TimeoutError:
                return  # the rest of a frame is still on its way
            if not connection.transport._read_buffer:
                return

    def _keep(self) -> None:
        """Do what is due: postponed tasks, the heartbeat, the verification."""
        now = time.monotonic()
        while self._postponed and self._postponed[0][0] <= now:
            self._tasks.append(heapq.heappop(self._postponed)[2])
        if now >= self._next_beat:
            self._next_beat = now + self._poll_timeout
            if self._heartbeat_supported_and_enabled():
                self._heartbeat_check()
        if now >= self._next_verification and self.verifies():
            self._next_verification = now + _VERIFIED_EVERY
            # It would not be answered.
            if not self.blocked and not self._stopping.is_set():
                for consumer in self._consumers:
                    consumer.verify(self)


def _closed(channel: Any, code: int, text: str, class_id: int, method_id: int) -> None:
    """Raise ChannelClosed when the broker closes the channel that is consumed from.

    py-amqp would open it again, without consumers.
    """
    channel.send_method(spec.Channel.CloseOk)
    sig = (class_id, method_id)
    raise ChannelClosed(
        amqp.exceptions.error_for_code(code, text, sig, amqp.ChannelError)
    )
