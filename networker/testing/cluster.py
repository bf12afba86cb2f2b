# SPDX-License-Identifier: Apache-2.0
"""A private RabbitMQ cluster on loopback, for tests and demonstrations."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from concurrent import futures
from typing import Self

from networker.testing.rabbitmq import Node


class Cluster:
    """RabbitMQ nodes that form a cluster; a context manager that ends them.

    :param size: how many nodes
    :param plugins: to be enabled on each
    :raises RuntimeError: one did not start; the message has the end of its log
    """

    def __init__(self, size: int = 3, plugins: Sequence[str] = ()) -> None:
        self.nodes: list[Node] = []
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self.close)
            first = Node(name="node0", plugins=plugins)
            self.nodes.append(first)
            with futures.ThreadPoolExecutor(size) as pool:
                start = functools.partial(Node, beside=first, plugins=plugins)
                started = [pool.submit(start, name=f"node{n}") for n in range(1, size)]
            self.nodes += [each.result() for each in started]
            for node in self.nodes[1:]:
                self._join(node, first)
            on_failure.pop_all()

    @property
    def url(self) -> str:
        """The transport_url that names all nodes."""
        hosts = ",".join(f"guest:guest@127.0.0.1:{node.port}" for node in self.nodes)
        return f"rabbit://{hosts}/"

    @staticmethod
    def _join(node: Node, first: Node) -> None:
        node.control("stop_app")
        node.control("reset")
        node.control("join_cluster", first.name)
        node.control("start_app")

    def control(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` on a node that runs, and return what it prints."""
        running = next(node for node in self.nodes if node.pid and not node.suspended)
        return running.control(*arguments)

    def leader(self, queue: str) -> Node:
        """Return the node that leads a quorum queue, or has a classic one.

        :raises LookupError: there is no such queue, or it has no leader just now
        """
        listed = self.control("list_queues", "name", "pid", "state")
        for line in listed.splitlines():
            name, _, rest = line.partition("\t")
            for node in self.nodes:
                if name == queue and f"<{node.name}." in rest:
                    return node
        raise LookupError(f"the queue {queue!r} has no leader")

    def connected(self, pid: int) -> list[Node]:
        """Return the nodes that a process's connections of oslo.messaging end at."""
        columns = "pid", "client_properties"
        listed = self.control("list_connections", *columns).splitlines()
        ours = [line for line in listed if f":{pid}:" in line]
        return [
            node
            for node in self.nodes
            if any(f"<{node.name}." in line for line in ours)
        ]

    def close(self) -> None:
        """End all nodes, and remove what they had on disk."""
        for node in reversed(self.nodes):
            node.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
