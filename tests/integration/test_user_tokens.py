# SPDX-License-Identifier: Apache-2.0
"""Reads on behalf of a user over RabbitMQ: what is on the broker, and in the log."""

from __future__ import annotations

import json
import pathlib
import subprocess
from collections.abc import Callable

import pytest
import tenacity
from cryptography.fernet import Fernet
from kombu.connection import Connection

from networker import exceptions, rpc
from networker.drivers.sandbox.driver import SandboxDriver
from networker.models import Network, UserContext
from networker.rpc.rabbitmq.queues import dead_name
from networker.testing import processes
from networker.testing.rabbitmq import Node

KEY = Fernet.generate_key().decode()
DEMO = UserContext(auth_token="user-of:demo", user_id="alice")
NOISY = "amqp=DEBUG,kombu=DEBUG,oslo.messaging=DEBUG,oslo_messaging=DEBUG"


@pytest.fixture
def config(configured: Callable[..., pathlib.Path]) -> pathlib.Path:
    """Configure workers that log everything, and forward tokens."""
    return configured(
        DEFAULT={"debug": True, "default_log_levels": NOISY},
        networker={"forward_user_tokens": True, "user_token_keys": KEY},
    )


@pytest.fixture
def networks(config: pathlib.Path) -> dict[str, Network]:
    """The sandbox's networks by name."""
    driver = SandboxDriver(processes.configuration(config))
    return {network.name or "": network for network in driver.backdoor.networks()}


def logged(workers: processes.Workers, text: str) -> None:
    """Wait until the workers have logged something, and fail if they do not."""
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda held: not held),
        wait=tenacity.wait_fixed(0.1),
        stop=tenacity.stop_after_delay(30),
    )(lambda: text in workers.log)


def test_a_user_sees_what_is_theirs_and_no_log_has_the_token(config, networks):
    """Who asks decides what is found; with everything at DEBUG no secret is logged."""
    theirs, ours = networks["vip-net"].id or "", networks["lb-mgmt-net"].id or ""
    with processes.serving(config) as (workers, client):
        assert client.get_network(theirs, context=DEMO).name == "vip-net"
        assert client.get_network(ours).name == "lb-mgmt-net"
        with pytest.raises(exceptions.NetworkNotFound):
            client.get_network(ours, context=DEMO)
        stranger = UserContext(auth_token="user-of:nobody")
        with pytest.raises(exceptions.NetworkException) as caught:
            client.get_network(theirs, context=stranger)
        assert caught.value.orig_code == 401
        assert workers.terminate() == 0
        log = workers.log
    assert "DEBUG" in log
    assert "NetworkNotFound" in log
    assert "user-of:" not in log
    assert KEY not in log


def sealed_on_the_queue(broker: Node, config: pathlib.Path, network_id: str) -> str:
    """Cast a read to a queue that nobody consumes, and bury it as if it had died."""
    with processes.serving(config) as (workers, client):
        workers.terminate()
        operation_id: str = client.cast.get_network(network_id, context=DEMO)
    topic = processes.configuration(config).networker.topic
    url = broker.url.replace("rabbit", "amqp", 1)
    with Connection(url) as connection, connection.channel() as channel:
        message = channel.basic_get(topic, no_ack=True)
        assert DEMO.auth_token not in str((message.body, message.properties))
        assert "alice" not in str((message.body, message.properties))
        again = channel.prepare_message(
            message.body.encode(), content_type="application/json"
        )
        channel.basic_publish(again, dead_name(topic), dead_name(topic))
    return operation_id


def test_the_broker_and_its_dead_letters_have_no_token(broker, config, networks, run):
    """On the queue it is sealed, `dead show` hides it, and a replay opens it."""
    theirs = networks["vip-net"].id or ""
    operation_id = sealed_on_the_queue(broker, config, theirs)
    code, out, err = run("dead", "show", operation_id, "-f", "json")
    assert code == 0
    arguments = json.loads(out)["arguments"]
    assert arguments["network_id"] == theirs
    assert arguments["context"] == "***"
    assert DEMO.auth_token not in out + err
    with processes.serving(config) as (workers, _):
        assert run("dead", "replay", operation_id)[0] == 0
        logged(workers, "s ok")
        assert "user-of:" not in workers.log


@pytest.mark.parametrize("keys", ["", KEY[:-1]], ids=["none", "malformed"])
def test_without_sound_keys_neither_end_starts(config, keys):
    """The worker and the command exit with 2 and one line that shows no key."""
    config.write_text(config.read_text().replace(KEY, keys).replace("debug = True", ""))
    commands = [
        ["networker-worker", "--config-file", config],
        ["networker", "--config-file", config, "config", "check"],
        ["networker", "--config-file", config, "call", "get_port", "--port-id", "p"],
    ]
    for command, *arguments in commands:
        done = subprocess.run(
            [processes.BIN / str(command), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "[networker] user_token_keys: " in done.stderr
        assert KEY[:-1] not in done.stdout + done.stderr
    with pytest.raises(ValueError, match="user_token_keys"):
        rpc.connect(processes.configuration(config))
