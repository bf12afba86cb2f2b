# SPDX-License-Identifier: Apache-2.0
"""Experiment: a worker is stopped in the middle of a call, and continued much later."""

from __future__ import annotations

import threading
import time
from concurrent import futures

import psutil

from networker.models import Port
from networker.rpc.rabbitmq.queues import calls_name
from tests.chaos.bench import Sandboxed, Setup, opened, until
from tests.chaos.results import Result, differences

#: Seconds of a round trip: a call has to last until its worker is found and stopped.
_LATENCY = 5.0


def stopped(
    setup: Setup, *, stop_for: float = 60.0, timeout: float = 120.0, heartbeat: int = 15
) -> Result:
    """Stop a worker mid-call with SIGSTOP, continue it later, and look what it changed.

    Of its two calls, the caller undoes the second one after it was answered. The late
    copies must neither take back the first nor do the second again.

    :param stop_for: seconds until SIGCONT
    :param timeout: seconds that a call may take
    :param heartbeat: ``heartbeat_timeout_threshold``, by which the broker finds out
    """
    rabbit: dict[str, object] = {"heartbeat_timeout_threshold": heartbeat}
    bench = Sandboxed(setup, "stopped", latency=_LATENCY, oslo_messaging_rabbit=rabbit)
    net_id = next(n.id or "" for n in bench.sandbox.networks() if n.name == "vip-net")
    kept, undone = sorted(bench.sandbox.servers().values())[:2]
    with opened(bench, 1):
        (victim,) = bench.children()
        network = bench.connect().with_options(timeout=timeout)
        with futures.ThreadPoolExecutor(2) as pool:
            calls = [
                pool.submit(network.plug_network, server, net_id)
                for server in (kept, undone)
            ]
            began = _stop(setup, bench, victim)
            bench.start_all(1)
            answer, _ = [call.result() for call in calls]
        took = time.monotonic() - began
        network.unplug_network(undone, net_id)
        before = _ports(bench, kept)
        threading.Event().wait(max(0.0, began + stop_for - time.monotonic()))
        _continue(setup, bench, victim)
        after, again = _ports(bench, kept), len(_ports(bench, undone)) - 1
    result = Result().at_most("answered elsewhere after", took, timeout, "s")
    result.exactly("ports besides the management one", len(before) - 1, 1)
    result.exactly("wrong answers", answer.port_id not in [p.id for p in before], 0)
    result.exactly("ports that the late copy changed", differences(before, after), 0)
    return result.exactly("done again after it was undone", again, 0)


def _stop(setup: Setup, bench: Sandboxed, victim: psutil.Process) -> float:
    """Stop a worker as soon as it has both calls; return when that was."""
    line = f"{calls_name(bench.topic)}\t2"

    def taken() -> bool:
        listed = bench.node.control("list_queues", "name", "messages_unacknowledged")
        return line in listed.splitlines()

    until(taken, "the worker to have taken the calls")
    victim.suspend()
    setup.say("the worker is stopped")
    return time.monotonic()


def _continue(setup: Setup, bench: Sandboxed, victim: psutil.Process) -> None:
    """Let a worker go on, and wait until it has ended both calls."""
    log = bench.masters[0]
    begun = log.log.count("plug_network [")
    victim.resume()
    setup.say("the worker goes on")
    until(
        lambda: log.log.count("plug_network [") >= begun + 2, "the late copies to end"
    )


def _ports(bench: Sandboxed, server: str) -> list[Port]:
    return bench.sandbox.ports(device_id=server)
