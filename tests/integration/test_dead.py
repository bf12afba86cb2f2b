# SPDX-License-Identifier: Apache-2.0
"""``networker dead`` and ``networker status`` on RabbitMQ."""

from __future__ import annotations

import datetime
import itertools
import json
import os
import pty
import subprocess
import threading
import uuid
from typing import Any

import pytest
import tenacity
from kombu.connection import Connection
from kombu.entity import Exchange, Queue

from networker.drivers.sandbox.driver import SandboxDriver
from networker.rpc.rabbitmq.queues import dead_name, dead_queue
from networker.testing import processes
from tests.chaos.tcpproxy import TcpProxy

DIED = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
NOWHERE = "11111111-2222-4333-8444-555555555555"
#: Messages that are no requests: body, content type and headers.
JUNK: dict[str, tuple[bytes, str | None, dict[str, object]]] = {
    "text": (b"hello", "text/plain", {}),
    "bytes": (b"\xff\xfe", "application/x-python-serialize", {}),
    "nothing": (b"", None, {}),
    "deep": (b"[" * 5000, "application/json", {}),
    "badly compressed": (b"{}", "application/json", {"compression": "origami"}),
    "no method": (
        b'{"oslo.version": "2.0", "oslo.message": "{\\"args\\": {}}"}',
        "application/json",
        {},
    ),
    "no death": (b"lost", "text/plain", {"x-death": "soon"}),
}


def envelope(operation_id: str, method: str = "get_port", **args: object) -> bytes:
    """Return a call as oslo.messaging sends it."""
    request = {
        "method": method,
        "args": args or {"port_id": NOWHERE},
        "namespace": "network",
        "version": "1.0",
        "_msg_id": "m",
        "_reply_q": "nobody's",
        "_timeout": None,
        "_unique_id": uuid.uuid4().hex,
        "_context_operation_id": operation_id,
        "_context_request_id": "req-1",
        "_context_deadline": 1.0,
        "_context_awaited": True,
    }
    message = {"oslo.version": "2.0", "oslo.message": json.dumps(request)}
    return json.dumps(message).encode()


def eventually(condition):
    """Wait until a condition holds, and fail if it does not in time."""
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda held: not held),
        wait=tenacity.wait_fixed(0.1),
        stop=tenacity.stop_after_delay(20),
    )(condition)


@pytest.fixture
def config(configured):
    return configured()


@pytest.fixture
def topic(config):
    return processes.configuration(config).networker.topic


@pytest.fixture
def channel(broker):
    url = broker.url.replace("rabbit", "amqp", 1)
    with Connection(url) as connection, connection.channel() as channel:
        yield channel


@pytest.fixture
def bury(channel, topic):
    """Put a message where RabbitMQ puts dead letters."""
    dead_queue(topic, quorum=True)(channel).declare()

    seconds = itertools.count()

    def put(body, content_type="application/json", headers=None, reason="rejected"):
        time = DIED + datetime.timedelta(seconds=next(seconds))
        death = {"count": 1, "reason": reason, "queue": topic, "time": time}
        headers = {"x-death": [death], "x-first-death-queue": topic} | (headers or {})
        message = channel.prepare_message(
            body, content_type=content_type, headers=headers
        )
        channel.basic_publish(message, dead_name(topic), dead_name(topic))

    return put


@pytest.fixture
def requests(channel, topic):
    """Declare the topic's queue, and return what takes the next request from it."""
    exchange = Exchange("networker", type="topic", durable=True)
    queue = Queue(topic, exchange, routing_key=topic, durable=True)(channel)
    queue.declare()
    return queue.get


@pytest.fixture
def listed(run):
    """List the dead letters when there are as many as expected."""

    def rows(count, *arguments):
        def read() -> list[dict[str, Any]]:
            code, out, err = run("dead", "list", "-f", "json", *arguments)
            found: list[dict[str, Any]] = json.loads(out)
            said = "" if found else "networker: there is no dead letter\n"
            assert (code, err) == (0, said)
            return found

        # The broker puts back what was looked at when the connection is closed.
        return tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda found: len(found) != count),
            wait=tenacity.wait_fixed(0.1),
            stop=tenacity.stop_after_delay(20),
        )(read)

    return rows


def test_nothing_is_dead(run, channel, topic):
    """No queue and an empty queue are an empty table."""
    assert run("dead", "list", "-f", "json")[:2] == (0, "[]\n")
    dead_queue(topic, quorum=True)(channel).declare()
    assert run("dead", "list", "-f", "json")[:2] == (0, "[]\n")
    code, _, err = run("dead", "list")
    assert (code, err) == (0, "networker: there is no dead letter\n")
    assert run("dead", "replay", "--all")[:2] == (0, "")
    assert run("dead", "drop", "--all", "--yes")[:2] == (0, "")


