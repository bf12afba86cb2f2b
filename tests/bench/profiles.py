# SPDX-License-Identifier: Apache-2.0
"""Where client and worker spend their processor time, beside the stock driver's."""

from __future__ import annotations

from tests.bench.conditions import Setup
from tests.bench.ends.loop import Order
from tests.bench.pairs import groups


def profile(setup: Setup, *, seconds: float = 5.0) -> None:
    """Write profiles of one caller's calls, for each kind of queues.

    :param seconds: that calls are made; everything is several times slower than usual
    """
    for group, contestants in groups().items():
        for contestant in contestants:
            if contestant.module not in {"networker_end", "oslo_end"}:
                continue
            name = f"profile-{group}-{contestant.name}".replace(" ", "-")
            prefix = setup.out.resolve() / name
            with contestant.running(setup, profile=str(prefix)) as running:
                done = running.measure(Order(1, seconds=seconds)).done
            setup.say(f"{done.calls} calls in {prefix}-{{client,worker}}.txt")
