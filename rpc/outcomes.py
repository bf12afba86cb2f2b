# SPDX-License-Identifier: Apache-2.0
"""The outcomes of casts, which workers publish and controllers take.

They are oslo.messaging notifications of the types ``networker.<method>.end`` and
``networker.<method>.error``, on the exchange of the requests and the topic
``<topic>.outcomes``; all have the priority ``info``, so that there is one queue, in
which they keep their order. They are published if ``[networker] notify`` is set.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import logging
import queue
import socket
import threading
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import oslo_messaging
import tenacity
from oslo_config import cfg

from networker import _eventlet, exceptions, strict
from networker import conf as options
from networker._text import printable
from networker._types import known
from networker.context import Context
from networker.rpc import codec, contract
from networker.rpc.transport import NOT_TAKEN, notifications, open_transport

LOG = logging.getLogger(__name__)

#: Seconds that closing waits for the broker.
_CLOSING = 5.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a cast ended.

    :param operation_id: what :attr:`networker.rpc.Client.cast` returned; the same for
        each time that the request was run
    :param request_id: under which both ends logged it
    :param method: name of the method
    :param worker: host and process id of the worker that ran it
    :param seconds: how long it ran
    :param result: what the method returned
    :param error: what it raised, or None
    """

    operation_id: str
    request_id: str | None
    method: str
    worker: str
    seconds: float
    result: Any
    error: exceptions.NetworkException | None


class _Inbox:
    """Outcomes as they arrive, each acknowledged when the next one is asked for."""

    def __init__(self, source: Any, timeout: float | None) -> None:
        self._source = source
        self._timeout = timeout
        self._arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._current: Any = None
        source.start(lambda incoming: self._arrived.put(incoming[0]))

    def __iter__(self) -> Iterator[Outcome]:
        while True:
            self.settle()
            try:
                self._current = self._arrived.get(timeout=self._timeout)
            except queue.Empty:
                return
            outcome = _read(self._current.message)
            if outcome is not None:
                yield outcome

    def settle(self) -> None:
        """Acknowledge the current one."""
        if self._current:
            self._current.acknowledge()
        self._current = None

    def close(self) -> None:
        """Give the rest back, and disconnect.

        While the broker is away oslo.messaging waits for it; that is left behind.
        """
        closing = threading.Thread(target=self._close, daemon=True, name="outcomes")
        closing.start()
        closing.join(_CLOSING)

    def _close(self) -> None:
        self._source.stop()
        if self._current:
            self._current.requeue()
        while not self._arrived.empty():
            self._arrived.get().requeue()
        self._source.cleanup()


@contextlib.contextmanager
def outcomes(
    conf: cfg.ConfigOpts, timeout: float | None = None
) -> Iterator[Iterable[Outcome]]:
    """Take the outcomes of casts from the queue that all controllers share.

    ::

        with rpc.outcomes(conf, timeout=60) as told:
            for outcome in told:
                record(outcome.operation_id, outcome.error)

    An outcome is taken off the queue when the loop asks for the next one, or the block
    ends. If the block raises, it goes back, and comes first next time. One can come
    twice: with the same operation id.

    :param conf: as for :func:`networker.rpc.connect`
    :param timeout: seconds without any outcome after which the loop ends, whatever state
        the broker is in; it can be begun again. None for never
    :raises ValueError: an option has a wrong value, the transport_url is malformed or
        names an unknown transport, or eventlet has patched this process
    :raises BusUnavailable: the broker cannot be reached, or an exchange or a queue
        exists with other properties
    """
    _eventlet.refuse()
    options.register(conf)
    with strict.plainly():
        transport, target = _transport(conf), _target(conf)
    notifications.check(transport, target)
    inbox = _Inbox(notifications.listen(transport, target), timeout)
    try:
        yield inbox
        inbox.settle()
    finally:
        inbox.close()


class Unpublished(BaseException):
    """An outcome could not be published, and the request must not be acknowledged.

    It is no Exception, since oslo.messaging would answer that and acknowledge.
    """


class OutcomePublisher:
    """Publishes for a worker how casts ended, each before its request is acknowledged.

    A worker that dies in between leaves the request to another one, which publishes
    it again under the same operation id: an outcome is published at least once.

    While the broker is away a cast's thread tries until it is back, as one does that has
    an answer to send. When the worker is told to stop it gives up after one more attempt,
    so that stopping ends; the broker still has the request, and another worker gets it.

    :param conf: a configuration on which :func:`networker.conf.register` was called
    :raises ValueError: the transport_url is wrong
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._transport = _transport(conf)
        self._target = _target(conf)
        self._name = f"networker.{socket.gethostname()}"
        self._hurried = threading.Event()

    def check(self) -> None:
        """Make sure that outcomes can be published.

        :raises BusUnavailable: the broker does not let us in, or an exchange or a queue
            exists with other properties; the message says how to mend it
        """
        notifications.check(self._transport, self._target)

    def publish(
        self, context: Context, method: str, answer: dict[str, Any], seconds: float
    ) -> None:
        """Publish how a cast ended; return when the broker has it.

        :param answer: as :func:`networker.rpc.codec.encode_answer` returns it
        :param seconds: how long it ran
        :raises Unpublished: the broker is away, and the worker stops
        """
        message = {
            "message_id": str(uuid.uuid4()),
            "publisher_id": self._name,
            "event_type": f"networker.{method}.{'error' if answer['error'] else 'end'}",
            "priority": contract.OUTCOMES_PRIORITY.upper(),
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
            retry=tenacity.retry_if_exception_type(NOT_TAKEN),
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
        notifications.send(self._transport, self._target, context, message)


def _transport(conf: cfg.ConfigOpts) -> Any:
    """Return oslo.messaging's transport for outcomes; no I/O yet.

    :raises ValueError: the URL is malformed or names an unknown transport
    """
    return open_transport(conf, notifications.open_transport)


def _target(conf: cfg.ConfigOpts) -> oslo_messaging.Target:
    """Return where outcomes are published."""
    topic = contract.outcomes_topic(conf.networker.topic)
    return oslo_messaging.Target(exchange=conf.networker.exchange, topic=topic)


@known
class _Payload(msgspec.Struct, kw_only=True):
    operation_id: str
    request_id: str | None
    method: str
    worker: str
    seconds: float
    result: Any = None
    error: codec.Error | None = None


def _read(message: dict[str, Any]) -> Outcome | None:
    """Return the outcome in a notification; None, and a line in the log, if it is none."""
    try:
        told = msgspec.convert(message.get("payload"), _Payload)
    except (msgspec.ValidationError, RecursionError) as wrong:
        text = printable(str(wrong), 200)
        LOG.warning("a notification that is no outcome was dropped: %s", text)
        return None
    fields = msgspec.structs.asdict(told)
    method = contract.methods().get(told.method)
    try:
        if told.error:
            fields["error"] = codec.decode_error(told.error)
        elif method:  # one of a newer release stays as it was sent
            fields["result"] = codec.decode_result(method, told.result)
    except exceptions.WorkerError as error:
        fields |= {"result": None, "error": error}
    return Outcome(**fields)
