# SPDX-License-Identifier: Apache-2.0
"""Publisher confirms: post messages, and learn of each whether RabbitMQ has it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from networker.rpc.rabbitmq.connection import Connection

Subject = TypeVar("Subject")


@dataclasses.dataclass(eq=False)
class _ConfirmChannel(Generic[Subject]):
    """A channel, and the messages posted on it that are not confirmed yet."""

    channel: Any
    numbers: Iterator[int] = dataclasses.field(
        default_factory=lambda: itertools.count(1)
    )
    waiting: dict[int, Subject] = dataclasses.field(default_factory=dict)


class Confirms(Generic[Subject]):
    """Posts messages, and reports of each whether the broker has it.

    RabbitMQ 3.10 goes on refusing whatever comes on a channel of which it has refused a
    message, even when the queue takes messages again. So after a refusal there is another
    channel.

    :param connection: on which it posts; all is done in the thread that consumes
    :param settled: gets what a message was about, and whether the broker has it
    :param returned: py-amqp's callback for a message that there is no queue for
    """

    def __init__(
        self,
        connection: Connection,
        settled: Callable[[Subject, bool], None],
        returned: Callable[[Any, str, str, Any], None],
    ) -> None:
        self._connection = connection
        self._settled = settled
        self._returned = returned
        #: Where messages are posted; there is none before :meth:`renew`.
        self._current: _ConfirmChannel[Subject]
        self._left: list[_ConfirmChannel[Subject]] = []

    def renew(self, channel: Any) -> None:
        """Begin anew on a new connection; nothing is told of what was posted before.

        :param channel: any other channel of it, on which messages can be returned too
        """
        channel.events["basic_return"] = {self._returned}
        self._left = []
        self._current = self._open(channel.connection)

    def post(self, subject: Subject, queue: str, body: bytes, *, durable: bool) -> None:
        """Put a message on a queue.

        :param subject: what it is about
        :param durable: whether it is to outlive the broker
        """
        self._current.waiting[next(self._current.numbers)] = subject
        channel = self._current.channel
        self._connection.post(
            queue, body, durable=durable, mandatory=True, channel=channel
        )

    def _open(self, connection: Any) -> _ConfirmChannel[Subject]:
        opened = _ConfirmChannel[Subject](connection.channel())
        channel = opened.channel
        channel.confirm_select()

        def taken(number: int, multiple: bool) -> None:
            self._settle(opened, number, multiple=multiple, taken=True)

        def refused(number: int, multiple: bool) -> None:
            self._settle(opened, number, multiple=multiple, taken=False)
            # Not at once: this may be in the middle of something else on the connection.
            self._connection.postpone(0, lambda: self._replace(opened))

        channel.events["basic_ack"].add(taken)
        channel.events["basic_nack"].add(refused)
        channel.events["basic_return"] = {self._returned}
        return opened

    def _settle(
        self,
        channel: _ConfirmChannel[Subject],
        number: int,
        *,
        multiple: bool,
        taken: bool,
    ) -> None:
        numbers = [number]
        if multiple:
            numbers = [other for other in channel.waiting if other <= number]
        for other in numbers:
            if other in channel.waiting:
                self._settled(channel.waiting.pop(other), taken)

    def _replace(self, refused: _ConfirmChannel[Subject]) -> None:
        """Open another channel, and close those on which nothing is to come any more."""
        if refused is self._current:
            self._left.append(refused)
            self._current = self._open(refused.channel.connection)
        done = [channel for channel in self._left if not channel.waiting]
        self._left = [channel for channel in self._left if channel.waiting]
        for each in done:
            each.channel.close()