def test_secrets_are_not_shown(run, bury, listed):
    """Passwords and tokens in requests and in what is none are not on the screen."""
    secret = "s3cr3t-of-somebody"
    bury(envelope("op-secret", "plug_vip", vip={"auth_token": secret}))
    bury(f"password={secret}".encode(), "text/plain")
    for row in listed(2):
        code, out, _ = run("dead", "show", row["operation_id"], "-f", "json")
        assert code == 0
        assert secret not in out
        assert "***" in out


def test_a_list_tells_what_died_and_changes_nothing(bury, listed):
    """Order, ids, time and reason are told, and looking again shows the same."""
    bury(envelope("op-1", load_balancer={"id": NOWHERE}), reason="delivery_limit")
    bury(b"hello", "text/plain")
    bury(envelope("op-3", vip={"ip_address": "", "port_id": NOWHERE}))
    first, junk, third = rows = listed(3)
    assert first == {
        "number": 1,
        "operation_id": "op-1",
        "method": "get_port",
        "about": "load_balancer.id=11111111",
        "when": "2026-01-02 03:04:05+00:00",
        "reason": "delivery_limit",
        "deliveries": 9,
    }
    assert junk["operation_id"].startswith("sha256-")
    assert (junk["method"], junk["reason"]) == (None, "rejected")
    assert third["about"] == "vip.port_id=11111111"
    assert listed(1, "--limit", "1") == [first]
    assert listed(3) == rows


def test_everything_of_one_is_shown(bury, run, listed):
    """A request is shown with arguments, context, headers and the rest."""
    bury(envelope("op-1", port_id="p"))
    listed(1)
    code, out, _ = run("dead", "show", "op-1", "-f", "json")
    shown = json.loads(out)
    assert code == 0
    assert shown["arguments"] == {"port_id": "p"}
    assert shown["context"]["request_id"] == "req-1"
    assert shown["envelope"]["version"] == "1.0"
    assert shown["headers"]["x-death"][0]["reason"] == "rejected"
    assert "port_id" in run("dead", "show", "op-1")[1]


@pytest.mark.parametrize("kind", JUNK)
def test_junk_is_shown_and_dropped(bury, run, listed, kind):
    """Whatever a message is, it has an id by which it is shown, and dropped."""
    body, content_type, headers = JUNK[kind]
    bury(body, content_type, headers)
    (row,) = listed(1)
    code, out, _ = run("dead", "show", row["operation_id"], "-f", "json")
    assert code == 0
    assert json.loads(out)["body"] == body.decode(errors="backslashreplace")
    code, _, err = run("dead", "replay", row["operation_id"])
    assert code == 1
    assert "no request" in err
    code, out, _ = run("dead", "drop", row["operation_id"], "--yes")
    assert (code, out) == (0, f"dropped {row['operation_id']}\n")
    assert listed(0) == []


def test_many_keep_their_order(bury, listed):
    """Looking again at more than a few shows the same, although the broker shuffles."""
    for number in range(50):
        bury(envelope(f"op-{number}"))
    rows = listed(50)
    assert [row["operation_id"] for row in rows] == [f"op-{n}" for n in range(50)]
    assert listed(50) == rows


def test_replay_is_a_cast_of_the_same_operation(bury, run, listed, requests):
    """The request is on the topic again, awaited by nobody; the others stay dead."""
    for number in range(1, 4):
        bury(envelope(f"op-{number}"))
    listed(3)
    code, out, _ = run("dead", "replay", "op-2")
    assert (code, out) == (0, "replayed op-2 get_port\n")
    message = requests()
    request = json.loads(message.payload["oslo.message"])
    assert request["_context_operation_id"] == "op-2"
    assert request["_context_request_id"] == "req-1"
    assert request["args"] == {"port_id": NOWHERE}
    assert request["_context_deadline"] is None
    assert request["_context_awaited"] is False
    assert not request.keys() & {"_msg_id", "_reply_q", "_timeout"}
    assert not any(name.startswith("x-") for name in message.headers)
    assert message.properties["delivery_mode"] == 2
    assert requests() is None
    assert [row["operation_id"] for row in listed(2)] == ["op-1", "op-3"]


def test_replay_of_all_leaves_junk(bury, run, listed, requests):
    """All requests are replayed in their order; what is none stays, and is named."""
    bury(envelope("op-1"))
    bury(b"hello", "text/plain")
    bury(envelope("op-2"))
    _, junk, _ = listed(3)
    code, out, err = run("dead", "replay", "--all")
    assert code == 1
    assert out == "replayed op-1 get_port\nreplayed op-2 get_port\n"
    assert junk["operation_id"] in err
    for operation_id in ("op-1", "op-2"):
        request = json.loads(requests().payload["oslo.message"])
        assert request["_context_operation_id"] == operation_id
    assert listed(1) == [junk | {"number": 1}]


