# SPDX-License-Identifier: Apache-2.0
"""Experiment: the broker does everything short of dying, in turns, under load."""

from __future__ import annotations

import dataclasses
import json
import random
import threading
import time
from collections.abc import Callable

import amqp
from kombu.connection import Connection

from networker.rpc.rabbitmq.caller import Caller
from tests.chaos.bench import Sandboxed, Setup, drained, opened, until
from tests.chaos.kills import LATENCY
from tests.chaos.load import Load, tally
from tests.chaos.results import Result

#: Seconds for which what lasts is made to last.
_WHILE = 3.0
#: Seconds until somebody is taken for deaf.
_DEAF = 60.0
#: What makes a broker close a channel, as if the client had asked for it, by its error.
_CLOSES = {
    "PRECONDITION_FAILED": "{'basic.ack', 99999, false}",
    "NOT_FOUND": "{'queue.declare', 0, <<\"nobody's\">>, true, false, false, false, false, []}",
    "ACCESS_REFUSED": "{'exchange.delete', 0, <<\"amq.direct\">>, false, false}",
}
_JUNK = (b"", b"{", b"null", b"[" * 5000, b'{"_msg_id": 5}', b'{"_reply_q": [1]}')


@dataclasses.dataclass
class _Broker:
    """What a broker can do to a bench and its callers."""

    bench: Sandboxed
    load: Load
    connection: Connection

    @property
    def reply_queue(self) -> str:
        """The queue for the callers' answers."""
        delivery = self.load._client._bus._caller
        assert isinstance(delivery, Caller)
        assert delivery._link
        return delivery._link._name

    def delete_calls(self) -> None:
        """Delete the queue in which calls wait."""
        self._delete(f"{self.bench.topic}.calls")

    def delete_casts(self) -> None:
        """Delete the queue for casts while it is empty: nothing could save what waits."""
        with self.load.held():
            until(lambda: drained(self.bench.node, self.bench.topic), "no casts")
            self._delete(self.bench.topic)

    def delete_dead(self) -> None:
        """Delete the queue for what kills workers."""
        self._delete(f"{self.bench.topic}.dead")

    def delete_replies(self) -> None:
        """Delete the queue for answers."""
        self._delete(self.reply_queue)

    def delete_exchanges(self) -> None:
        """Delete the exchanges with their bindings."""
        for name in (self.bench.topic, f"{self.bench.topic}.dead"):
            with self.connection.channel() as channel:
                channel.exchange_delete(name)

    def close_channels(self, method: str) -> None:
        """Close all channels, for the error of a method."""
        self.bench.node.control(
            "eval", f"[rabbit_channel:do(C, {method}) || C <- rabbit_channel:list()]."
        )

    def close_connections(self) -> None:
        """Close all connections with INTERNAL_ERROR."""
        error = 'rabbit_misc:amqp_error(internal_error, "by hand", [], none)'
        readers = "rabbit_networking:connections()"
        self.bench.node.control(
            "eval", f"[P ! {{channel_exit, 1, {error}}} || P <- {readers}]."
        )

    def block(self) -> None:
        """Take no messages for a while."""
        self.bench.node.control("set_vm_memory_high_watermark", "absolute", "1000")
        threading.Event().wait(_WHILE)
        self.bench.node.control("set_vm_memory_high_watermark", "0.4")

    def refuse(self) -> None:
        """Permit nothing for a while."""
        node = self.bench.node
        node.control("set_permissions", "guest", "^$", "^$", "^$")
        node.control("close_all_connections", "by hand")
        threading.Event().wait(_WHILE)
        node.control("set_permissions", "guest", ".*", ".*", ".*")

    def nack(self) -> None:
        """Take no casts for a while."""
        limit = json.dumps({"max-length": 1, "overflow": "reject-publish"})
        policy = ["--apply-to", "queues", "chaos", f"^{self.bench.topic}$", limit]
        self.bench.node.control("set_policy", *policy)
        threading.Event().wait(_WHILE)
        self.bench.node.control("clear_policy", "chaos")

    def junk(self) -> None:
        """Put what is no message of ours into every queue."""
        topic = self.bench.topic
        producer = self.connection.Producer()
        for queue in (topic, f"{topic}.calls", self.reply_queue):
            for body in _JUNK:
                producer.publish(
                    body, routing_key=queue, content_type="application/json"
                )

    def whole(self) -> bool:
        """Tell whether there is everything that nobody consumes from."""
        topic = self.bench.topic
        with self.connection.channel() as channel:
            try:
                channel.exchange_declare(topic, "topic", passive=True)
                channel.exchange_declare(f"{topic}.dead", "direct", passive=True)
                channel.queue_declare(f"{topic}.dead", passive=True)
            except amqp.NotFound:
                return False
        return True

    def consumers(self) -> int:
        """Return how many consume from the queues of the topic."""
        count = 0
        for name in (self.bench.topic, f"{self.bench.topic}.calls"):
            with self.connection.channel() as channel:
                try:
                    found = channel.queue_declare(name, passive=True)
                except amqp.NotFound:
                    continue
                count += int(found.consumer_count)
        return count

    def _delete(self, queue: str) -> None:
        with self.connection.channel() as channel:
            channel.queue_delete(queue)


