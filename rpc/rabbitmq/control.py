# SPDX-License-Identifier: Apache-2.0
"""The way by which workers are asked what they do, apart from that of requests.

A question goes to the exchange ``<topic>.control``, which gives it to a queue of each
worker process. Such a queue belongs to its connection and goes with it. It has a
connection and a thread of its own, so that an answer waits for no request, and is there
whichever driver of oslo.messaging takes requests. A question only reads.
"""

from __future__ import annotations

import collections
import functools
import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
from kombu import entity
from oslo_messaging._drivers import common

from networker.rpc.rabbitmq.connection import Connection
from networker.rpc.rabbitmq.supervision import Loss, Supervision

LOG = logging.getLogger(__name__)

Question = TypeVar("Question")
#: Bytes of a question; questions that wait for a worker; and those a second it answers.
_MOST, _WAITING, _A_SECOND = 4096, 32, 20
#: Seconds after which it is tried again where the broker refuses.
_REFUSED = 30.0
#: Seconds that closing waits for the connection.
_CLOSING = 2.0


def control_name(topic: str) -> str:
    """Name the exchange for questions to the workers of a topic."""
    return f"{topic}.control"


def replies_name(topic: str) -> str:
    """Return how names of queues for answers begin; a worker writes into no others.

    Whoever may do what a worker does may have one.
    """
    return f"{control_name(topic)}.reply_"


def control_exchange(topic: str) -> entity.Exchange:
    """Return the exchange for questions to the workers of a topic, not declared yet."""
    return entity.Exchange(control_name(topic), type="fanout", durable=True)


class _Supervision(Supervision):
    """Of a connection that nobody's request depends on: one line when it is refused."""

    _refused = False

    def back(self) -> None:
        """Note that questions come."""
        super().back()
        self._refused = False

    def lost(self, loss: Loss) -> float:
        """Note that there is none; where the broker refuses, do not ask it at once."""
        pause = super().lost(loss)
        if not loss.refused:
            return pause
        if not self._refused:
            LOG.warning("workers cannot be asked at %s: %s", self.place, loss.text)
        self._refused = True
        return _REFUSED

    def _tell(self, text: str, *arguments: object) -> None:
        LOG.debug(text, *arguments)


class _Questions:
    """The queue of one process for questions, as a connection consumes from it.

    :param take: is called with each message
    """

    type = "control"

    def __init__(self, topic: str, take: Callable[[Any], None]) -> None:
        self.queue_name = f"{control_name(topic)}.{uuid.uuid4().hex}"
        self._exchange = control_exchange(topic)
        self._take = take

    def declare(self, conn: Any) -> None:
        """Make the queue; it is gone when the connection is."""
        self.queue = entity.Queue(
            self.queue_name,
            self._exchange,
            durable=False,
            exclusive=True,
            auto_delete=True,
            max_length=_WAITING,
            no_ack=True,
        )(conn.channel)
        self.queue.declare()

    def consume(self, conn: Any, tag: int) -> None:
        """Consume from it."""
        conn.channel.auto_decode = False
        self.queue.consume(str(tag), self._take)

    def cancel(self, tag: int) -> None:
        """Consume no more."""
        self.queue.cancel(str(tag))

    def verify(self, conn: Any) -> None:
        """Do nothing: whatever ends it ends the connection."""


class Control(Generic[Question]):
    """Answers questions, from :meth:`start` until :meth:`close`.

    :param transport: one that :func:`networker.rpc.rabbitmq.broker.uses_rabbit`
    :param topic: that the worker listens on
    :param kind: of questions; what is none is ignored
    :param answer: returns what can be told as JSON; None for no answer
    :param changed: is called with whether questions come, whenever that changes
    """

    def __init__(
        self,
        transport: Any,
        topic: str,
        kind: type[Question],
        answer: Callable[[Question], Any],
        changed: Callable[[bool], None],
    ) -> None:
        driver = transport._driver
        self._replies = replies_name(topic)
        self._answer = answer
        self._decoder = msgspec.json.Decoder(kind)
        self._answered: collections.deque[float] = collections.deque(maxlen=_A_SECOND)
        self._connection = Connection(
            driver.conf, driver._url, common.PURPOSE_LISTEN, retry=None
        )
        self._connection.supervision = _Supervision(self._connection.supervision.place)
        self._connection.declare_consumer(_Questions(topic, self._take))
        self._connection.renewed = lambda _channel: changed(True)
        self._connection.lost = lambda _loss, _subscribed: changed(False)
        self._changed = changed
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._closing.set()
        self._changed(False)
        self._connection.stop_consuming()
        if self._thread.is_alive():
            self._thread.join(_CLOSING)

    def _serve(self) -> None:
        try:
            # A connection that was told to stop no longer consumes, nor waits.
            while not self._closing.is_set():
                self._connection.consume()
        finally:
            self._connection.close()

    def _take(self, message: Any) -> None:
        asked = message.properties
        queue, number = asked.get("reply_to"), asked.get("correlation_id")
        if not (isinstance(queue, str) and queue.startswith(self._replies)):
            return
        now = time.monotonic()
        busy = len(self._answered) == _A_SECOND and now - self._answered[0] < 1
        if busy or not isinstance(number, str) or len(message.body) > _MOST:
            return
        try:
            question = self._decoder.decode(message.body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return
        self._answered.append(now)
        told = self._answer(question)
        if told is not None:
            body = msgspec.json.encode({"number": number, "told": told})
            self._connection.do(
                functools.partial(self._connection.post, queue, body, durable=False)
            )
