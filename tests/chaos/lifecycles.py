# SPDX-License-Identifier: Apache-2.0
"""Experiments: load balancers come and go while workers die and answers are lost."""

from __future__ import annotations

import collections
import os
import threading
from concurrent import futures
from typing import Any

import pytest
import tenacity

from networker import exceptions, rpc
from tests.chaos import lives
from tests.chaos.bench import Bench, Sandboxed, Setup, drained, opened, until
from tests.chaos.clouds import Clouded, services
from tests.chaos.grounds import CloudGround, Ground, SandboxGround
from tests.chaos.httpproxy import HttpProxy, Rule
from tests.chaos.killers import Killer
from tests.chaos.kills import LATENCY
from tests.chaos.results import Result, differences
from tests.fakecloud import FakeCloud

#: Seconds for which a controller goes on trying what is Retriable.
_PATIENCE = 180.0
#: The share of requests whose answer is lost after they were served.
_LOSS = 0.05


class Controllers:
    """Controllers that live load balancers' lives at once, each on its own servers.

    A controller repeats a call that failed with a Retriable error, and no other.

    :param ground: where
    :param client: whom they ask
    """

    def __init__(self, ground: Ground, client: rpc.Client) -> None:
        self._ground = ground
        self._client = client
        self._lock = threading.Lock()
        self.retries: collections.Counter[str] = collections.Counter()
        self.errors: collections.Counter[str] = collections.Counter()

    def live(self, lifecycles: int, controllers: int) -> None:
        """Live so many lives, and return when all have ended."""
        with futures.ThreadPoolExecutor(controllers) as pool:
            share = [
                len(range(place, lifecycles, controllers))
                for place in range(controllers)
            ]
            list(pool.map(self._live, range(controllers), share))

    def _live(self, place: int, lifecycles: int) -> None:
        for _ in range(lifecycles):
            lb = self._ground.load_balancer(place)
            try:
                lives.create(self._ground, lb, self._perform)
                lives.destroy(self._ground, lb, self._perform)
            except exceptions.NetworkException as error:
                self._count(self.errors, error)

    def _perform(self, method: str, *arguments: Any) -> Any:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(exceptions.Retriable),
            wait=tenacity.wait_fixed(0.2),
            stop=tenacity.stop_after_delay(_PATIENCE),
            before_sleep=self._before_retry,
            reraise=True,
        )
        return attempts(getattr(self._client, method), *arguments)

    def _before_retry(self, state: tenacity.RetryCallState) -> None:
        if state.outcome:
            self._count(self.retries, state.outcome.exception())

    def _count(
        self, counter: collections.Counter[str], error: BaseException | None
    ) -> None:
        with self._lock:
            counter[f"{type(error).__name__}: {error}"[:160]] += 1


def on_sandbox(
    setup: Setup,
    *,
    lifecycles: int = 100,
    controllers: int = 8,
    every: float = 1.0,
    masters: int = 3,
) -> Result:
    """Kill workers during lives on a sandbox.

    :param controllers: lives that are lived at the same time
    :param every: seconds between two kills
    """
    bench = Sandboxed(setup, "lifecycles", latency=LATENCY)
    ground = SandboxGround(bench.sandbox, setup.seed)
    with opened(bench, masters):
        return _survived(setup, bench, ground, lifecycles, controllers, every)


def on_fake_cloud(
    setup: Setup, *, lifecycles: int = 20, controllers: int = 2, every: float = 1.0
) -> Result:
    """Kill workers and lose answers during lives on the fake cloud of the tests."""
    with FakeCloud() as cloud, pytest.MonkeyPatch.context() as environment:
        clouds = cloud.write_clouds(setup.directory / "clouds.yaml")
        environment.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
        with CloudGround("fake", setup.seed) as ground:
            return _lossy(setup, "fake", ground, lifecycles, controllers, every)


def on_lab(
    setup: Setup, *, lifecycles: int = 20, controllers: int = 4, every: float = 10.0
) -> Result:
    """Kill workers and lose answers during lives on the cloud that OS_CLOUD names."""
    cloud = os.environ["OS_CLOUD"]
    setup.say(f"making {2 * controllers} servers")
    with CloudGround(cloud, setup.seed, own=2 * controllers) as ground:
        return _lossy(setup, cloud, ground, lifecycles, controllers, every)


def _lossy(
    setup: Setup,
    cloud: str,
    ground: CloudGround,
    lifecycles: int,
    controllers: int,
    every: float,
) -> Result:
    with HttpProxy(services(cloud), setup.seed) as proxy:
        bench = Clouded(setup, "lifecycles", cloud, proxy)
        with opened(bench, 3):
            lose = Rule("drop-after", probability=_LOSS)
            proxy.rules.append(lose)
            result = _survived(setup, bench, ground, lifecycles, controllers, every)
    result.at_least("requests", lose.seen, 1)
    return result.at_least("answers lost", lose.hits, 1)


def _survived(
    setup: Setup,
    bench: Bench,
    ground: Ground,
    lifecycles: int,
    controllers: int,
    every: float,
) -> Result:
    """Live lives under kills, and compare what is there with what was before."""
    before = ground.snapshot()
    crowd = Controllers(ground, bench.connect())
    setup.say(f"{lifecycles} lives")
    with Killer(bench.children, every, setup.seed) as killer:
        crowd.live(lifecycles, controllers)
    # What a killed worker had begun may be begun again: let it end before looking.
    until(lambda: drained(setup.node, bench.topic), "the queue to be empty", every=1.0)
    after = ground.snapshot()
    result = Result().note("lives", lifecycles).note("kills", killer.hits)
    result.note("retries", crowd.retries.total())
    result.exactly("errors", crowd.errors.total(), 0)
    for kind, items in before.items():
        result.exactly(f"{kind} unlike before", differences(items, after[kind]), 0)
    result.remarks += [f"{n} x {what}" for what, n in crowd.retries.most_common(3)]
    result.remarks += [f"{n} x {what}" for what, n in crowd.errors.most_common(3)]
    return result
