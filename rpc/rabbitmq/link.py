# SPDX-License-Identifier: Apache-2.0
"""A caller's connection to RabbitMQ, on which requests go out and answers come in.

Calls do not wait for the broker to confirm them: the answer does that. What was on the way
when the connection, or the queue that it waited in, was lost is sent again by the caller,
as the same operation, which has its effects once. Casts end when they are confirmed.

A broker in alarm does not say so before it gets a message, which it then neither takes nor
refuses. So where nothing has come back for a while, an echo goes first, a message to one's
own queue, and the request when that has come. It also shows that answers would come.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from oslo_messaging._drivers import common

from networker._text import abbreviated
from networker.rpc.rabbitmq.call_queue import CallQueueLocator
from networker.rpc.rabbitmq.confirms import Confirms
from networker.rpc.rabbitmq.connection import Connection
from networker.rpc.rabbitmq.message import RateLimitedWarnings
from networker.rpc.rabbitmq.queues import MADE, ReplyConsumer
from networker.rpc.rabbitmq.supervision import ConsumerLost, Loss

LOG = logging.getLogger(__name__)

#: Seconds for which what came back from the broker shows that it takes messages.
_FRESH = 0.25
#: Seconds that an echo may take.
_TIMEOUT = 5.0
#: Seconds after a refusal in which requests go out one by one, to find the one meant.
_CAREFUL = 5.0
#: Seconds that closing waits for the connection.
_CLOSING = 2.0
#: The key of its number in an echo.
_ECHO = "_pulse"


class Ending(enum.Enum):
    """How a request ended without an answer."""

    #: The broker has it, and no answer is wanted.
    CONFIRMED = enum.auto()
    #: It, or its answer, may be lost.
    LOST = enum.auto()
    #: There is no such queue.
    RETURNED = enum.auto()
    #: The broker has refused to keep it.
    NACKED = enum.auto()
    #: The client was closed.
    CLOSED = enum.auto()


class Results(Protocol):
    """Where what becomes of an attempt is put, by the thread that serves the link."""

    def put(self, result: Any, /) -> None:
        """Put something, without waiting."""


@dataclasses.dataclass(eq=False)
class Attempt:
    """One attempt to send a request.

    :param id: names it, in the answer too
    :param topic: the name of the queue where it goes
    :param replies: the name of the queue where its answer is to go
    :param confirmed: whether it ends when the broker has it; it has no answer
    :param results: gets its :class:`Ending`, its answer, or the :class:`Loss` that it met
    """

    id: str
    topic: str
    body: bytes
    replies: str
    confirmed: bool
    results: Results


class Link:
    """One connection for all requests of a client, with a thread that serves it.

    :param driver: the messaging driver, with the configuration
    :param topic: that workers listen on
    """

    def __init__(self, driver: Any, topic: str) -> None:
        self._driver = driver
        self._name: str = driver._get_reply_queue_name()
        #: Bytes that an answer may have.
        self.most: int = driver.conf.networker.max_message_size
        self._foreign = RateLimitedWarnings(LOG)
        self._numbers = itertools.count()
        self._attempts: dict[str, Attempt] = {}
        #: Those that are not sent: who takes one out of it decides about it.
        self._unsent: dict[str, Attempt] = {}
        self._held: list[Attempt] = []
        self._heard = self._echo_sent = self._refused = 0.0
        self._echo = 0
        self._suspect: Attempt | None = None
        self._closing = threading.Event()
        self._connection = Connection(
            driver.conf, driver._url, common.PURPOSE_LISTEN, retry=None
        )
        self.supervision = self._connection.supervision
        self._confirms = Confirms(self._connection, self._settled, self._returned)
        self._connection.renewed = self._renewed
        self._connection.lost = self._lost
        self._connection.verifies = lambda: bool(self._attempts)
        self._replies = ReplyConsumer(self._connection, self._name, topic, self)
        self._connection.declare_consumer(self._replies)
        #: Whether calls may go to their queue in memory; None if they have none.
        self.call_queue: CallQueueLocator | None = None
        if driver.transient:
            self.call_queue = CallQueueLocator(topic, anywhere=driver.anywhere)
            self._connection.declare_consumer(self.call_queue)
        self._thread = threading.Thread(target=self._serve, name="link", daemon=True)
        self._thread.start()

    @property
    def blocked(self) -> str | None:
        """Why the broker takes no messages, in its own words; None while it does."""
        return self._connection.blocked

    @property
    def ended(self) -> bool:
        """Whether it takes no requests any more."""
        return self._closing.is_set()

    def send(
        self,
        topic: str,
        message: Mapping[str, Any],
        results: Results,
        *,
        confirmed: bool,
    ) -> Attempt:
        """Begin to send a request; :meth:`forget` it in the end.

        :param topic: the name of the queue
        :param message: as oslo.messaging's, without what says where the answer goes
        :param results: see :class:`Attempt`
        :param confirmed: for one without an answer
        """
        replies = self._name
        name = f"{replies}.{next(self._numbers)}"
        where = (
            {"_unique_id": name}
            if confirmed
            else {"_msg_id": name, "_reply_q": replies}
        )
        body = msgspec.json.encode({**message, **where})
        attempt = Attempt(name, topic, body, replies, confirmed, results)
        self._unsent[name] = self._attempts[name] = attempt
        if self._closing.is_set():
            attempt.results.put(Ending.CLOSED)
        self._connection.do(lambda: self._offer(attempt))
        return attempt

    def forget(self, attempt: Attempt) -> bool:
        """Take no answer to it, and tell whether it was never sent; then it will not be."""
        self._attempts.pop(attempt.id, None)
        return self._unsent.pop(attempt.id, None) is not None

    def close(self) -> None:
        """End all requests, and the connection."""
        self._end_all(Ending.CLOSED)
        self._connection.stop_consuming()
        if threading.current_thread() is not self._thread:
            # While the broker does not answer it is left behind.
            self._thread.join(_CLOSING)

    def _serve(self) -> None:
        try:
            while not self._closing.is_set():
                self._connection.consume()
        finally:
            # If it is a mistake of ours that ends it, the next request has a new one.
            self._end_all(Ending.LOST)
            self._connection.close()

    def _end_all(self, result: Ending) -> None:
        self._closing.set()
        for attempt in list(self._attempts.values()):
            attempt.results.put(result)

    def _offer(self, attempt: Attempt) -> None:
        """Send a request if it is known that the broker takes it, else when it is."""
        if time.monotonic() - self._heard < _FRESH and not self._held:
            self._post(attempt)
        else:
            self._held.append(attempt)
            self._send_echo()

    def _send_echo(self) -> None:
        """Send a message to our own queue, unless one is on its way."""
        if self._echo:
            return
        self._echo = next(self._numbers) + 1
        self._echo_sent = time.monotonic()
        body = msgspec.json.encode({_ECHO: self._echo})
        self._connection.post(self._name, body, durable=False)
        self._connection.postpone(_TIMEOUT, self._echo_missed)

    def _echo_missed(self) -> None:
        """Connect anew if the echo has not come for too long."""
        if self._echo:
            since = max(self._echo_sent, self._connection.flowing_since)
            left = _TIMEOUT - (time.monotonic() - since)
            if left <= 0:
                raise ConsumerLost(f"nothing comes from the queue {self._name}")
            self._connection.postpone(left, self._echo_missed)

    def _post(self, attempt: Attempt) -> None:
        if self._unsent.pop(attempt.id, None) is None:
            return
        if attempt.replies != self._name:
            before, now = map(_reply_to, (attempt.replies, self._name))
            attempt.body = attempt.body.replace(before, now)
        # RabbitMQ says that it takes no message, or sends it to a quorum queue's next
        # leader, only where it is to confirm it.
        durable = attempt.topic != self._connection.calls
        self._confirms.post(attempt, attempt.topic, attempt.body, durable=durable)
        if time.monotonic() - self._refused < _CAREFUL:
            self._suspect, self._heard = attempt, 0.0

    def _flush(self) -> None:
        """Send what was held; one by one where the broker has just refused one."""
        while self._held and time.monotonic() - self._heard < _FRESH:
            self._post(self._held.pop(0))
        if self._held:
            self._send_echo()

    def __call__(self, message: Any) -> None:
        """Give an answer to who waits for it, and drop what is for nobody."""
        if _ECHO in message:
            if message[_ECHO] == self._echo:
                self._echo = 0
                self._heard = time.monotonic()
                self._suspect = None
                self._flush()
        elif MADE in message:
            if self.call_queue:
                self.call_queue.forget()
            self._end_sent(Ending.LOST)
        else:
            self._heard = time.monotonic()
            self._answer(message.get("_msg_id"), message)

    def refuse(self, message: Any, why: str) -> None:
        """Drop a message that is no answer."""
        self._foreign.warning(
            f"a message of {message.size} bytes on {self._name} was dropped: {why}"
        )

    def _answer(self, name: object, message: Any) -> None:
        # One of ours that nobody waits for any more is late.
        ours = isinstance(name, str) and name.startswith(f"{self._name}.")
        if not self._end(name, message) and not ours:
            why = f"it answers nothing: _msg_id is {abbreviated(name)}"
            self.refuse(message._raw_message, why)

    def _renewed(self, channel: Any) -> None:
        """Be told what becomes of requests that are sent from now on."""
        self._confirms.renew(channel)
        self._echo, self._heard = 0, 0.0
        self._flush()

    def _lost(self, loss: Loss, subscribed: bool) -> None:
        """End what may be lost with the connection, so that it is sent again.

        Where the broker has closed it because of a request, it is not known which one was
        meant. So afterwards they go out one by one, and who is refused again is told.
        """
        if self._replies.is_lost:
            self._rename()
        suspect, self._suspect = self._suspect, None
        if loss.said and subscribed:
            self._refused = time.monotonic()
        hopeless = not subscribed and (loss.refused or not self.supervision.reached)
        for attempt in list(self._attempts.values()):
            if attempt is suspect and loss.said:
                attempt.results.put(dataclasses.replace(loss, refused=True))
            elif attempt.id not in self._unsent:
                attempt.results.put(Ending.LOST)
            elif hopeless:
                attempt.results.put(loss)

    def _rename(self) -> None:
        """Take another queue for answers."""
        self._name = self._driver._get_reply_queue_name()
        self._replies.rename(self._name)

    def _end_sent(self, result: object) -> None:
        for attempt in list(self._attempts.values()):
            if attempt.id not in self._unsent:
                attempt.results.put(result)

    def _end(self, name: object, result: object) -> bool:
        """End a request, if there is one of that name."""
        attempt = self._attempts.get(name) if isinstance(name, str) else None
        if attempt:
            attempt.results.put(result)
        return attempt is not None

    def _settled(self, attempt: Attempt, taken: bool) -> None:
        if not taken:
            attempt.results.put(Ending.NACKED)
            return
        self._heard = time.monotonic()
        if attempt.confirmed:
            attempt.results.put(Ending.CONFIRMED)

    def _returned(self, _error: Any, _exchange: str, _key: str, message: Any) -> None:
        found = msgspec.json.decode(message.body, type=dict[str, Any])
        self._end(found.get("_msg_id") or found.get("_unique_id"), Ending.RETURNED)


def _reply_to(name: str) -> bytes:
    """Return the part of a request's JSON that names the queue for its answer."""
    return msgspec.json.encode({"_reply_q": name})[1:-1]
