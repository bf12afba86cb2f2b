# SPDX-License-Identifier: Apache-2.0
"""Take requests from RabbitMQ, and acknowledge each after its answer is sent.

oslo.messaging acknowledges a request before it is run, so that a worker that dies loses
it. Here the broker has it until it is answered, and gives it to another worker when the
connection of this one ends. Answer and acknowledgement go over that connection, one after
the other, so that the broker cannot have the second without the first.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import amqp
import msgspec
from oslo_messaging._drivers import amqpdriver, common
from oslo_messaging.rpc import server as rpc_server

from networker import exceptions
from networker.observer import Observer
from networker.rpc import codec
from networker.rpc.rabbitmq import message as messages
from networker.rpc.rabbitmq.call_queue import CallConsumer
from networker.rpc.rabbitmq.confirms import Confirms
from networker.rpc.rabbitmq.connection import Connection
from networker.rpc.rabbitmq.queues import RequestConsumer, dead_name, dead_queue
from networker.rpc.rabbitmq.supervision import Loss

LOG = logging.getLogger(__name__)

#: Seconds that the broker has to say whether a request is still ours.
_TIMEOUT = 5.0
#: A request that was delivered so often before does not run beside others like it.
_SUSPECT = 2
#: Seconds in which those come that were delivered with it.
_PAUSE = 0.3
_CONTEXT = "_context_"
#: What an answer says about itself, beyond oslo.messaging: of what, and since when.
_OPERATION, _ANSWERED = "_operation_id", "_answered"
#: Seconds for which an answer is kept whose caller has no queue, and between attempts.
_KEPT, _AGAIN = 3.0, 0.25
_DURABLE = 2


class Delivery(amqpdriver.AMQPIncomingMessage):  # type: ignore[misc]
    """A request that the broker keeps until it is finished."""

    _answer: bytes | None = None

    def deliveries(self) -> int:
        """Return how often it was delivered to a worker before, as quorum queues count."""
        count = self.message._raw_message.headers.get("x-delivery-count")
        return count if isinstance(count, int) else 0

    @property
    def redelivered(self) -> bool:
        """Whether a worker got it before."""
        return bool(self.message._raw_message.delivery_info["redelivered"])

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
        # The other id is never missing: oslo.messaging makes one up for a cast.
        if self.orig_msg_id:
            self._answer = msgspec.json.encode(
                {
                    "_msg_id": self.msg_id,
                    "result": reply,
                    "failure": failure and common.serialize_remote_exception(failure),
                    "ending": True,
                    # For the log, if it comes back.
                    _OPERATION: self.ctxt.get("operation_id"),
                    _ANSWERED: time.time(),
                }
            )

    def refuse(self, error: exceptions.BusError) -> None:
        """Answer with an error, or make it a dead letter if nobody waits."""
        raw = self.message._raw_message
        if not self.orig_msg_id:
            self.listener.refuse(raw, str(error))
            return
        LOG.warning("a call of %d bytes was refused: %s", raw.size, error)
        self.reply(codec.encode_refusal(error))
        self.finish()

    def is_ours(self) -> bool:
        """Tell whether the broker has not given it to another worker."""
        answered, ours = threading.Event(), []
        channel = self.message._raw_message.channel
        if self.listener.holds(channel):
            return True

        def ask() -> None:
            try:
                if self.listener.reaches(channel):
                    ours.append(True)
            finally:
                answered.set()

        self._message_operations_handler.do(ask)
        return answered.wait(_TIMEOUT) and bool(ours)

    def finish(self) -> threading.Event:
        """Answer it, and let the broker forget it; the event is set when that is done."""
        if self._answer is None:
            return self._do(self._acknowledge)
        durable = not self.listener.driver.transient
        return self._post(self.reply_q, self._answer, durable=durable)

    def _acknowledge(self, done: Callable[[], None]) -> None:
        self.message.acknowledge()
        done()

    def _post(self, queue: str, body: bytes, *, durable: bool) -> threading.Event:
        """Put something on a queue, and let the broker forget the request."""
        raw = self.message._raw_message

        def exchange(done: Callable[[], None]) -> None:
            self.listener.exchange(raw, queue, body, durable=durable, done=done)

        return self._do(exchange)

    def _do(self, task: Callable[[Callable[[], None]], None]) -> threading.Event:
        """Do something on the connection, unless the request is not ours any more.

        :param task: is given what it calls when the broker forgets the request
        """
        done = threading.Event()
        channel = self.message._raw_message.channel

        def run() -> None:
            if self.listener.consumes_on(channel):
                task(done.set)
                return
            # The broker gives it to somebody else, who finds its work done.
            operation = self.ctxt.get("operation_id")
            LOG.warning("%s is done, and will be delivered again", operation)
            done.set()

        self._message_operations_handler.do(run)
        return done


class _Operations(amqpdriver.MessageOperationsHandler):  # type: ignore[misc]
    """Runs tasks on the consuming connection, in the thread that serves it."""

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
            if not self._connection.drain():
                self._shutdown.wait(_PAUSE)


class RequestListener(amqpdriver.AMQPListener):  # type: ignore[misc]
    """Takes requests from a connection, and acknowledges none by itself."""

    message_cls = Delivery

    def __init__(self, driver: Any, conn: Any) -> None:
        super().__init__(driver, conn)
        self._connection: Connection = conn.connection
        self.calls = self._connection.calls
        self.most: int = driver.conf.networker.max_message_size
        self._message_operations_handler = _Operations("Listener", self._connection)
        #: Of requests whose answer is posted.
        self._confirms: Confirms[Callable[[bool], None]] = Confirms(
            self._connection, lambda settled, taken: settled(taken), self._returned
        )
        self._dropped = itertools.count(1)
        #: The subscription to the queue for calls in memory, if there is one.
        self.call_consumer: CallConsumer | None = None
        self._connection.renewed = self._confirms.renew
        self._connection.verifies = lambda: True
        self._observer: Observer | None = None

    def observed_by(self, observer: Observer) -> None:
        """Tell somebody of lost subscriptions, and of what is put aside."""

        def lost(loss: Loss, subscribed: bool) -> None:
            if subscribed:
                observer.lost(loss.cause)

        self._observer, self._connection.lost = observer, lost

    def trouble(self) -> str | None:
        """Return why no requests come; None if they would, as far as is known."""
        supervision, blocked = self._connection.supervision, self._connection.blocked
        if blocked:
            return f"{supervision.place} takes no messages: {blocked}"
        if supervision.loss:
            return f"not subscribed at {supervision.place}: {supervision.loss.text}"
        if not self._connection.subscribed:
            return f"not subscribed at {supervision.place}"
        return None

    def dead_letters(self) -> int | None:
        """Return how many dead letters the broker had a moment ago; None if not known."""
        for consumer in self._connection._consumers:
            if isinstance(consumer, RequestConsumer):
                return consumer.dead_letters
        return None

    def __call__(self, message: dict[str, Any]) -> None:
        """Take a request; it is run when :meth:`poll` returns it."""
        raw = message._raw_message  # type: ignore[attr-defined]
        try:
            msg_id, reply_q = messages.reply_address(message)
        except messages.Malformed as error:
            self.refuse(raw, str(error))
            return
        names = [name for name in message if name.startswith(_CONTEXT)]
        context = {name.removeprefix(_CONTEXT): message.pop(name) for name in names}
        self.incoming.append(
            self.message_cls(
                self,
                context,
                message,
                message.pop("_unique_id", None),
                msg_id,
                reply_q,
                messages.monitored(message),
                self._obsolete_reply_queues,
                self._message_operations_handler,
            )
        )

    def refuse(self, message: Any, why: str) -> None:
        """Make a dead letter of a message that nobody can serve, nor answer."""
        topic = self.driver.conf.networker.topic
        if self._observer:
            self._observer.count("put_aside")
        # Not at once: this may be in the middle of something else on the connection.
        self._connection.do(
            functools.partial(dead_letter, self._connection, topic, message, why)
        )

    def exchange(
        self,
        request: Any,
        queue: str,
        body: bytes,
        *,
        durable: bool,
        done: Callable[[], None],
    ) -> None:
        """Put a message on a queue, and let the broker forget a request.

        :param request: as kombu has it
        :param durable: whether the message is to outlive the broker
        :param done: called when the broker was told; not if the connection is lost before
        """

        def settled(taken: bool) -> None:
            """Let it be forgotten if the broker has the message, else delivered again."""
            if taken:
                request.ack()
            else:
                request.requeue()
            done()

        if not durable and self._is_near(request):
            self._post(queue, body, durable=durable)
            settled(True)
        else:
            # Nodes of a cluster could keep the second and lose the first.
            self._confirms.post(settled, queue, body, durable=durable)

    def _is_near(self, request: Any) -> bool:
        """Tell whether what loses a message also ends the connection of its caller."""
        called = request.delivery_info["routing_key"] == self.calls
        return (
            self.call_consumer is not None
            and called
            and (self.driver.anywhere or self.call_consumer.is_here)
        )

    def _post(self, queue: str, body: bytes, *, durable: bool) -> None:
        """Put a message on a queue, on the channel that consumes."""
        self._connection.post(queue, body, durable=durable, mandatory=True)

    def _returned(self, _error: Any, _exchange: str, queue: str, message: Any) -> None:
        """Post again what there was no queue for, which may be about to be made again."""
        body = message.body
        body = body.encode() if isinstance(body, str) else bytes(body)
        answer = msgspec.json.decode(body, type=dict[str, Any])
        if time.time() - answer.get(_ANSWERED, time.time()) < _KEPT:
            durable = message.properties.get("delivery_mode") == _DURABLE

            def again() -> None:
                self._post(queue, body, durable=durable)

            self._connection.postpone(_AGAIN, again)
            return
        LOG.warning(
            "the answer to operation %s was dropped, since its caller's queue %s is gone; "
            "answers dropped so far: %d",
            answer.get(_OPERATION),
            queue,
            next(self._dropped),
        )

    def consumes_on(self, channel: Any) -> bool:
        """Tell whether a channel is the one that is consumed from."""
        return self._connection.subscribed and channel is self._connection.channel

    def holds(self, channel: Any) -> bool:
        """Tell whether the broker cannot have given away what came on a channel.

        While it takes no messages it cannot be asked, and does not look for heartbeats.
        """
        return bool(self._connection.blocked) and self.consumes_on(channel)

    def reaches(self, channel: Any) -> bool:
        """Tell whether a channel is the one that is consumed from, and is alive."""
        if not self.consumes_on(channel):
            return False
        # Any request that the broker answers will do; this one changes nothing.
        channel.basic_qos(0, self.driver.prefetch_size, False)
        return True

    def stop(self) -> None:
        """Let the broker deliver no more, and keep what it has delivered.

        oslo.messaging stops to look, but does not tell the broker: what came until the
        connection is closed would only go round.
        """
        self._message_operations_handler.do(self._cancel)
        super().stop()

    def _cancel(self) -> None:
        for consumer, tag in self._connection._consumers.items():
            consumer.cancel(tag)


class Suspects:
    """Lets requests run one at a time, that first during which the fewest workers died.

    Which one a worker was in when it died, those know that have the same parent. Of those
    of which that is not known that one is first which was delivered the fewest times, and
    of these any one, so that half of them end each time.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, int, float]] = []
        self._runs = False

    @contextlib.contextmanager
    def turn(self, deaths: int, deliveries: int) -> Iterator[None]:
        """Wait until it is a request's turn; the next one's is when the context ends.

        :param deaths: how many workers died while they ran it
        :param deliveries: how often it was delivered before
        """
        place = deaths, deliveries, random.random()  # noqa: S311 - no secret
        with self._changed:
            self._waiting.append(place)
        time.sleep(_PAUSE)
        with self._changed:
            self._changed.wait_for(
                lambda: not self._runs and min(self._waiting) == place
            )
            self._waiting.remove(place)
            self._runs = True
        try:
            yield
        finally:
            with self._changed:
                self._runs = False
                self._changed.notify_all()


