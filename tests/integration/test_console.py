# SPDX-License-Identifier: Apache-2.0
"""``networker console`` as a browser uses it, with workers on RabbitMQ."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import signal
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from networker.console.sources import Bus
from networker.drivers.sandbox.driver import SandboxDriver
from networker.testing import processes, rabbitmq
from tests.integration.test_dead import bury, channel, envelope, topic  # noqa: F401
from tests.integration.test_worker import children, eventually

pytestmark = pytest.mark.timeout(240)
SECRET = "s3cr3t-of-somebody"


@pytest.fixture
def config(configured):
    return configured()


@pytest.fixture
def workers(config):
    with processes.serving(config) as (workers, _):
        yield workers


@dataclasses.dataclass
class Begun:
    """The command, where it listens, and what replaying needs."""

    process: subprocess.Popen[str]
    url: str
    token: str


@contextlib.contextmanager
def began(config: pathlib.Path) -> Iterator[Begun]:
    """Run the command."""
    address = f"127.0.0.1:{rabbitmq.free_port()}"
    program = str(processes.BIN / "networker")
    command = [program, "--config-file", str(config), "console", "--listen", address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            lines = [process.stdout.readline() for _ in range(2)]
            url, token = (line.split(": ", 1)[1].strip() for line in lines)
            yield Begun(process, url, token)
        finally:
            process.kill()


@pytest.fixture
def console(config, workers):
    """The command, and a client that knows where it is and its token."""
    with began(config) as begun:
        headers = {"Authorization": f"Bearer {begun.token}"}
        with httpx2.Client(base_url=begun.url, headers=headers, timeout=30) as client:
            yield begun.process, client


def states(client: httpx2.Client, until: Any) -> dict[str, Any]:
    """Return the first state that is told of which something is true."""
    with client.stream("GET", "/events") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                found: dict[str, Any] = json.loads(line.removeprefix("data: "))
                if until(found):
                    return found
    raise AssertionError("the stream has ended")


def test_the_pool(console, workers):
    """All workers are there, with what they are; nothing is wrong."""
    _, client = console
    wanted = sorted(children(workers))
    told = states(
        client,
        lambda each: (
            each["pool"] and sorted(w["pid"] for w in each["pool"]["workers"]) == wanted
        ),
    )
    assert told["error"] is None
    assert {worker["driver"] for worker in told["pool"]["workers"]} == {"sandbox"}


def test_what_is_asked_seldom_is_said_each_time(configured):
    """Policies that cannot be asked for are not well, and not now and then."""
    url = f"http://guest:guest@127.0.0.1:{rabbitmq.free_port()}"
    conf = processes.configuration(configured(networker={"management_url": url}))
    with Bus(conf) as bus:
        told = [bus.pool()["unwell"] for _ in range(3)]
    assert any("management" in each for each in told[0])
    assert told[0] == told[1] == told[2]


def test_a_letter(console, config, bury):  # noqa: F811
    """Of a dead letter no secret is told, and replayed it is run."""
    _, client = console
    sandbox = SandboxDriver(processes.configuration(config)).backdoor
    (network,) = [n for n in sandbox.networks() if n.name == "vip-net"]
    lb = {"id": "lb-1", "vip": {"network_id": network.id}, "auth_token": SECRET}
    operation_id = str(uuid.uuid4())
    bury(envelope(operation_id, "allocate_vip", load_balancer=lb))
    bury(b"hello", "text/plain")
    letters = client.get("/letters").json()["letters"]
    assert [each["method"] for each in letters] == ["allocate_vip", None]
    assert letters[0]["fields"]["arguments"]["load_balancer"]["id"] == "lb-1"
    assert letters[1]["fields"]["body"] == "hello"
    assert SECRET not in json.dumps(letters)
    # What was looked at is in the queue again when the broker has seen the end of it.
    eventually(lambda: len(client.get("/letters").json()["letters"]) == 2)
    junk = client.post(f"/letters/{letters[1]['operation_id']}/replay")
    assert "can only be dropped" in junk.json()["error"]
    eventually(lambda: client.post(f"/letters/{operation_id}/replay").is_success)
    eventually(lambda: sandbox.ports(name="octavia-lb-lb-1"))
    eventually(lambda: len(client.get("/letters").json()["letters"]) == 1)


def test_a_drawing(console):
    """A load balancer is drawn from what the workers tell."""
    _, client = console
    told = client.get("/drawing", params={"load_balancer": "lb-2"}).json()
    assert any("octavia-lb-lb-2" in each for each in told["troubles"])


@pytest.mark.parametrize("looking", [False, True])
def test_the_end(console, looking):
    """It ends when it is told to, also while somebody looks."""
    process, client = console
    if looking:
        with client.stream("GET", "/events") as answer:
            next(answer.iter_lines())
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
    else:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert process.stdout.read() == "ended\n"
