# SPDX-License-Identifier: Apache-2.0
"""Experiments: the broker is killed, cut off and stalled under load."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Iterator

from tests.chaos.bench import Sandboxed, Setup, opened, until
from tests.chaos.kills import LATENCY
from tests.chaos.load import Load, tally
from tests.chaos.results import Result
from tests.chaos.tcpproxy import TcpProxy

#: Seconds within which workers have to serve again.
_BACK = 60.0


def restart(
    setup: Setup,
    *,
    restarts: int = 3,
    callers: int = 32,
    masters: int = 3,
    between: int = 100,
    within: float = 1.0,
) -> Result:
    """Kill the broker with -9 and start it again.

    :param between: operations that succeed before each fault, so that it meets a load
    :param within: seconds from when the port opens until a call has to succeed
    """
    bench = Sandboxed(setup, "broker", latency=LATENCY)
    with opened(bench, masters):
        load = Load(bench, setup.seed, callers, pause=0.1)
        firsts = []
        with load.running():
            for number in range(restarts):
                load.more(between)
                setup.say(f"restart {number + 1} of {restarts}")
                setup.node.stop(signal.SIGKILL)
                until(lambda: not _accepts(setup.node.port), "the port to be closed")
                with _opening(setup.node.port) as moments:
                    setup.node.start()
                firsts.append(_until_success(load, moments[0]))
        counted = tally(load)
        result = counted.fill(Result(), errors=None)
        result.at_most("first success after the port opens", max(firsts), within, "s")
        return result.note("slowest call", counted.slowest, "s")


def cut(
    setup: Setup,
    *,
    cut_for: float = 20.0,
    stall_for: float = 45.0,
    timeout: float = 10.0,
    callers: int = 32,
    masters: int = 3,
    between: int = 100,
) -> Result:
    """Cut the broker off, then stall it without a reset.

    :param cut_for: seconds for which connections are reset and refused
    :param stall_for: seconds for which connections are accepted, and nothing passes
    :param timeout: seconds that a call may take
    :param between: operations that succeed before each fault, so that it meets a load
    """
    with TcpProxy(setup.node.port) as proxy:
        url = setup.node.url.replace(str(setup.node.port), str(proxy.port))
        bench = Sandboxed(setup, "cut", url=url, latency=LATENCY)
        with opened(bench, masters):
            load = Load(bench, setup.seed, callers, timeout, pause=0.1)
            back = []
            with load.running():
                for harm, seconds in ((proxy.cut, cut_for), (proxy.stall, stall_for)):
                    load.more(between)
                    setup.say(f"{harm.__name__} for {seconds:.0f} s")
                    harm()
                    threading.Event().wait(seconds)
                    proxy.resume()
                    back.append(_until_success(load, time.monotonic()))
            setup.say("counting")
            counted = tally(load)
        result = counted.fill(Result(), errors=None)
        result.exactly("calls over their timeout", counted.late, 0)
        result.note("slowest call", counted.slowest, "s")
        result.at_most("back after the cut", back[0], _BACK, "s")
        return result.at_most("back after the stall", back[1], _BACK, "s")


def _until_success(load: Load, moment: float) -> float:
    """Wait for a call to succeed after a moment; return how much later it did."""
    until(lambda: load.first_after(moment) is not None, "a call to succeed", _BACK)
    return load.first_after(moment) or 0.0


@contextlib.contextmanager
def _opening(port: int) -> Iterator[list[float]]:
    """Yield a list that has, after the block, when a port began to accept."""
    moments: list[float] = []

    def watch() -> None:
        until(lambda: _accepts(port), "the port to open", every=0.01)
        moments.append(time.monotonic())

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield moments
    watcher.join()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
