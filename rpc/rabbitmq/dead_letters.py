# SPDX-License-Identifier: Apache-2.0
"""Dead letters: messages that RabbitMQ took off the topic since no worker could serve them.

They are requests that were delivered more often than the delivery limit, since each
worker died of them, and messages that are no request at all. They wait in the queue
``<topic>.dead`` until an operator replays or drops them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NoReturn

import amqp
from kombu import messaging
from oslo_config import cfg
from oslo_messaging._drivers import common

from networker import exceptions
from networker.context import is_id
from networker.rpc.rabbitmq import broker
from networker.rpc.rabbitmq import message as messages
from networker.rpc.rabbitmq.queues import dead_name

_CONTEXT = "_context_"
#: A quorum queue takes 32 acknowledgements at once from a channel; RabbitMQ keeps the
#: others back, and forgets them when the channel is closed.
_AT_ONCE = 16
#: Characters of a letter's body that are shown.
_SHOWN = 65536
_NEVER = datetime.datetime.min.replace(tzinfo=datetime.UTC)
#: By which a caller would have been answered.
_REPLY = ("_msg_id", "_reply_q", "_timeout")


@dataclasses.dataclass(frozen=True)
class Letter:
    """A dead letter.

    :param id: the operation id; a message without one is named by a digest of its body
    :param request: the request as oslo.messaging sends it; None if it is none
    :param deliveries: how often it was delivered to a worker, if that is known
    :param message: as it came from the queue, not acknowledged
    """

    id: str
    request: dict[str, Any] | None
    deliveries: int | None
    message: Any

    @property
    def method(self) -> str | None:
        """The name of the method."""
        return self.request["method"] if self.request else None

    @property
    def arguments(self) -> dict[str, Any] | None:
        """The arguments as they were sent."""
        return self.request["args"] if self.request else None

    @property
    def context(self) -> dict[str, Any]:
        """What :class:`networker.context.Context` sent."""
        found = (self.request or {}).items()
        return {k.removeprefix(_CONTEXT): v for k, v in found if k.startswith(_CONTEXT)}

    @property
    def when(self) -> datetime.datetime | None:
        """When it died, in UTC."""
        found = _death(self.message.headers).get("time")
        if not isinstance(found, datetime.datetime):
            return None
        return found.replace(tzinfo=datetime.UTC)

    @property
    def reason(self) -> str | None:
        """RabbitMQ's word for it: ``delivery_limit`` or ``rejected``."""
        return _death(self.message.headers).get("reason")

    @property
    def age(self) -> tuple[Any, ...]:
        """By which letters are sorted, the oldest first."""
        sent = self.context.get("sent")
        sent = sent if isinstance(sent, (int, float)) else 0.0
        return self.when or _NEVER, sent, self.id

    @property
    def body(self) -> str:
        """The beginning of the body as text; bytes that are none are escaped."""
        body = self.message.data
        text = body[:_SHOWN].decode(errors="backslashreplace")
        rest = len(body) - _SHOWN
        return f"{text}... ({rest} more bytes)" if rest > 0 else text


