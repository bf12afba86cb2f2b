# SPDX-License-Identifier: Apache-2.0
"""Makes calls of the neutron driver, and writes down what they cost."""

from __future__ import annotations

from typing import Any

from networker.drivers.base import NetworkDriver
from networker.models import LoadBalancer
from networker.testing.contract.world import World
from tests.contract.meter import Cost, Meter


class Count:
    """Makes calls, and writes down what they cost.

    :param network: the neutron driver
    :param other: one that writes down what it counts together with this one
    """

    def __init__(self, network: Any, world: World, other: Count | None = None) -> None:
        self.network: NetworkDriver = network
        self.forget = network.cloud.extensions.answers.clear
        self.world = world
        self.costs: dict[str, dict[str, str]] = other.costs if other else {}
        self.asked: dict[str, list[str]] = other.asked if other else {}
        session = network.cloud.session.connection().session.session
        self.meter = Meter(session)
        if other:
            self.meter.held = other.meter.held
        self._series: list[tuple[str, Cost]] = []

    def __call__(self, case: str, method: str, *args: Any, **kwargs: Any) -> Any:
        result = self.add(method, *args, **kwargs)
        cost = self._series.pop()[1]
        self.costs.setdefault(method, {})[case] = f"{cost}: {cost.kinds}"
        self.asked[f"{method}: {case}"] = [request.what for request in cost.made]
        return result

    def add(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Make a call that counts for a total."""
        with self.meter.measuring() as cost:
            result = getattr(self.network, method)(*args, **kwargs)
        self._series.append((method, cost))
        return result

    def total(self, what: str, case: str) -> None:
        """Write down what the calls that were added cost one after another."""
        costs = [cost for _, cost in self._series]
        requests = sum(len(cost.requests) for cost in costs)
        waves = sum(cost.waves for cost in costs)
        calls = ", ".join(f"{method} {cost}" for method, cost in self._series)
        self.costs.setdefault(what, {})[case] = f"{requests} / {waves}: {calls}"
        made = [request.what for cost in costs for request in cost.made]
        self.asked[f"{what}: {case}"] = made
        self._series.clear()

    def balancer(self, **wanted: Any) -> LoadBalancer:
        """Return a load balancer with a VIP, which costs nothing."""
        lb = self.world.load_balancer(**wanted)
        lb.vip = self.network.allocate_vip(lb)
        return lb