def quiet(
    setup: Setup,
    *,
    rounds: int = 4,
    callers: int = 16,
    masters: int = 2,
    timeout: float = 30.0,
    within: float = 2.0,
) -> Result:
    """Do each of these things to the broker, in another order each round.

    :param rounds: how often each of them
    :param timeout: seconds that a call may take
    :param within: seconds from the cause's end until everything has to be as before
    """
    bench = Sandboxed(setup, "quiet", latency=LATENCY)
    rng = random.Random(setup.seed)
    with opened(bench, masters):
        load = Load(bench, setup.seed, callers, timeout, pause=0.1)
        back: dict[str, float] = {}
        with load.running():
            load.more(20)
            for number in range(rounds):
                turns = _turns()
                rng.shuffle(turns)
                for name, act in turns:
                    setup.say(f"round {number + 1} of {rounds}: {name}")
                    took = _turn(bench, load, act, 2 * masters)
                    back[name] = max(took, back.get(name, 0.0))
                    load.more(20)
        counted = tally(load)
        result = counted.fill(Result(), errors=None)
        result.exactly("calls over their timeout", counted.late, 0)
        result.note("slowest call", counted.slowest, "s")
        for name, seconds in back.items():
            result.at_most(f"back after {name}", seconds, within, "s")
        return result


def _turns() -> list[tuple[str, Callable[[_Broker], None]]]:
    """Return what is done in a round, by name."""

    def closing(method: str) -> Callable[[_Broker], None]:
        return lambda broker: broker.close_channels(method)

    return [
        ("deleting the calls' queue", _Broker.delete_calls),
        ("deleting the casts' queue", _Broker.delete_casts),
        ("deleting the dead letters' queue", _Broker.delete_dead),
        ("deleting the answers' queue", _Broker.delete_replies),
        ("deleting exchanges", _Broker.delete_exchanges),
        *((f"closing with {kind}", closing(how)) for kind, how in _CLOSES.items()),
        ("closing with INTERNAL_ERROR", _Broker.close_connections),
        ("an alarm", _Broker.block),
        ("refusing all", _Broker.refuse),
        ("refusing casts", _Broker.nack),
        ("junk in every queue", _Broker.junk),
    ]


def _turn(
    bench: Sandboxed, load: Load, act: Callable[[_Broker], None], consumers: int
) -> float:
    """Do something; return the seconds from its end until all is as before."""
    url = bench.node.url.replace("rabbit", "amqp", 1)
    with Connection(url) as connection:
        act(_Broker(bench, load, connection))
    ended = time.monotonic()
    with Connection(url) as connection:
        broker = _Broker(bench, load, connection)
        until(
            lambda: (
                broker.consumers() == consumers
                and broker.whole()
                and load.first_after(ended)
            ),
            "everything to be as before",
            _DEAF,
            every=0.02,
        )
    return time.monotonic() - ended
