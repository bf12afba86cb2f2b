# SPDX-License-Identifier: Apache-2.0
"""The benchmarks' processes: they carry out orders, and end."""

from __future__ import annotations

import psutil
import pytest

from tests.bench.conditions import Setup
from tests.bench.ends.loop import Order
from tests.bench.pairs import groups


@pytest.mark.parametrize("place", [0, 1], ids=["networker", "oslo.messaging"])
def test_calls_between_two_processes_are_measured(broker, tmp_path, place):
    """All calls of an order are answered, their cost is told, and no process is left."""
    setup = Setup(broker, tmp_path, 1, print, 1, tmp_path)
    contestant = groups()["quorum"][place]
    with contestant.running(setup) as running:
        cost = running.measure(Order(2, calls=20))
        started = [running.worker.process.pid, running.client.process.pid]
    assert cost.done.calls == 20
    assert min(cost.rate, cost.broker + cost.worker + cost.client) > 0
    assert not any(psutil.pid_exists(pid) for pid in started)