def test_nothing_is_lost_where_no_worker_ever_was(bury, run, listed):
    """A replay that has nowhere to go leaves the letter where it is."""
    bury(envelope("op-1"))
    listed(1)
    code, _, err = run("dead", "replay", "op-1")
    assert code == 3
    assert "no worker has declared" in err
    assert [row["operation_id"] for row in listed(1)] == ["op-1"]


@pytest.mark.parametrize("command", [("replay",), ("drop", "--yes"), ("show",)])
def test_an_unknown_id_is_named(bury, run, listed, requests, command):
    """Where one of the ids is unknown nothing is done."""
    bury(envelope("op-1"))
    listed(1)
    ids = ["op-9"] if command == ("show",) else ["op-1", "op-9"]
    code, _, err = run("dead", *command, *ids)
    assert code == 1
    assert "no dead letter op-9" in err
    assert requests() is None
    assert [row["operation_id"] for row in listed(1)] == ["op-1"]


def test_drop_wants_a_word(bury, run, listed, config):
    """Without --yes somebody must agree: not a pipe, and not with no."""
    bury(envelope("op-1"))
    listed(1)
    code, _, err = run("dead", "drop", "--all")
    assert code == 2
    assert "--yes" in err
    for answer, left in ((b"n\n", 1), (b"y\n", 0)):
        ours, theirs = pty.openpty()
        os.write(ours, answer)
        command = [processes.BIN / "networker", "--config-file", config, "dead", "drop"]
        done = subprocess.run(
            [*command, "op-1"],
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        os.close(ours)
        os.close(theirs)
        assert done.returncode == left
        assert "Remove 1 dead letter" in done.stdout
        assert len(listed(left)) == left


@pytest.mark.parametrize(
    "arguments", [["replay"], ["drop", "--yes"], ["replay", "op-1", "--all"]]
)
def test_ids_or_all(run, arguments):
    """Neither ids nor --all is a wrong usage, and so are both."""
    code, _, err = run("dead", *arguments)
    assert code == 2
    assert "either ids" in err


def test_a_broker_that_is_away(run, config):
    """Exit code and one line say that the broker cannot be reached."""
    text = config.read_text().splitlines()
    changed = [
        "transport_url = rabbit://127.0.0.1:1/" if "transport_url" in line else line
        for line in text
    ]
    config.write_text("\n".join(changed))
    for command in (("dead", "list"), ("status",)):
        code, out, err = run(*command)
        assert (code, out) == (3, "")
        assert "cannot be reached" in err
        assert "Traceback" not in err


def test_a_broker_that_is_slow(bury, run, listed, broker, config):
    """A handshake of some seconds is waited for; one that takes too long is told."""
    bury(envelope("op-1"))
    listed(1)
    with TcpProxy(broker.port) as proxy:
        text = config.read_text()
        config.write_text(text.replace(f":{broker.port}/", f":{proxy.port}/"))
        proxy.stall()
        later = threading.Timer(6, proxy.resume)
        later.start()
        code, out, err = run("dead", "list", "-f", "json")
        later.join()
        assert (code, err) == (0, "")
        assert [row["operation_id"] for row in json.loads(out)] == ["op-1"]
        proxy.stall()
        code, _, err = run("dead", "list")
        assert code == 3
        assert "no answer within 10 s" in err


def test_from_the_topic_and_back(config, topic, channel, bury, run, listed):
    """What is no request dies; what is replayed is run; status tells of both."""
    code, out, err = run("status", "-f", "json")
    assert code == 1
    assert "no worker listens" in err
    assert json.loads(out)["workers"] == 0
    driver = SandboxDriver(processes.configuration(config))
    (network,) = [n for n in driver.backdoor.networks() if n.name == "vip-net"]
    lb = {"id": "lb-1", "vip": {"network_id": network.id}}
    with processes.serving(config):
        # The first worker answers already when the second one is still starting.
        eventually(lambda: json.loads(run("status", "-f", "json")[1])["workers"] == 2)
        code, out, err = run("status", "-f", "json")
        assert (code, err) == (0, "")
        status = json.loads(out)
        assert (status["workers"], status["dead"], status["waiting"]) == (2, 0, 0)
        assert status["version"].startswith("RabbitMQ ")
        message = channel.prepare_message(b"{", content_type="application/json")
        channel.basic_publish(message, "networker", topic)
        (row,) = listed(1)
        assert row["reason"] == "rejected"
        assert row["when"]
        code, _, err = run("status")
        assert code == 1
        assert "1 dead letters" in err
        bury(envelope("op-1", "allocate_vip", load_balancer=lb))
        listed(2)
        assert run("dead", "replay", "op-1")[0] == 0
        eventually(lambda: driver.backdoor.ports(name="octavia-lb-lb-1"))
        assert run("dead", "drop", "--all", "--yes")[0] == 0
        assert run("status")[0] == 0
