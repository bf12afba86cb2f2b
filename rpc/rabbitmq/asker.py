# SPDX-License-Identifier: Apache-2.0
"""Ask the workers of a topic, over a connection that is kept for the next question."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import amqp
import msgspec
import oslo_messaging

from networker import exceptions
from networker._types import known
from networker.rpc.rabbitmq import broker
from networker.rpc.rabbitmq.control import control_name, replies_name
from networker.rpc.rabbitmq.pyamqp import on_alarms

Found = TypeVar("Found")
#: Bytes of an answer.
_MOST = 4 * 2**20
#: Seconds in which no answer has come after which no more is waited for.
_QUIET = 0.1


@known
class _Answer(msgspec.Struct):
    number: str
    told: dict[str, Any]


class Alarmed(Exception):
    """The broker takes no messages; the text is its own."""


class Asker:
    """Asks, by one thread at a time.

    :param transport: one that :func:`networker.rpc.rabbitmq.broker.uses_rabbit`
    :param topic: that workers listen on
    """

    def __init__(self, transport: oslo_messaging.RPCTransport, topic: str) -> None:
        self._transport = transport
        self._topic = topic
        self._replies = f"{replies_name(topic)}{uuid.uuid4().hex}"
        self._open: contextlib.ExitStack | None = None
        self._probe: Any = None
        self._channel: Any = None
        self._arrived: list[bytes] = []

    def counts(
        self, queues: Iterable[str]
    ) -> tuple[str, dict[str, tuple[int, int] | None]]:
        """Count what waits in queues, and who consumes from them.

        :returns: the broker's product and version, and for each queue both numbers, or
            None if there is no such queue
        :raises BusUnavailable: the broker cannot be asked; see `refused`
        """
        names = list(queues)

        def count() -> tuple[str, dict[str, tuple[int, int] | None]]:
            told = self._probe.connection.connection.server_properties
            found = {name: broker.count(self._probe, name) for name in names}
            return f"{told.get('product')} {told.get('version')}", found

        return self._attempt(count)

    def ask(
        self,
        question: Any,
        enough: Callable[[list[dict[str, Any]]], bool],
        within: float,
    ) -> list[dict[str, Any]]:
        """Ask all workers, and return the answers.

        :param question: what can be told as JSON
        :param enough: tells whether these are all
        :param within: seconds after which no more is waited for
        :raises Alarmed: the broker takes no messages
        :raises BusUnavailable: the broker cannot be asked; see `refused`
        """
        return self._attempt(lambda: self._ask(question, enough, within))

    def close(self) -> None:
        """Close the connection."""
        opened, self._open = self._open, None
        self._probe = self._channel = None
        if opened:
            # It may be lost already.
            with contextlib.suppress(exceptions.BusUnavailable):
                opened.close()

    def _attempt(self, action: Callable[[], Found]) -> Found:
        """Do something; where a connection was lost meanwhile, on a new one."""
        kept = self._open is not None
        try:
            return self._once(action)
        except exceptions.BusUnavailable:
            if not kept:
                raise
        return self._once(action)

    def _once(self, action: Callable[[], Found]) -> Found:
        try:
            with broker.telling(self._transport):
                if self._open is None:
                    self._open = contextlib.ExitStack()
                    self._probe = self._open.enter_context(
                        broker.connected(self._transport)
                    )
                return action()
        except (exceptions.BusUnavailable, Alarmed) as error:
            if isinstance(error, Alarmed):
                self._leave()
            self.close()
            raise

    def _leave(self) -> None:
        """Let go of a connection that would not be answered when it says good-bye."""
        self._probe.connection.connection.collect()
        self._probe.connection._connection = None

    def _ask(
        self,
        question: Any,
        enough: Callable[[list[dict[str, Any]]], bool],
        within: float,
    ) -> list[dict[str, Any]]:
        end = time.monotonic() + within
        channel = self._listen()
        number = uuid.uuid4().hex
        message = amqp.Message(
            msgspec.json.encode(question),
            content_type="application/json",
            reply_to=self._replies,
            correlation_id=number,
        )
        self._arrived.clear()
        told: list[dict[str, Any]] = []
        try:
            channel.basic_publish(message, exchange=control_name(self._topic))
            channel.basic_qos(0, 0, False)  # answered when the message was taken
            while (left := end - time.monotonic()) > 0:
                if enough(told):
                    left = min(left, _QUIET)
                if not self._drain(left) and enough(told):
                    break
                told += _read(self._arrived, number)
        except amqp.NotFound:
            self._channel = None  # no worker has ever been one that can be asked
        return told

    def _drain(self, seconds: float) -> bool:
        """Take what comes; tell whether something did."""
        try:
            self._probe.connection.connection.drain_events(timeout=seconds)
        except TimeoutError:
            return False
        return True

    def _listen(self) -> Any:
        """Return a channel on which answers come."""
        if self._channel is None:
            on_alarms(self._probe.connection.connection, _alarm, lambda: None)
            channel = self._probe.connection.channel()
            channel.auto_decode = False
            channel.queue_declare(self._replies, exclusive=True, auto_delete=True)
            channel.basic_consume(self._replies, no_ack=True, callback=self._arrive)
            self._channel = channel
        return self._channel

    def _arrive(self, message: Any) -> None:
        if len(message.body) <= _MOST:
            self._arrived.append(message.body)


def _alarm(reason: str) -> None:
    raise Alarmed(reason)


def _read(arrived: list[bytes], number: str) -> list[dict[str, Any]]:
    """Return the answers to a question among what has come, and forget the rest."""
    told = []
    while arrived:
        with contextlib.suppress(msgspec.MsgspecError, RecursionError):
            answer = msgspec.json.decode(arrived.pop(0), type=_Answer)
            if answer.number == number:
                told.append(answer.told)
    return told
