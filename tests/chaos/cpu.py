# SPDX-License-Identifier: Apache-2.0
"""Experiment: the processor time that a call costs, beside the stock driver's."""

from __future__ import annotations

import contextlib
import statistics
import time
from concurrent import futures

from networker import rpc
from tests.chaos.bench import Sandboxed, Setup, opened
from tests.chaos.results import Result

_QUORUM: dict[str, object] = {
    "rabbit_quorum_queue": True,
    "rabbit_transient_quorum_queue": True,
}
#: The worst that is allowed, as a share of the stock driver's.
_LIMIT = 1.05


class _Variant:
    """A worker, and a client in this process, whose processor time is measured."""

    def __init__(self, setup: Setup, delivery: str, rabbit: dict[str, object]) -> None:
        self._bench = Sandboxed(
            setup,
            "cpu",
            networker={"delivery": delivery, "threads": 4},
            oslo_messaging_rabbit=rabbit,
        )
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(opened(self._bench, 1))
        self._client: rpc.Client = self._bench.connect()
        self._network_id = self._bench.sandbox.networks()[0].id or ""

    def close(self) -> None:
        """End the worker and the client."""
        self._stack.close()

    def measure(self, calls: int, callers: int = 4) -> float:
        """Make calls, and return the milliseconds of processor time that one cost."""
        (worker,) = self._bench.children()

        def spent() -> float:
            times = worker.cpu_times()
            return time.process_time() + float(times.user + times.system)

        begin = spent()
        with futures.ThreadPoolExecutor(callers) as pool:
            list(pool.map(self._client.get_network, [self._network_id] * calls))
        return 1000 * (spent() - begin) / calls


def cpu(setup: Setup, *, rounds: int = 9, calls: int = 500) -> Result:
    """Measure at-least-once and the stock driver in turn, in one run.

    :param rounds: how often each is measured; medians are compared
    :param calls: for each measurement
    """
    with contextlib.ExitStack() as stack:
        variants = [
            stack.enter_context(contextlib.closing(_Variant(setup, delivery, rabbit)))
            for delivery, rabbit in (
                ("at-least-once", _QUORUM),
                ("at-most-once", _QUORUM),
                ("at-most-once", {}),
            )
        ]
        for variant in variants:
            variant.measure(calls)  # the first calls open the connections
        taken = []
        for number in range(rounds):
            setup.say(f"round {number + 1} of {rounds}")
            taken.append([variant.measure(calls) for variant in variants])
    ours, stock, defaults = (
        statistics.median(column) for column in zip(*taken, strict=True)
    )
    ratio = statistics.median(row[0] / row[1] for row in taken)
    result = Result().note("at-least-once", ours, "ms")
    result.note("stock on quorum queues", stock, "ms")
    result.note("stock with its defaults", defaults, "ms")
    result.at_most("ratio to stock on quorum queues", ratio, _LIMIT)
    return result.note("ratio to stock with its defaults", ours / defaults)
