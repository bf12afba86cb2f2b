# SPDX-License-Identifier: Apache-2.0
"""How controllers learn the outcomes of casts, which workers tell."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import oslo_messaging
from oslo_config import cfg
from oslo_messaging._drivers import base, common

from networker import _eventlet, exceptions
from networker import conf as options
from networker._types import known
from networker.rpc import aside, broker, codec, contract, listener, rabbit, telling
from networker.rpc.oneline import Seldom, one_line
from networker.rpc.queues import Requests

LOG = logging.getLogger(__name__)


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

    def __init__(
        self, source: base.PollStyleListenerAdapter, timeout: float | None
    ) -> None:
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
        closing.join(broker.PATIENCE)

    def _close(self) -> None:
        self._source.stop()
        if self._current:
            self._current.requeue()
        while not self._arrived.empty():
            self._arrived.get().requeue()
        self._source.cleanup()


class _Told(listener.Request):
    """An outcome that the broker keeps until it is acknowledged.

    To requeue it nothing is done: it goes back when the connection is closed.
    """

    def acknowledge(self) -> None:
        """Let the broker forget it."""
        self.finish()


class _Listener(listener.Listener):
    message_cls = _Told

    def __init__(self, driver: Any, conn: Any) -> None:
        super().__init__(driver, conn)
        self._junk = Seldom(LOG)

    def refuse(self, message: Any, why: str) -> None:
        """Drop what is no outcome."""
        self._junk.warning(f"a message of {message.size} bytes was dropped: {why}")
        self._connection.do(functools.partial(aside.drop, message))


@contextlib.contextmanager
def outcomes(
    conf: cfg.ConfigOpts, timeout: float | None = None
) -> Iterator[Iterable[Outcome]]:
    """Take what workers tell of casts, from the queue that all controllers share.

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
    :raises ValueError: the transport_url is malformed or names an unknown transport, or
        eventlet has patched this process
    :raises BusUnavailable: the broker cannot be reached, or an exchange or a queue
        exists with other properties
    """
    _eventlet.refuse()
    options.register(conf)
    transport, target = telling.connected(conf), telling.target(conf)
    telling.check(transport, target)
    inbox = _Inbox(_listen(transport, target), timeout)
    try:
        yield inbox
        inbox.settle()
    finally:
        inbox.close()


def _listen(
    transport: Any, target: oslo_messaging.Target
) -> base.PollStyleListenerAdapter:
    if not isinstance(transport._driver, rabbit.Driver):
        return transport._listen_for_notifications(
            [(target, telling.PRIORITY)], None, 1, None
        )
    # oslo.messaging's own listener would acknowledge seconds later, and keep without
    # a word what comes again because an acknowledgement was lost.
    connection = transport._driver._get_connection(common.PURPOSE_LISTEN)
    source = _Listener(transport._driver, connection)
    topic = f"{target.topic}.{telling.PRIORITY}"
    place = connection.connection, target.exchange, topic, source
    connection.declare_consumer(Requests(*place, dead_letters=False))
    return base.PollStyleListenerAdapter(source, 1, None)


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
        text = one_line(str(wrong), 200)
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