class LateAckServer(rpc_server.RPCServer):  # type: ignore[misc]
    """oslo.messaging's server for such requests.

    A request that has been delivered again and again perhaps kills its worker. Such
    requests run one at a time in a process, so that those that were only neighbours of the
    killer end before it starts: see :class:`Suspects`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._suspects = Suspects()
        #: Is told what happens; None where nobody is.
        self.observer: Observer | None = None

    def trouble(self) -> str | None:
        """Return why no requests come; None if they would, as far as is known."""
        listener = self._listener()
        return listener.trouble() if listener else "not subscribed yet"

    def dead_letters(self) -> int | None:
        """Return how many dead letters the broker had a moment ago; None if not known."""
        listener = self._listener()
        return listener.dead_letters() if listener else None

    def _listener(self) -> RequestListener | None:
        listener: RequestListener | None = None
        if self.listener is not None:
            listener = self.listener._poll_style_listener
        return listener

    def _create_listener(self) -> Any:
        created = super()._create_listener()
        if self.observer:
            created._poll_style_listener.observed_by(self.observer)
        return created

    def _process_incoming(self, incoming: Any) -> None:
        wrong = messages.unservable(incoming[0].message)
        if wrong is not None:
            incoming[0].refuse(wrong)
            return
        if self.observer and incoming[0].redelivered:
            self.observer.count("redelivered")
        if incoming[0].move():
            return
        if incoming[0].deliveries() < _SUSPECT:
            self._run(incoming)
            return
        operation = str(incoming[0].ctxt.get("operation_id"))
        deaths = self.observer.deaths(operation) if self.observer else 0
        with self._suspects.turn(deaths, incoming[0].deliveries()):
            # One that the broker has not forgotten would be delivered again.
            self._run(incoming).wait(_TIMEOUT)

    def _run(self, incoming: Any) -> threading.Event:
        request: Delivery = incoming[0]
        request.ctxt["lease"] = request.is_ours
        super()._process_incoming(incoming)
        return request.finish()


def dead_letter(connection: Connection, topic: str, message: Any, why: str) -> None:
    """Let the broker take a message to the dead letters, in the thread that consumes.

    :param connection: on which it came
    :param topic: whose dead letters they are
    :param message: as it came, not acknowledged
    :param why: for the log
    :raises BROKEN: the connection is lost; the message is delivered again
    """
    if message.channel is not connection.channel:
        return  # it is delivered again
    LOG.warning(
        "a message of %d bytes on %s was put aside in %s: %s",
        message.size,
        message.delivery_info.get("routing_key"),
        dead_name(topic),
        why,
    )
    _declare_dead_queue(connection, topic)
    message.reject()


def _declare_dead_queue(connection: Connection, topic: str) -> None:
    """Make sure that the dead letters have a queue: RabbitMQ would drop what has none."""
    queue = dead_queue(topic, quorum=connection.rabbit_quorum_queue)
    # A refusal closes the channel, which must not be the one that is consumed from.
    with contextlib.suppress(amqp.ChannelError):
        queue(connection.side_channel()).declare()
