# SPDX-License-Identifier: Apache-2.0
"""Requests from RabbitMQ, acknowledged after their answer is sent.

oslo.messaging acknowledges a request before it is run, so that a worker that dies loses
it. Here the broker has it until it is answered, and gives it to another worker when the
connection of this one ends. Answer and acknowledgement go over that connection, one after
the other, so that the broker cannot have the second without the first.
"""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
from oslo_messaging._drivers import amqpdriver, common
from oslo_messaging.rpc import server as rpc_server

from networker.rpc.connection import BROKEN, Connection

LOG = logging.getLogger(__name__)

#: Seconds that the broker has to say whether a request is still ours.
_PATIENCE = 5.0
#: A request that was delivered so often before does not run beside others like it.
_SUSPECT = 2
#: The longest pause in seconds, by which their order is mixed.
_PAUSE = 0.3
_CONTEXT = "_context_"


class Request(amqpdriver.AMQPIncomingMessage):  # type: ignore[misc]
    """A request that the broker keeps until it is finished."""

    _answer: bytes | None = None

    def deliveries(self) -> int:
        """Return how often it was delivered to a worker before, as quorum queues count."""
        count = self.message._raw_message.headers.get("x-delivery-count")
        return count if isinstance(count, int) else 0

    def move(self) -> bool:
        """Put a call that was delivered before on the queue that counts deliveries.

        :returns: whether it was one
        """
        raw = self.message._raw_message
        driver, where = self.listener.driver, raw.delivery_info
        counted = where["routing_key"] != self.listener.calls
        if counted or not where["redelivered"]:
            return False
        self._post(driver.conf.networker.topic, raw.body, durable=True)
        return True

    def reply(self, reply: Any = None, failure: Any = None) -> None:
        """Keep the answer for :meth:`finish`."""
        if self.msg_id:
            self._answer = msgspec.json.encode(
                {
                    "_msg_id": self.msg_id,
                    "result": reply,
                    "failure": failure and common.serialize_remote_exception(failure),
                    "ending": True,
                }
            )

    def is_ours(self) -> bool:
        """Tell whether the broker has not given it to another worker."""
        answered, ours = threading.Event(), []

        def ask() -> None:
            if self.listener.reaches(self.message._raw_message.channel):
                ours.append(True)
            answered.set()

        self._message_operations_handler.do(ask)
        return answered.wait(_PATIENCE) and bool(ours)

    def finish(self) -> threading.Event:
        """Answer it, and let the broker forget it; the event is set when that is done."""
        if self._answer is None:
            return self._do(self.message.acknowledge)
        durable = not self.listener.driver.transient
        return self._post(self.reply_q, self._answer, durable=durable)

    def _post(self, queue: str, body: bytes, *, durable: bool) -> threading.Event:
        """Put something on a queue, and let the broker forget the request."""
        raw = self.message._raw_message
        return self._do(
            lambda: self.listener.exchange(raw, queue, body, durable=durable)
        )

    def _do(self, task: Callable[[], None]) -> threading.Event:
        done = threading.Event()

        def run() -> None:
            try:
                task()
            except BROKEN as error:
                # The broker gives it to somebody else, who finds its work done.
                LOG.warning("an answered request will be delivered again: %s", error)
            done.set()

        self._message_operations_handler.do(run)
        return done


class _Operations(amqpdriver.MessageOperationsHandler):  # type: ignore[misc]
    """What is to be done on the consuming connection, by the thread that has it."""

    def __init__(self, name: str, connection: Connection) -> None:
        super().__init__(name)
        self._connection = connection
        self.do = connection.do
        self.process = connection.process

    def stop(self) -> None:
        """Do the rest, and no more."""
        super().stop()
        if self._shutdown_thread.is_alive():
            self._connection.wake()
            self._shutdown_thread.join()
        self.process()

    def _process_in_background(self) -> None:
        # Without heartbeats the broker would end the connection, and deliver again
        # what takes long to finish.
        while not self._shutdown.is_set():
            self.process()
            try:
                self._connection.tend()
            except BROKEN:
                self._shutdown.wait(_PAUSE)


