# SPDX-License-Identifier: Apache-2.0
"""Experiment: nodes of a cluster are killed and stopped under load."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence

import tenacity

from networker.testing.cluster import Cluster
from networker.testing.rabbitmq import Node
from tests.chaos.bench import Sandboxed, Setup, opened, until
from tests.chaos.kills import LATENCY
from tests.chaos.load import Load, tally
from tests.chaos.results import Result
from tests.chaos.tcpproxy import TcpProxy

#: What a node is to the load, and what becomes of it.
VICTIMS = ("leader", "follower", "client's node")
HARMS = ("killed", "stopped")


def cluster(
    setup: Setup,
    *,
    names: Sequence[str] = ("three", "one"),
    victims: Sequence[str] = VICTIMS,
    callers: int = 12,
    masters: int = 3,
    between: int = 60,
    down_for: float = 10.0,
    stop_for: float = 30.0,
) -> Result:
    """Kill and stop each kind of node, in an order that the seed decides.

    :param names: how many hosts the URL has: "three", or "one" before a balancer
    :param victims: of VICTIMS; each is killed once, and stopped once
    :param between: operations that succeed before each fault, so that it meets a load
    :param down_for: seconds between a kill with -9 and the next start
    :param stop_for: seconds between SIGSTOP and SIGCONT
    """
    result = Result()
    setup.say("starting three nodes")
    with Cluster() as nodes, TcpProxy(*(n.port for n in nodes.nodes)) as balancer:
        urls = {
            "three": nodes.url,
            "one": f"rabbit://guest:guest@127.0.0.1:{balancer.port}/",
        }
        turns = [(victim, harm) for victim in victims for harm in HARMS]
        random.Random(setup.seed).shuffle(turns)
        for name in names:
            trial = _Trial(setup, nodes, name, down_for, stop_for)
            trial.run(result, urls[name], turns, callers, masters, between)
    return result


@dataclasses.dataclass
class _Trial:
    """All faults in turn, with one URL."""

    setup: Setup
    nodes: Cluster
    name: str
    down_for: float
    stop_for: float

    def run(
        self,
        result: Result,
        url: str,
        turns: Sequence[tuple[str, str]],
        callers: int,
        masters: int,
        between: int,
    ) -> None:
        setup = dataclasses.replace(self.setup, node=self.nodes.nodes[0])
        bench = Sandboxed(setup, f"cluster-{self.name}", url=url, latency=LATENCY)
        spans = []
        with opened(bench, masters):
            load = Load(bench, setup.seed, callers, pause=0.2)
            with load.running():
                for victim, harm in turns:
                    load.more(between)
                    began = time.monotonic()
                    self._harm(bench, victim, harm)
                    load.more(between)
                    spans.append((victim, harm, began, time.monotonic()))
            setup.say("counting")
            counted = tally(load)
        mine = counted.fill(Result())
        for figure in mine.figures:
            result.figures.append(
                dataclasses.replace(figure, name=f"{self.name}: {figure.name}")
            )
        result.remarks += [f"{self.name}: {remark}" for remark in mine.remarks]
        result.note(f"{self.name}: slowest call", counted.slowest, "s")
        for victim, harm, began, ended in spans:
            slowest = load.slowest(began, ended)
            text = f"{self.name}: {victim} {harm}: slowest call {slowest:.1f} s"
            result.remarks.append(text)

    def _harm(self, bench: Sandboxed, victim: str, harm: str) -> None:
        node = self._find(bench.topic, victim)
        self.setup.say(f"{self.name}: {victim} {harm} ({node.name})")
        if harm == "killed":
            node.stop(signal.SIGKILL)
            threading.Event().wait(self.down_for)
            node.start()
        else:
            with _suspended(node):
                threading.Event().wait(self.stop_for)
        until(self._whole, "all nodes to run", 180)

    def _find(self, topic: str, victim: str) -> Node:
        @tenacity.retry(
            retry=tenacity.retry_if_exception_type(
                (LookupError, subprocess.SubprocessError)
            ),
            wait=tenacity.wait_fixed(0.5),
            stop=tenacity.stop_after_delay(180),
        )
        def find() -> Node:
            leader = self.nodes.leader(topic)
            if victim == "leader":
                return leader
            if victim == "follower":
                return next(node for node in self.nodes.nodes if node is not leader)
            connected = self.nodes.connected(os.getpid())
            if not connected:
                raise LookupError("the client is not connected")
            return connected[0]

        return find()

    def _whole(self) -> bool:
        """Tell whether all nodes run, as one of them sees it."""
        with contextlib.suppress(subprocess.SubprocessError):
            seen = self.nodes.control("eval", "length(rabbit_nodes:all_running()).")
            return seen.strip() == str(len(self.nodes.nodes))
        return False


@contextlib.contextmanager
def _suspended(node: Node) -> Iterator[None]:
    node.suspend()
    try:
        yield
    finally:
        node.resume()
