# SPDX-License-Identifier: Apache-2.0
"""Requests from RabbitMQ, acknowledged after their answer is sent.

oslo.messaging acknowledges a request before it is run, so that a worker that dies loses
it. Here the broker has it until it is answered, and gives it to another worker when the
connection of this one ends.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import amqp
import kombu.exceptions
from oslo_messaging._drivers import amqpdriver
from oslo_messaging.rpc import server as rpc_server

LOG = logging.getLogger(__name__)

#: Seconds that the broker has to say whether a request is still ours.
_PATIENCE = 5.0
#: A request that was delivered so often before does not run beside others like it.
_SUSPECT = 2
#: The longest pause in seconds, by which their order is mixed.
_PAUSE = 0.3
_LOST = (OSError, amqp.AMQPError, kombu.exceptions.KombuError)


class Request(amqpdriver.AMQPIncomingMessage):  # type: ignore[misc]
    """A request that the broker keeps until it is finished."""

    def deliveries(self) -> int:
        """Return how often it was delivered to a worker before, as quorum queues count."""
        count = self.message._raw_message.headers.get("x-delivery-count")
        return count if isinstance(count, int) else 0

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
        """Let the broker forget it; the event is set when it was told so."""
        told = threading.Event()

        def tell() -> None:
            try:
                self.message.acknowledge()
            except _LOST as error:
                # The broker gives it to somebody else, who finds its work done.
                LOG.warning("an answered request will be delivered again: %s", error)
            told.set()

        self._message_operations_handler.do(tell)
        return told


class _Operations(amqpdriver.MessageOperationsHandler):  # type: ignore[misc]
    """What is to be done on the consuming connection, by the thread that has it."""

    def __init__(self, name: str, connection: Any) -> None:
        super().__init__(name)
        self._connection = connection

    def do(self, task: Callable[[], None]) -> None:
        """Have something done, soon."""
        super().do(task)
        self._connection.wake()

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
            except _LOST:
                self._shutdown.wait(_PAUSE)


class Listener(amqpdriver.AMQPListener):  # type: ignore[misc]
    """Takes requests from a connection, and acknowledges none by itself."""

    message_cls = Request

    def __init__(self, driver: Any, conn: Any) -> None:
        super().__init__(driver, conn)
        self._message_operations_handler = _Operations("Listener", conn.connection)

    def reaches(self, channel: Any) -> bool:
        """Tell whether a channel is the one that is consumed from, and is alive."""
        if channel is not self.conn.connection.channel:
            return False
        try:
            # Any request that the broker answers will do; this one changes nothing.
            channel.basic_qos(0, self.driver.prefetch_size, False)
        except _LOST:
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
        connection = self.conn.connection
        if not connection.connection.connected:
            return
        try:
            for consumer, tag in connection._consumers.items():
                consumer.cancel(tag)
        except _LOST as error:
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
