# SPDX-License-Identifier: Apache-2.0
"""What the pool tells who asks it, with workers on RabbitMQ."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent import futures

import pytest

from networker.context import Context
from networker.inquiry import Pool
from networker.reports import PoolState
from networker.testing import processes
from tests.integration.test_worker import children, eventually, lookup

pytestmark = pytest.mark.timeout(240)


def asked(config: pathlib.Path) -> PoolState:
    """Ask once."""
    with Pool(processes.configuration(config)) as pool:
        return pool.ask()


def run(config: pathlib.Path, *arguments: str) -> tuple[int, str, str]:
    """Run a command; return exit code and what it says."""
    done = subprocess.run(
        [processes.BIN / "networker", "--config-file", config, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def until(
    ask: Callable[[], PoolState], found: Callable[[PoolState], bool]
) -> PoolState:
    """Ask until something is found."""
    kept: list[PoolState] = []

    def seen() -> bool:
        kept[:] = [ask()]
        return found(kept[0])

    eventually(seen)
    return kept[0]


def test_all_workers_answer(configured):
    """Each is told with what it is and has done, without a word of this in a
    configuration, soon, and with the name that its host is given."""
    config = configured(networker={"host": "net-1"})
    with processes.serving(config) as (workers, client):
        for _ in range(6):
            lookup(client)
        with Pool(processes.configuration(config)) as pool:
            pool.ask()
            began = time.monotonic()
            state = pool.ask(recent=10)
            took = time.monotonic() - began
        assert took < 5
        assert {each.pid for each in state.workers} == set(children(workers))
        for each in state.workers:
            assert each.host == "net-1"
            assert each.trouble is None
            assert (each.driver, each.threads, each.busy) == ("sandbox", 4, 0)
            assert each.version
            assert each.interface
            assert 0 < time.time() - each.since < 200
        assert state.silent == 0
        assert state.unwell == ()
        counted = [
            one
            for each in state.workers
            for one in each.calls
            if one.method == "get_port"
        ]
        assert sum(one.ended for one in counted) == 6
        assert sum(one.errors["PortNotFound"] for one in counted) == 6
        recent = [one for each in state.workers for one in each.recent]
        assert sum(one.method == "get_port" for one in recent) == 6
        last = [each.last_error for each in state.workers if each.last_error]
        assert last
        assert {each.outcome for each in last} <= {"PortNotFound", "NetworkNotFound"}


def test_what_runs_and_what_has_run(configured):
    """A call is told by its ids while it runs and when it has ended."""
    config = configured(sandbox={"latency": 4})
    with processes.serving(config) as (_, client):
        context = Context(request_id="req-7")
        with futures.ThreadPoolExecutor(1) as threads:
            call = threads.submit(lookup, client.with_options(context=context))
            state = until(lambda: asked(config), lambda found: bool(found.running))
            (running,) = state.running
            with Pool(processes.configuration(config)) as pool:
                (found,) = pool.operation(running.operation_id)
            call.result()
        assert running.method == "get_port"
        assert running.request_id == "req-7"
        assert running.caller
        assert running.caller.endswith(f":{os.getpid()}")
        assert found.outcome is None
        assert found.worker == running.worker
        with Pool(processes.configuration(config)) as pool:
            (ended,) = pool.operation("req-7")
            assert pool.operation("nobody's") == []
        assert ended.outcome == "PortNotFound"
        assert ended.seconds >= 4
        assert ended.error


def test_a_worker_that_hangs(configured):
    """One that is stopped is told by the one beside it, with what it is in."""
    config = configured(sandbox={"latency": 4})
    with processes.serving(config) as (workers, client):
        with futures.ThreadPoolExecutor(2) as threads:
            calls = [threads.submit(lookup, client) for _ in range(2)]
            state = until(lambda: asked(config), lambda found: bool(found.running))
            call = state.running[0]
            victim = int(str(call.worker).rpartition(":")[2])
            os.kill(victim, signal.SIGSTOP)
            try:
                state = asked(config)
                by_pid = {each.pid: each for each in state.workers}
                assert set(by_pid) == set(children(workers))
                assert by_pid[victim].hangs == "it did not answer within 1 s"
                told = {each.operation_id for each in by_pid[victim].running}
                assert call.operation_id in told
                assert [each for each in by_pid if by_pid[each].hangs] == [victim]
                assert any(f":{victim}: hangs" in line for line in state.unwell)
                code, out, err = run(config, "status")
                assert code == 1
                assert "hangs" in out
                assert f":{victim}: hangs" in err
            finally:
                os.kill(victim, signal.SIGCONT)
            for each in calls:
                each.result()
        until(lambda: asked(config), lambda found: not found.unwell)