class DeadLetters:
    """The dead letters of the topic that a configuration names.

    Each method has a connection of its own, and takes all letters; what it does not
    remove goes back at the end. While it runs, others do not see them. A quorum queue
    puts back in disorder what is much, so letters are sorted by when they died.

    :param conf: a configuration on which :func:`networker.conf.register` was called
    :param transport: oslo.messaging's, for the configuration's URL
    :raises ValueError: the URL is not RabbitMQ's
    """

    def __init__(self, conf: cfg.ConfigOpts, transport: Any) -> None:
        self._exchange = conf.networker.exchange
        self._topic = conf.networker.topic
        self._size = conf.networker.max_message_size
        self._transport = transport
        if not broker.uses_rabbit(self._transport):
            raise ValueError(
                "transport_url: only RabbitMQ keeps dead letters, and this "
                "one is in memory"
            )

    def read(self, limit: int | None = None) -> list[Letter]:
        """Return the dead letters, the oldest first, and leave them where they are.

        :param limit: how many at most
        :raises BusUnavailable: the broker cannot be asked
        """
        with self._taken() as (_, letters):
            return letters[:limit]

    def replay(self, ids: Collection[str] | None = None) -> list[Letter]:
        """Send requests to the workers again, as casts under the same operation id.

        A letter leaves this queue when the broker has confirmed the request: what is
        interrupted in between is in both queues, and running it twice is harmless.

        :param ids: of all letters to replay; None for all that are requests
        :returns: the letters; of all, those that are no request have stayed
        :raises NetworkException: there is none with such an id, or it is no request;
            nothing was replayed
        :raises BusUnavailable: the broker cannot be asked, or has nowhere to put it
        """
        with self._taken() as (channel, letters):
            chosen = _chosen(letters, ids)
            junk = {letter.id for letter in chosen if letter.request is None}
            if ids is not None and junk:
                text = (
                    f"{', '.join(sorted(junk))}: no request, which can only be dropped"
                )
                raise exceptions.NetworkException(text)
            requests = [letter for letter in chosen if letter.request is not None]
            for letter in self._removed(channel, requests):
                self._send(channel, _revived(letter))
            return chosen

    def drop(self, ids: Collection[str] | None = None) -> list[Letter]:
        """Remove letters for ever.

        :param ids: of all letters to remove; None for all
        :returns: what was removed
        :raises NetworkException: there is none with such an id; nothing was removed
        :raises BusUnavailable: the broker cannot be asked
        """
        with self._taken() as (channel, letters):
            chosen = _chosen(letters, ids)
            return list(self._removed(channel, chosen))

    def _removed(self, channel: Any, letters: Sequence[Letter]) -> Iterator[Letter]:
        """Remove each letter when the next one is asked for."""
        for number, letter in enumerate(letters, 1):
            yield letter
            letter.message.ack()
            if number % _AT_ONCE == 0:
                # Its answer comes when the queue has seen what came before it. A letter
                # that has just died goes back with the others.
                channel.basic_get(dead_name(self._topic))

    @contextlib.contextmanager
    def _taken(self) -> Iterator[tuple[Any, list[Letter]]]:
        """Hold the letters; what is not acknowledged goes back with the channel's end."""
        with broker.connected(self._transport) as found:
            most = found.rabbit_quorum_queue_config.delivery_limit
            with found.connection.channel() as channel:
                channel.auto_decode = False
                messages = self._messages(channel)
                letters = [_letter(m, most, self._size) for m in messages]
                letters.sort(key=lambda letter: letter.age)
                yield channel, letters

    def _messages(self, channel: Any) -> Iterator[Any]:
        with contextlib.suppress(amqp.NotFound):  # no worker has ever run
            while raw := channel.basic_get(dead_name(self._topic)):
                # Unlike kombu's Queue.get, this unpacks nothing.
                yield messages.Message(raw, channel)

    def _send(self, channel: Any, request: dict[str, Any]) -> None:
        def refuse(*_: object) -> NoReturn:
            raise exceptions.BusUnavailable(
                f"no worker has declared {self._exchange}/{self._topic}, so nothing can "
                "be replayed; is one running?"
            )

        producer = messaging.Producer(channel, on_return=refuse, auto_declare=False)
        try:
            producer.publish(
                common.serialize_msg(request),
                exchange=self._exchange,
                routing_key=self._topic,
                mandatory=True,
            )
        except amqp.NotFound:
            refuse()
        except amqp.exceptions.MessageNacked as error:
            text = "the broker did not take the request, which stays where it is"
            raise exceptions.BusUnavailable(text) from error


def _letter(message: Any, most: int, size: int) -> Letter:
    request = _request(message, size)
    operation = (request or {}).get(f"{_CONTEXT}operation_id")
    named = operation if isinstance(operation, str) and is_id(operation) else ""
    digest = hashlib.sha256(message.data).hexdigest()
    died_of_it = _death(message.headers).get("reason") == "delivery_limit"
    return Letter(
        id=named or f"sha256-{digest[:12]}",
        request=request,
        # RabbitMQ does not tell, but gives up one delivery after the limit.
        deliveries=most + 1 if died_of_it and most else None,
        message=message,
    )


def _request(message: Any, size: int) -> dict[str, Any] | None:
    """Return the request in a message, or None if no worker could find one either."""
    try:
        request = messages.read(message, size)
    except messages.Unreadable:
        return None
    sound = messages.is_name(request.get("method"))
    sound = sound and isinstance(request.get("args"), dict)
    return request if sound else None


def _revived(letter: Letter) -> dict[str, Any]:
    """Return its request as a cast that has no deadline: nobody waits any more."""
    request = letter.request or {}
    kept = {name: part for name, part in request.items() if name not in _REPLY}
    return kept | {
        f"{_CONTEXT}awaited": False,
        f"{_CONTEXT}deadline": None,
        f"{_CONTEXT}sent": time.time(),
        # The stock driver drops what it has seen before.
        "_unique_id": uuid.uuid4().hex,
    }


def _chosen(letters: list[Letter], ids: Collection[str] | None) -> list[Letter]:
    if ids is None:
        return letters
    unknown = set(ids) - {letter.id for letter in letters}
    if unknown:
        text = f"there is no dead letter {', '.join(sorted(unknown))}"
        raise exceptions.NetworkException(text)
    return [letter for letter in letters if letter.id in ids]


def _death(headers: dict[str, Any]) -> dict[str, Any]:
    """Return the latest death, as RabbitMQ recorded it."""
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else {}
    return first if isinstance(first, dict) else {}
