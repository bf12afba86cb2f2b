# SPDX-License-Identifier: Apache-2.0
"""Two workers, a client and a look at the broker's queues, for what is quiet."""

from __future__ import annotations

import contextlib
import pathlib
import time
import uuid
from collections.abc import Iterator

import amqp
import pytest
from kombu.connection import Connection

from networker import exceptions, rpc
from networker.rpc.rabbitmq.caller import Caller
from networker.testing import processes
from networker.testing.rabbitmq import Node
from tests.chaos.bench import until
from tests.rabbitmq import STOCK_OPTIONS

NOWHERE = "11111111-2222-4333-8444-555555555555"
#: Seconds in which everything is to be as before. It is said to take 2, which
#: `make chaos ONLY=quiet` measures; other tests run beside these.
SOON = 20.0
MODES: dict[str, dict[str, object]] = {
    "transient": {},
    "durable": {"calls": "durable"},
    # The exchange of the others is durable, which oslo.messaging's own is not.
    "at-most-once": {"delivery": "at-most-once"},
}
OURS = [mode for mode in MODES if mode != "at-most-once"]


class Site:
    """Two worker processes, a client for them, and a look at the broker's queues."""

    def __init__(
        self,
        node: Node,
        config: pathlib.Path,
        workers: processes.Workers,
        client: rpc.Client,
    ) -> None:
        self.node, self.config = node, config
        self.workers, self.client = workers, client
        self.mode = self.waits_in = ""
        conf = processes.configuration(config)
        self.topic, self.exchange = conf.networker.topic, conf.networker.exchange

    @property
    def calls_queue(self) -> str:
        """The queue in which calls wait."""
        name = f"{self.topic}.calls"
        return self.topic if self.consumers(name) is None else name

    def waiting(self) -> int:
        """Return how many calls wait on the broker."""
        counts = self._counts(self.waits_in)
        assert counts
        return counts[0]

    @property
    def reply_queue(self) -> str:
        """The queue for this client's answers."""
        delivery = self.client._bus._caller
        assert isinstance(delivery, Caller)
        assert delivery._link
        return delivery._link._name

    def properties(self, prefix: str) -> set[str]:
        """Return what queues are whose names begin alike."""
        listed = self.node.control("list_queues", "name", "durable", "arguments")
        return {row for row in listed.splitlines() if row.startswith(prefix)}

    def consumers(self, name: str) -> int | None:
        """Return how many consume from a queue, None if there is none."""
        counts = self._counts(name)
        return counts and counts[1]

    def _counts(self, name: str) -> tuple[int, int] | None:
        """Return how many messages wait in a queue, and how many consume from it.

        It is asked of the queue itself: lists have it of quorum queues as it was up to five
        seconds ago.
        """
        with self.amqp() as connection:
            try:
                found = connection.channel().queue_declare(name, passive=True)
            except amqp.NotFound:
                return None
        return found.message_count, found.consumer_count

    def delete_queue(self, name: str) -> None:
        """Delete a queue, by hand as it were."""
        self.node.control("delete_queue", name)

    def amqp(self) -> Connection:
        """Return a connection of somebody else's."""
        return Connection(self.node.url.replace("rabbit", "amqp", 1))

    def serves(self, timeout: float = SOON) -> None:
        """Make sure that a call is answered and a cast is run within so many seconds."""
        began = time.monotonic()
        with pytest.raises(exceptions.PortNotFound):
            self.client.with_options(timeout=timeout).get_port(NOWHERE)
        port = str(uuid.uuid4())
        self.client.with_options(timeout=timeout).cast.get_port(port)
        until(lambda: port in self.workers.log, "the cast to run", timeout)
        assert time.monotonic() - began < timeout

    def told(self, since: int, *words: str) -> list[str]:
        """Return the warnings of the workers since then that have these words."""
        lines = self.workers.log[since:].splitlines()
        lines = [line for line in lines if " WARNING " in line]
        return [line for line in lines if all(word in line for word in words)]


@contextlib.contextmanager
def site_of(
    broker: Node,
    directory: pathlib.Path,
    mode: str,
    latency: float = 0.0,
    **options: object,
) -> Iterator[Site]:
    """Run workers and a client in one of the modes."""
    names = {"topic": f"t-{uuid.uuid4()}", "exchange": f"x-{uuid.uuid4()}"}
    numbers: dict[str, object] = {"workers": 2, "threads": 4, "pool_timeout": 5}
    settings: dict[str, dict[str, object]] = {
        "DEFAULT": {"transport_url": broker.url},
        "networker": {
            "driver": "sandbox",
            **names,
            **numbers,
            **MODES[mode],
            **options,
        },
        "sandbox": {"database": directory / "sandbox.sqlite", "latency": latency},
    }
    if mode == "at-most-once":
        settings["oslo_messaging_rabbit"] = {**STOCK_OPTIONS}
    config = processes.write(directory / "networker.conf", settings)
    with processes.serving(config) as (workers, client):
        count = int(str(settings["networker"]["workers"]))
        until(lambda: workers.log.count(" serving ") == count, "all workers")
        site = Site(broker, config, workers, client)
        site.mode = mode
        site.serves(20)
        yield site


def connections(broker: Node, user: str) -> list[str]:
    """Return the pids, as the broker names them, of a user's connections."""
    listed = broker.control("list_connections", "user", "pid")
    rows = [line.split("\t") for line in listed.splitlines() if "\t" in line]
    return [row[1] for row in rows if row[0] == user]
