# SPDX-License-Identifier: Apache-2.0
"""What the ends that drive a cloud have in common: lives of load balancers, on order.

Each end is told to take one step after another in the life of a load balancer, and says
how long it took and which requests it made of the cloud.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import requests

from tests.bench.ends import loop
from tests.contract.meter import Cost, Meter, Request

#: What is ordered of every load balancer at first, and besides for a while.
PORTS, MORE_PORTS = (80, 443), tuple(range(8000, 8010))
#: The first of the ports at which amphorae synchronize their tables.
PEER_PORT = 1025


@dataclasses.dataclass(frozen=True)
class Place:
    """Where load balancers live.

    :param cloud: its name in clouds.yaml
    :param project_id: whose the load balancers are
    """

    cloud: str
    project_id: str
    vip_network_id: str
    vip_subnet_id: str
    member_network_id: str
    member_subnet_id: str


@dataclasses.dataclass(frozen=True)
class Server:
    """A server of the cloud, as the amphora of one load balancer."""

    amphora_id: str
    compute_id: str
    lb_network_ip: str


@dataclasses.dataclass(frozen=True)
class Step:
    """An order.

    :param balancer_id: a new one begins a life
    :param servers: of its amphorae
    :param name: of the method of a life
    :param arguments: of the method
    """

    balancer_id: str
    servers: Sequence[Server]
    name: str
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, line: str) -> Step:
        """Return an order as it was written."""
        told = json.loads(line)
        servers = [Server(**server) for server in told.pop("servers")]
        return cls(servers=servers, **told)


@dataclasses.dataclass(frozen=True)
class Taken:
    """How a step went.

    :param requests: that were made of the cloud meanwhile, in the order of their answers
    """

    seconds: float
    requests: Sequence[Request]

    @classmethod
    def read(cls, line: bytes) -> Taken:
        """Return an answer as it was written."""
        told = json.loads(line)
        return cls(told["seconds"], [Request(**one) for one in told["requests"]])


def obey(
    begin: Callable[[Step], object], sessions: Sequence[requests.Session] = ()
) -> None:
    """Take the steps on standard input until it ends.

    :param begin: returns a new life, which has a method for each step
    :param sessions: those that make all the requests
    """
    lives: dict[str, object] = {}
    loop.ready()
    for line in sys.stdin:
        step = Step.read(line)
        if step.balancer_id not in lives:
            lives[step.balancer_id] = begin(step)
        take = getattr(lives[step.balancer_id], step.name)
        with _measuring(sessions) as costs:
            began = time.perf_counter()
            take(**step.arguments)
            seconds = time.perf_counter() - began
        taken = Taken(seconds, [one for cost in costs for one in cost.made])
        loop.say(json.dumps(dataclasses.asdict(taken)))


@contextlib.contextmanager
def _measuring(sessions: Sequence[requests.Session]) -> Iterator[list[Cost]]:
    with contextlib.ExitStack() as stack:
        meters = [Meter(session, held=0.0) for session in sessions]
        yield [stack.enter_context(meter.measuring()) for meter in meters]
