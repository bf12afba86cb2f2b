# SPDX-License-Identifier: Apache-2.0
"""Know whether a connection's subscriptions are alive, log it, and space the attempts."""

from __future__ import annotations

import collections
import dataclasses
import logging
import time
from typing import Any

import amqp

LOG = logging.getLogger(__name__)

#: What RabbitMQ says to whom it does not let in, and to a declaration that does not fit.
_REFUSALS = (amqp.AccessRefused, amqp.NotAllowed, amqp.PreconditionFailed)
#: Seconds between attempts: after the first failure, and at most.
_SHORTEST, _LONGEST = 0.1, 1.0
#: A subscription that lasted for so many seconds was sound.
_SOUND = 1.0
#: Seconds within which what the broker says can pass, as when a node of a cluster is lost.
_PASSING = 3.0
#: Seconds after which it is told again that there still is no subscription.
_AGAIN = 60.0
#: How many losses are told within that time.
_MOST = 6


class ChannelClosed(amqp.RecoverableConnectionError):  # type: ignore[misc]
    """The broker closed the channel that is consumed from.

    :param cause: what it said
    """

    def __init__(self, cause: amqp.ChannelError) -> None:
        super().__init__(cause.reply_text)
        self.cause = cause


class ConsumerLost(amqp.RecoverableConnectionError):  # type: ignore[misc]
    """The broker no longer knows a consumer of ours, though it has not said so."""


@dataclasses.dataclass(frozen=True)
class Loss:
    """Why there is no subscription.

    :param text: for people, in the broker's own words where it has said something
    :param said: whether it has, and does not just go away
    :param refused: whether it is no use to wait until it comes back
    """

    text: str
    said: bool
    refused: bool

    @property
    def cause(self) -> str:
        """One of three words for it."""
        if self.refused:
            return "refused"
        return "closed" if self.said else "gone"

    @classmethod
    def of(cls, error: BaseException, queues: dict[str, str]) -> Loss:
        """Return what an error means.

        :param queues: names of the queues that are consumed from, by consumer tag
        """
        said = error.cause if isinstance(error, ChannelClosed) else error
        text = getattr(said, "reply_text", None) or str(said) or type(said).__name__
        if isinstance(error, amqp.ConsumerCancelled):
            name = queues.get(text, text)
            text = f"the broker cancelled the consumer of {name}; was it deleted?"
        spoken = bool(getattr(said, "reply_code", 0))
        spoken = spoken and not isinstance(said, amqp.ConnectionForced)
        return cls(text, spoken, isinstance(said, _REFUSALS))


class Supervision:
    """Tracks whether the subscriptions of one connection are alive.

    Each change is one line in the log, and once a minute it is told that they still are
    not. Attempts to get them back follow each other more slowly, up to one a second.

    :param place: hosts and virtual host, for people
    """

    def __init__(self, place: str) -> None:
        self.place = place
        #: Why there is no subscription; None while there is one.
        self.loss: Loss | None = None
        #: Whether there has ever been one.
        self.reached = False
        self._since = time.monotonic()
        self._pause = 0.0
        self._told: collections.deque[float] = collections.deque(maxlen=_MOST)
        self._repeated = 0.0

    def back(self) -> None:
        """Note that all subscriptions are there."""
        now = time.monotonic()
        if self.loss is not None and self._told:
            LOG.info(
                "subscribed at %s again after %.1f s", self.place, now - self._since
            )
        self.loss, self.reached, self._since = None, True, now

    def lost(self, loss: Loss) -> float:
        """Note that there is none, and return the seconds until the next attempt."""
        before, now = self.loss, time.monotonic()
        if before is not None and loss.said and now - self._since > _PASSING:
            loss = dataclasses.replace(loss, refused=True)
        self.loss = loss
        if before is None:
            sound = self.reached and now - self._since >= _SOUND
            self._pause = 0.0 if sound else min(max(_SHORTEST, self._pause), _LONGEST)
            self._since = now
            self._tell("subscribing at %s again: %s", self.place, loss.text)
            return self._pause
        if loss.refused != before.refused:
            self._tell("still not subscribed at %s: %s", self.place, loss.text)
        elif now - self._repeated >= _AGAIN:
            gone = now - self._since
            text = "not subscribed at %s for %.0f s: %s"
            self._tell(text, self.place, gone, loss.text)
        self._pause = min(max(_SHORTEST, 2 * self._pause), _LONGEST)
        return self._pause

    def _tell(self, text: str, *arguments: object) -> None:
        now = self._repeated = time.monotonic()
        full = len(self._told) == _MOST
        if full and now - self._told[0] < _AGAIN:
            return
        self._told.append(now)
        LOG.warning(text, *arguments)


def place(url: Any) -> str:
    """Return hosts, ports and virtual host of a URL, without the password."""
    hosts = [f"{h.hostname}:{h.port or 5672}" for h in url.hosts]
    vhost = url.virtual_host or "/"
    return f"{', '.join(hosts) or 'localhost:5672'} (virtual host {vhost})"
