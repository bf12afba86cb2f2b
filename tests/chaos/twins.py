# SPDX-License-Identifier: Apache-2.0
"""Experiments: every method that changes something is called twice at once."""

from __future__ import annotations

import contextlib
import os
import random
import threading
from collections.abc import Sequence
from concurrent import futures
from typing import Any

from networker import exceptions, rpc
from tests.chaos import lives
from tests.chaos.bench import Bench, Sandboxed, Setup, opened
from tests.chaos.clouds import Clouded, services
from tests.chaos.grounds import CloudGround, Ground, SandboxGround
from tests.chaos.httpproxy import HttpProxy
from tests.chaos.results import Result, differences

#: Seconds by which one of the two may begin later, at most.
_APART = 0.01


class Twins:
    """Makes each call from two threads, to two worker processes, at the same time.

    :param clients: one for each worker process
    :param seed: of how far apart the two begin
    """

    def __init__(self, clients: Sequence[rpc.Client], seed: int) -> None:
        self._clients = clients
        self._rng = random.Random(seed)
        self.calls = 0
        self.unequal: list[str] = []

    def perform(self, method: str, *arguments: Any) -> Any:
        """Make a call twice; return what both answered, and note it if that differs."""
        delays = [0.0, self._rng.uniform(0, _APART)]
        self._rng.shuffle(delays)
        with futures.ThreadPoolExecutor(2) as pool:
            pair = [
                pool.submit(_delayed, delay, getattr(client, method), arguments)
                for delay, client in zip(delays, self._clients, strict=True)
            ]
        self.calls += 2
        failed = [twin.exception() for twin in pair]
        if any(failed):
            self.unequal.append(f"{method}: {failed}")
            raise next(error for error in failed if error)
        first, second = (twin.result() for twin in pair)
        if first != second:
            self.unequal.append(f"{method}: {first} and {second}")
        return first


def _delayed(delay: float, call: Any, arguments: Sequence[Any]) -> Any:
    threading.Event().wait(delay)
    return call(*arguments)


def on_sandbox(setup: Setup, *, rounds: int = 200) -> Result:
    """Let two worker processes do the same on one sandbox.

    :param rounds: lives in which each step is made twice
    """
    first = Sandboxed(setup, "twins")
    shared = {"database": first.conf.sandbox.database}
    second = Sandboxed(setup, "twins", sandbox=shared)
    ground = SandboxGround(first.sandbox, setup.seed)
    return _equal(setup, [first, second], ground, rounds)


def on_lab(setup: Setup, *, rounds: int = 20) -> Result:
    """Let two worker processes do the same on the cloud that OS_CLOUD names."""
    cloud = os.environ["OS_CLOUD"]
    setup.say("making 2 servers")
    with (
        CloudGround(cloud, setup.seed, own=2) as ground,
        HttpProxy(services(cloud)) as proxy,
    ):
        benches = [Clouded(setup, "twins", cloud, proxy) for _ in range(2)]
        return _equal(setup, benches, ground, rounds)


def _equal(
    setup: Setup, benches: Sequence[Bench], ground: Ground, rounds: int
) -> Result:
    """Live lives in which every step is made by both benches at once."""
    doubled = unlike = 0
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(opened(b, 1)).connect() for b in benches]
        twins = Twins(clients, setup.seed)
        before = ground.snapshot()
        for number in range(rounds):
            if number % max(1, rounds // 10) == 0:
                setup.say(f"round {number + 1} of {rounds}")
            lb = ground.load_balancer(0)
            with contextlib.suppress(exceptions.NetworkException):  # noted by the twins
                lives.create(ground, lb, twins.perform)
                doubled += _surplus(before, ground.snapshot())
                lives.destroy(ground, lb, twins.perform)
            after = ground.snapshot()
            unlike += sum(differences(before[kind], after[kind]) for kind in before)
    result = Result().note("rounds", rounds).note("calls", twins.calls)
    result.exactly("unequal", len(twins.unequal), 0).exactly("doubled", doubled, 0)
    result.exactly("items unlike before", unlike, 0)
    result.remarks += [text[:300] for text in twins.unequal[:3]]
    return result


def _surplus(before: dict[str, list[Any]], now: dict[str, list[Any]]) -> int:
    """Count ports and groups that are not the ones a load balancer has."""
    ports = len(now["ports"]) - len(before["ports"]) - lives.PORTS
    groups = len(now["security_groups"]) - len(before["security_groups"]) - 1
    return abs(ports) + abs(groups)