class Listener(amqpdriver.AMQPListener):  # type: ignore[misc]
    """Takes requests from a connection, and acknowledges none by itself."""

    message_cls = Request

    def __init__(self, driver: Any, conn: Any) -> None:
        super().__init__(driver, conn)
        self._connection: Connection = conn.connection
        self.calls = self._connection.calls
        self._message_operations_handler = _Operations("Listener", self._connection)
        #: Requests whose answer the broker has not confirmed, by its number.
        self._unconfirmed: dict[int, Any] = {}
        self._sent = itertools.count(1)
        if not driver.transient:
            self._connection.renewed = self._confirm
            self._confirm(self._connection.channel)

    def __call__(self, message: dict[str, Any]) -> None:
        """Take a request; it is run when :meth:`poll` returns it."""
        names = [name for name in message if name.startswith(_CONTEXT)]
        context = {name.removeprefix(_CONTEXT): message.pop(name) for name in names}
        self.incoming.append(
            self.message_cls(
                self,
                context,
                message,
                message.pop("_unique_id", None),
                message.pop("_msg_id", None),
                message.pop("_reply_q", None),
                message.pop("_timeout", None),
                self._obsolete_reply_queues,
                self._message_operations_handler,
            )
        )

    def _confirm(self, channel: Any) -> None:
        """Let the broker confirm what is posted from now on."""
        self._unconfirmed, self._sent = {}, itertools.count(1)
        channel.confirm_select()
        channel.events["basic_ack"].add(self._confirmed)
        channel.events["basic_nack"].add(self._refused)

    def exchange(self, request: Any, queue: str, body: bytes, *, durable: bool) -> None:
        """Put a message on a queue, and let the broker forget a request.

        :param request: as kombu has it
        :param durable: whether the message is to outlive the broker
        """
        if request.channel is not self._connection.channel:
            raise ConnectionError("the connection on which it came has ended")
        self._connection.post(queue, body, durable=durable)
        if self.driver.transient:
            request.ack()
        else:
            # Nodes of a cluster could keep the second and lose the first.
            self._unconfirmed[next(self._sent)] = request

    def _confirmed(self, number: int, multiple: bool) -> None:
        for request in self._of(number, multiple=multiple):
            request.ack()

    def _refused(self, number: int, multiple: bool) -> None:
        for request in self._of(number, multiple=multiple):
            request.requeue()

    def _of(self, number: int, *, multiple: bool) -> list[Any]:
        numbers = [number]
        if multiple:
            numbers = [other for other in self._unconfirmed if other <= number]
        return [self._unconfirmed.pop(other) for other in numbers]

    def reaches(self, channel: Any) -> bool:
        """Tell whether a channel is the one that is consumed from, and is alive."""
        if channel is not self._connection.channel:
            return False
        try:
            # Any request that the broker answers will do; this one changes nothing.
            channel.basic_qos(0, self.driver.prefetch_size, False)
        except BROKEN:
            return False
        return True

    def stop(self) -> None:
        """Let the broker deliver no more, and keep what it has delivered.

        oslo.messaging stops to look, but does not tell the broker: what came until the
        connection is closed would only go round.
        """
        self._message_operations_handler.do(self._cancel)
        super().stop()

    def _cancel(self) -> None:
        connection = self._connection
        if not connection.connection.connected:
            return
        try:
            for consumer, tag in connection._consumers.items():
                consumer.cancel(tag)
        except BROKEN as error:
            LOG.warning("the consumer was not cancelled: %s", error)


class Server(rpc_server.RPCServer):  # type: ignore[misc]
    """oslo.messaging's server for such requests.

    A request that has been delivered again and again perhaps kills its worker. Such
    requests run one at a time in a process, in another order each time, so that those
    that were only neighbours of the killer end before it starts.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._suspects = threading.Lock()

    def _process_incoming(self, incoming: Any) -> None:
        if incoming[0].move():
            return
        if incoming[0].deliveries() < _SUSPECT:
            self._run(incoming)
            return
        time.sleep(random.uniform(0, _PAUSE))  # noqa: S311 - no secret
        with self._suspects:
            self._run(incoming).wait(_PAUSE)

    def _run(self, incoming: Any) -> threading.Event:
        request: Request = incoming[0]
        request.ctxt["lease"] = request.is_ours
        super()._process_incoming(incoming)
        return request.finish()
