# SPDX-License-Identifier: Apache-2.0
"""Answers to a client's calls, and calls on the connection on which the answers come.

A request goes out on the connection that takes its answer, and nobody waits until the
broker confirms it: the answer does. What was on the way when the connection was lost is
sent again by the caller, as the same operation, which has its effects once.
"""

from __future__ import annotations

import itertools
import queue
from collections.abc import Mapping
from typing import Any

import msgspec
from oslo_messaging._drivers import amqpdriver

from networker.rpc.connection import Connection

#: The result of a call whose request or answer was lost with the connection.
LOST = {"lost": True}
#: The result of a call for which there is no queue.
RETURNED = {"returned": True}


class _Waiters(amqpdriver.ReplyWaiters):  # type: ignore[misc]
    """Those who wait, each on a queue that costs less than oslo.messaging's."""

    def add(self, msg_id: str) -> None:
        """Let answers to a request be kept."""
        self._queues[msg_id] = queue.SimpleQueue()


class Answers(amqpdriver.ReplyWaiter):  # type: ignore[misc]
    """A queue for answers with the thread that reads it; it sends calls too.

    :param name: of the queue
    :param conn: a connection of its own
    :param allowed_remote_exmods: modules whose exceptions may be raised here
    """

    def __init__(self, name: str, conn: Any, allowed_remote_exmods: Any) -> None:
        self._name = name
        self._numbers = itertools.count()
        self._connection: Connection = conn.connection
        super().__init__(name, conn, allowed_remote_exmods)
        self.waiters = _Waiters()
        self._connection.renewed = self._renewed
        self._connection.do(lambda: self._attend(self._connection.channel))

    def __call__(self, message: Any) -> None:
        """Give an answer to who waits for it."""
        self.waiters.put(message.get("_msg_id"), message)

    @property
    def up(self) -> bool:
        """Whether calls can be sent."""
        return self._connection.up

    def call(self, topic: str, message: Mapping[str, Any]) -> tuple[str, Any]:
        """Send a request, and return its id, and the queue on which its answer will be.

        :param message: as oslo.messaging's, without what says where the answer goes
        """
        msg_id = f"{self._name}.{next(self._numbers)}"
        reply = {"_msg_id": msg_id, "_reply_q": self._name}
        body = msgspec.json.encode({**message, **reply})
        durable = topic != self._connection.calls
        channel = self._connection.channel
        self.listen(msg_id)

        def send() -> None:
            if self._connection.channel is channel:
                self._connection.post(topic, body, durable=durable, mandatory=True)
            else:
                self._end(msg_id, LOST)

        self._connection.do(send)
        return msg_id, self.waiters._queues[msg_id]

    def read(self, answer: Any) -> tuple[Any, BaseException | None]:
        """Return the value in an answer, or what oslo.messaging made of its error."""
        value, _ending = self._process_reply(answer)
        return (None, value) if isinstance(value, Exception) else (value, None)

    def _end(self, msg_id: str, result: Any) -> None:
        self.waiters.put(msg_id, {"result": result, "failure": None, "ending": True})

    def _renewed(self, channel: Any) -> None:
        """End all calls that were sent on the channel before, so that they are repeated."""
        self._attend(channel)
        for msg_id in list(self.waiters._queues):
            self._end(msg_id, LOST)

    def _attend(self, channel: Any) -> None:
        """Be told of calls for which there is no queue."""
        channel.events["basic_return"] = {self._returned}

    def _returned(self, _error: Any, _exchange: str, _key: str, message: Any) -> None:
        self._end(msgspec.json.decode(message.body)["_msg_id"], RETURNED)
