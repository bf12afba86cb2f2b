# SPDX-License-Identifier: Apache-2.0
"""``[networker] listen`` as an operator and Prometheus use it, with workers on RabbitMQ."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
from concurrent import futures
from typing import Any

import amqp
import pytest
from prometheus_client import parser

from networker import listening
from networker.context import Context
from networker.testing import processes, rabbitmq
from tests.integration.test_reload import refusals, reload
from tests.integration.test_worker import children, eventually, lookup, refused
from tests.unit.test_monitoring import PROMTOOL, needs_promtool

pytestmark = pytest.mark.timeout(240)


def ask(address: str, path: str) -> tuple[int, str]:
    """Return status and text of a page."""
    answer = listening.ask(address, path)
    return answer.status, answer.text


def metrics(address: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return all samples by name and labels."""
    status, text = ask(address, "/metrics")
    assert status == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def lookups(address: str) -> float:
    """Return how many look-ups of a port that is not there were counted."""
    labels = (("method", "get_port"), ("outcome", "PortNotFound"))
    return metrics(address).get(("networker_calls_total", labels), 0.0)


def health(config: pathlib.Path) -> tuple[int, str]:
    """Run ``networker health``; return exit code and what it says."""
    done = subprocess.run(
        [processes.BIN / "networker", "--config-file", config, "health"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def address():
    return f"127.0.0.1:{rabbitmq.free_port()}"


def test_a_killed_worker_is_no_loss(configured, address):
    """What it has counted is still there, others make this host ready, and a new one is
    seen to come."""
    config = configured(networker={"listen": address})
    with processes.serving(config) as (workers, client):
        for _ in range(8):
            lookup(client)
        counted = lookups(address)
        assert counted == 8
        victim, *_ = before = children(workers)
        os.kill(victim, signal.SIGKILL)
        assert ask(address, "/livez") == (200, "alive\n")
        eventually(lambda: len(set(children(workers)) - {victim}) == len(before))
        eventually(lambda: health(config) == (0, "ready\n"))
        assert lookups(address) == counted
        lookup(client)
        assert lookups(address) == counted + 1
        told = json.loads(ask(address, "/state")[1])
        eventually(lambda: len(json.loads(ask(address, "/state")[1])["workers"]) == 2)
        assert victim not in {each["pid"] for each in told["workers"]}


def test_what_runs_is_told(configured, address):
    """A call is told with its ids while it runs, and is gone when it is answered."""
    config = configured(
        networker={"listen": address, "workers": 1}, sandbox={"latency": 3}
    )
    with processes.serving(config) as (_, client):
        context = Context(request_id="req-7")
        asked = client.with_options(context=context, timeout=30)
        with futures.ThreadPoolExecutor(1) as pool:
            call = pool.submit(lookup, asked)
            running: list[dict[str, Any]] = []

            def begun() -> bool:
                (worker,) = json.loads(ask(address, "/state")[1])["workers"]
                running[:] = worker["running"]
                return bool(running)

            eventually(begun)
            found = metrics(address)
            call.result()
        (told,) = running
        assert told["method"] == "get_port"
        assert told["request_id"] == "req-7"
        assert told["caller"].endswith(f":{os.getpid()}")
        assert len(told["operation_id"]) == 36
        labels = (("method", "get_port"),)
        assert found["networker_calls_running", labels] == 1
        assert 0 < found["networker_oldest_call_age_seconds", ()] < 60
        assert not begun()
        assert ("networker_calls_running", labels) not in metrics(address)


def test_a_worker_that_hangs_is_shown(configured, address):
    """One that is stopped is named, and the other one makes this host ready."""
    config = configured(networker={"listen": address})
    with processes.serving(config) as (workers, _):
        eventually(lambda: ask(address, "/readyz")[0] == 200)
        victim, other = children(workers)
        os.kill(victim, signal.SIGSTOP)
        try:
            told = json.loads(ask(address, "/state")[1])
            assert told["ready"]
            by_pid = {each["pid"]: each for each in told["workers"]}
            assert by_pid[victim]["hangs"]
            assert "hangs" not in by_pid[other]
            assert metrics(address)["networker_workers_hanging", ()] == 1
        finally:
            os.kill(victim, signal.SIGCONT)


def test_a_broker_that_goes_away(tmp_path, address):
    """The answer says why nothing is served, and that it is again; the loss is counted."""
    with rabbitmq.Node() as node:
        config = processes.write(
            tmp_path / "networker.conf",
            {
                "DEFAULT": {"transport_url": node.url},
                "networker": {"driver": "sandbox", "workers": 1, "listen": address},
                "sandbox": {"database": tmp_path / "sandbox.sqlite"},
            },
        )
        with processes.serving(config):
            eventually(lambda: ask(address, "/readyz") == (200, "ready\n"))
            node.stop(signal.SIGKILL)
            eventually(lambda: ask(address, "/readyz")[0] == 503)
            code, text = health(config)
            assert code == 1
            assert f"broker: not subscribed at 127.0.0.1:{node.port}" in text
            assert ask(address, "/livez")[0] == 200
            node.start()
            eventually(lambda: ask(address, "/readyz")[0] == 200, 60)
            labels = (("cause", "gone"),)
            assert metrics(address)["networker_subscriptions_lost_total", labels] == 1


def test_reload_and_stop(configured, tmp_path, address):
    """A reload counts on, and moves the endpoint where it shall be; a stop tells that what
    was begun is finished, and leaves neither socket nor files."""
    path = tmp_path / "health.sock"
    config = configured(
        networker={"listen": address, "workers": 1}, sandbox={"latency": 1.0}
    )
    with processes.serving(config) as (workers, client):
        lookup(client)
        counted = lookups(address)
        before = set(children(workers))
        config.write_text(config.read_text().replace(address, str(path)))
        reload(workers)
        eventually(path.exists)
        eventually(lambda: not set(children(workers)) & before)
        eventually(lambda: ask(str(path), "/readyz") == (200, "ready\n"))
        assert lookups(str(path)) >= counted >= 1
        with pytest.raises(ConnectionRefusedError):
            ask(address, "/livez")
        with futures.ThreadPoolExecutor(1) as pool:
            call = pool.submit(lookup, client)
            eventually(
                lambda: '"method": "get_port"' in ask(str(path), "/state")[1], 30
            )
            workers.process.send_signal(signal.SIGTERM)
            eventually(lambda: ask(str(path), "/readyz")[0] == 503)
            assert ask(str(path), "/readyz")[1].startswith("draining")
            call.result()
        assert workers.process.wait(60) == 0
    assert not path.exists()
    assert health(config)[0] == 1


def test_an_address_that_is_taken(configured, tmp_path, monkeypatch):
    """It ends the start with one line; config check says the same, but not of workers."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        config = configured(networker={"listen": taken})
        code, lines = refused(config)
        assert code == 2
        (line,) = [each for each in lines if " WARNING " not in each]
        assert line == (
            f"networker-worker: [networker] listen = {taken}: Address already in use"
        )
        assert checked(config)[0] == 2
        assert f"listen = {taken}" in checked(config)[1]
    assert list(tmp_path.glob("networker-*")) == []
    with processes.serving(config) as (workers, _):
        assert checked(config)[0] == 0
        right = config.read_text()
        config.write_text(right.replace(taken, "/none/health.sock"))
        reload(workers)
        eventually(lambda: refusals(workers), 60)
        assert "listen = /none/health.sock: No such file" in refusals(workers)[0]
        assert ask(taken, "/readyz")[0] == 200
    assert list(tmp_path.glob("networker-*")) == []


def checked(config: pathlib.Path) -> tuple[int, str]:
    """Run ``networker config check``; return exit code and what it complains of."""
    done = subprocess.run(
        [processes.BIN / "networker", "--config-file", config, "config", "check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def test_what_comes_again_and_what_is_put_aside(configured, address, broker):
    """A request whose worker was killed in it is counted when it comes again, and so is a
    message that is no request."""
    config = configured(networker={"listen": address}, sandbox={"latency": 2})
    conf = processes.configuration(config)
    with processes.serving(config) as (_, client):
        assert metrics(address)["networker_redeliveries_total", ()] == 0
        with futures.ThreadPoolExecutor(1) as pool:
            call = pool.submit(lookup, client)
            busy: list[int] = []

            def begun() -> bool:
                told = json.loads(ask(address, "/state")[1])["workers"]
                busy[:] = [each["pid"] for each in told if each["running"]]
                return bool(busy)

            eventually(begun)
            os.kill(busy[0], signal.SIGKILL)
            assert call.result()
        assert metrics(address)["networker_redeliveries_total", ()] >= 1
        with amqp.Connection(f"127.0.0.1:{broker.port}") as connection:
            message = amqp.Message(b"junk", content_type="application/json")
            connection.channel().basic_publish(
                message, routing_key=conf.networker.topic
            )
            eventually(
                lambda: metrics(address)["networker_messages_put_aside_total", ()] == 1
            )
            eventually(lambda: metrics(address)["networker_dead_letters", ()] == 1)


@needs_promtool
def test_prometheus_accepts_the_metrics(configured, address):
    """Names, units and help are as Prometheus wants them."""
    with processes.serving(configured(networker={"listen": address})) as (_, client):
        lookup(client)
        _, text = ask(address, "/metrics")
    done = subprocess.run(
        [str(PROMTOOL), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
