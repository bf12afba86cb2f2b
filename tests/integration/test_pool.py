# SPDX-License-Identifier: Apache-2.0
"""What the pool tells who asks it, with workers on RabbitMQ."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from concurrent import futures

import amqp
import pytest

from networker import exceptions
from networker.context import Context
from networker.inquiry import Pool
from networker.reports import PoolState
from networker.rpc.rabbitmq.dead_letters import DeadLetters
from networker.testing import processes, rabbitmq
from tests.integration.test_reload import reload
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


def test_junk_and_too_many_questions(configured, broker):
    """Whatever comes where questions come, and however much of it, workers answer on."""
    config = configured()
    topic = processes.configuration(config).networker.topic
    junk = [b"", b"junk", b"[" * 100_000, b'{"recent": "x"}', b"{}", b"x" * 2**20]
    properties = [
        {},
        {"reply_to": topic, "correlation_id": "1"},
        {"reply_to": f"{topic}.control.reply_0", "correlation_id": "1"},
    ]
    with processes.serving(config) as (workers, _):
        with amqp.Connection(f"127.0.0.1:{broker.port}") as connection:
            channel = connection.channel()
            for body in junk * 20:
                for some in properties:
                    message = amqp.Message(body, **some)
                    channel.basic_publish(message, exchange=f"{topic}.control")
        state = until(lambda: asked(config), lambda found: not found.unwell)
        assert len(state.workers) == 2
        assert "Traceback" not in workers.log


def test_a_worker_that_drains(configured):
    """It answers until it ends, says that it drains, and is nothing that is not well
    while another one takes its place."""
    config = configured(networker={"workers": 1}, sandbox={"latency": 4})
    with processes.serving(config) as (workers, client):
        with futures.ThreadPoolExecutor(1) as threads:
            call = threads.submit(lookup, client)
            until(lambda: asked(config), lambda found: bool(found.running))
            workers.process.send_signal(signal.SIGTERM)
            state = until(
                lambda: asked(config),
                lambda found: [each.draining for each in found.workers] == [True],
            )
            assert state.workers[0].trouble == "draining"
            assert state.silent == 0
            call.result()
        assert workers.process.wait(60) == 0
    state = asked(config)
    assert state.workers == ()
    assert any("no worker listens" in line for line in state.unwell)


def test_a_pool_all_of_which_hangs(configured):
    """Where nobody is left who could tell, those who do not answer are counted."""
    config = configured()
    with processes.serving(config) as (workers, _):
        until(lambda: asked(config), lambda found: len(found.workers) == 2)
        victims = children(workers)
        for each in victims:
            os.kill(each, signal.SIGSTOP)
        try:
            state = asked(config)
            assert (state.workers, state.silent) == ((), 2)
            assert any("2 processes take requests" in line for line in state.unwell)
        finally:
            for each in victims:
                os.kill(each, signal.SIGCONT)


def test_a_broker_that_restarts(tmp_path):
    """Workers can be asked again when it is back, over the same object, and their log has
    no more lines of it than before."""
    with rabbitmq.Node() as node:
        config = processes.write(
            tmp_path / "networker.conf",
            {
                "DEFAULT": {"transport_url": node.url},
                "networker": {"driver": "sandbox", "workers": 1},
                "sandbox": {"database": tmp_path / "sandbox.sqlite"},
            },
        )
        with (
            processes.serving(config) as (workers, _),
            Pool(processes.configuration(config)) as pool,
        ):
            assert len(pool.ask().workers) == 1
            node.stop(signal.SIGKILL)
            with pytest.raises(exceptions.BusUnavailable, match="cannot be reached"):
                pool.ask()
            node.start()

            def back() -> bool:
                try:
                    return len(pool.ask().workers) == 1
                except exceptions.BusUnavailable:
                    return False

            eventually(back, 60)
            lost = [x for x in workers.log.splitlines() if "subscribing at" in x]
            assert len(lost) == 1


def test_a_user_who_may_not_ask(configured, broker):
    """What can be known nevertheless is told, and what is lacking."""
    broker.control("add_user", "viewer", "viewer")
    broker.control("set_permissions", "viewer", "^reply_", "^reply_", "^reply_")
    config = configured()
    with processes.serving(config):
        url = broker.url.replace("guest:guest", "viewer:viewer")
        viewer = config.with_name("viewer.conf")
        viewer.write_text(config.read_text().replace(broker.url, url))
        assert url in viewer.read_text()
        code, out, err = run(viewer, "status", "-f", "json")
    assert code == 1
    assert json.loads(out)["workers"] == 2
    assert "the workers cannot be asked" in err
    assert "access to" in err


def test_operation(configured):
    """What runs, what has ended and what is unknown is told, with what to do."""
    config = configured(sandbox={"latency": 4})
    with processes.serving(config) as (_, client):
        asks = client.with_options(context=Context(request_id="req-9"))
        with futures.ThreadPoolExecutor(1) as threads:
            call = threads.submit(lookup, asks)
            until(lambda: asked(config), lambda found: bool(found.running))
            call.result()
        code, out, _ = run(config, "operation", "req-9")
        assert code == 0
        lines = dict(line.split(":", 1) for line in out.splitlines() if ":" in line)
        assert lines["outcome"].strip() == "PortNotFound"
        assert lines["caller"].strip().endswith(f":{os.getpid()}")
        assert "grep req-9" in out
        code, out, err = run(config, "operation", "req-8")
        assert (code, out) == (1, "")
        assert "no worker runs it or remembers it" in err


def test_an_operation_that_is_a_dead_letter(configured, broker):
    """It is found by its id, with what to do."""
    config = configured()
    topic = processes.configuration(config).networker.topic
    with processes.serving(config):
        with amqp.Connection(f"127.0.0.1:{broker.port}") as connection:
            message = amqp.Message(b"junk", content_type="application/json")
            connection.channel().basic_publish(message, routing_key=topic)
        state = until(lambda: asked(config), lambda found: bool(found.dead))
        assert [(each.reason, each.count) for each in state.dead] == [("rejected", 1)]
        with Pool(processes.configuration(config)) as pool:
            (letter,) = DeadLetters(pool._conf, pool._transport).read()
        code, out, _ = run(config, "operation", letter.id)
    assert code == 0
    assert f"networker dead show {letter.id}" in out


def test_a_reload_that_is_refused(configured):
    """It is told by the workers that go on as they were, until one succeeds."""
    config = configured()
    right = config.read_text()
    with processes.serving(config) as (workers, _):
        config.write_text(right.replace("sandbox", "nothing"))
        reload(workers)
        state = until(lambda: asked(config), lambda found: bool(found.unwell))
        (line,) = state.unwell
        assert "reload refused" in line
        assert "nothing" in line
        config.write_text(right)
        reload(workers)
        until(lambda: asked(config), lambda found: not found.unwell)


def test_with_the_stock_driver(configured):
    """Whoever carries the requests, workers can be asked."""
    # It declares exchanges in another way.
    own = {"delivery": "at-most-once", "exchange": f"x-{uuid.uuid4()}"}
    config = configured(networker=own)
    with processes.serving(config) as (workers, _):
        state = until(lambda: asked(config), lambda found: len(found.workers) == 2)
        assert {each.pid for each in state.workers} == set(children(workers))
        assert state.silent == 0
