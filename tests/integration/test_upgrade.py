# SPDX-License-Identifier: Apache-2.0
"""``networker-status upgrade check`` beside a broker."""

from __future__ import annotations

import json
import subprocess

import amqp
import pytest
from cryptography.fernet import Fernet

from networker import upgrade
from networker.rpc.rabbitmq.queues import calls_name
from networker.testing import processes, rabbitmq

SUCCESS, WARNING, FAILURE = 0, 1, 2
NAMES = "Options of the configuration"
OLD = "Deprecated options"
KEYS = "Keys of users' tokens"
QUEUES = "Queues and exchanges"
CALLS = "Queue of calls"
POLICIES = "Policies of the broker"


@pytest.fixture
def checked(capsys):
    """Run the check; return its exit code, and by name what is not a success."""

    def check(config):
        files = ["--config-file", str(config)]
        code = upgrade.main([*files, "upgrade", "check", "--json"])
        results = json.loads(capsys.readouterr().out)["checks"]
        assert code == max(each["result"] for each in results)
        assert [each["check"] for each in results] == [
            *[NAMES, OLD, KEYS, QUEUES, CALLS, POLICIES]
        ]
        found = {e["check"]: (e["result"], e["details"]) for e in results}
        return code, {name: each for name, each in found.items() if each[0]}

    return check


@pytest.fixture
def channel(broker):
    """Change what is on the broker by hand."""
    with amqp.Connection(f"127.0.0.1:{broker.port}") as connection:
        yield connection.channel()


def topic_of(config):
    return processes.configuration(config).networker.topic


def test_all_is_well(configured, checked):
    """Before there is any queue, and when workers serve; for people there is a table."""
    config = configured(networker={"workers": 1, "notify": True})
    assert checked(config) == (SUCCESS, {})
    with processes.serving(config):
        assert checked(config) == (SUCCESS, {})
    command = [processes.BIN / "networker-status", "--config-file", config]
    done = subprocess.run(
        [*command, "upgrade", "check"], check=True, capture_output=True, text=True
    )
    assert "Upgrade Check Results" in done.stdout
    assert "management_url is not set" in " ".join(done.stdout.split())
    assert done.stderr == ""


def test_names(configured, checked):
    """What is unknown or goes away is told with its file."""
    config = configured(
        DEFAULT={"logfile": "x.log"},
        networker={"drivr": "sandbox"},
        oslo_messaging_rabbit={
            "direct_mandatory_flag": True,
            "kombu_reconnect_timeout": 50,
        },
    )
    code, found = checked(config)
    assert code == FAILURE
    assert set(found) == {NAMES, OLD}
    assert found[NAMES][0] == FAILURE
    assert f"{config}: [networker] drivr: there is no such option" in found[NAMES][1]
    assert found[OLD][0] == WARNING
    assert f"{config}: [DEFAULT] logfile: it is [DEFAULT] log_file now" in found[OLD][1]
    assert "kombu_missing_consumer_retry_timeout now" in found[OLD][1]
    assert "direct_mandatory_flag: it is going to be removed: " in found[OLD][1]
    assert found[OLD][1].count(str(config)) == 3


def test_keys(configured, checked):
    """A key that cannot seal stops an upgrade; it is not shown."""
    options = {"forward_user_tokens": True, "user_token_keys": "secret"}
    code, found = checked(configured(networker=options))
    assert (code, set(found)) == (FAILURE, {KEYS})
    assert "user_token_keys" in found[KEYS][1]
    assert "secret" not in found[KEYS][1]
    options["user_token_keys"] = Fernet.generate_key().decode()
    assert checked(configured(networker=options)) == (SUCCESS, {})


@pytest.mark.parametrize("suffix", ["", ".dead", ".outcomes.info"])
def test_a_queue_with_other_properties(configured, checked, channel, suffix):
    """It would keep workers from starting, and the command that removes it is told."""
    config = configured(networker={"notify": True})
    name = f"{topic_of(config)}{suffix}"
    channel.queue_declare(name, durable=True, auto_delete=False)
    code, found = checked(config)
    assert (code, set(found)) == (FAILURE, {QUEUES})
    assert f"rabbitmqctl delete_queue --vhost '/' '{name}'" in found[QUEUES][1]
    channel.queue_delete(name)
    assert checked(config) == (SUCCESS, {})


def test_a_queue_of_calls_that_is_left_over(configured, checked, channel):
    """It makes calls slow, and keeps nobody from upgrading."""
    config = configured()
    name = calls_name(topic_of(config))
    channel.queue_declare(name, durable=True, auto_delete=False)
    code, found = checked(config)
    assert (code, set(found)) == (WARNING, {CALLS})
    assert f"rabbitmqctl delete_queue --vhost '/' '{name}'" in found[CALLS][1]
    config = configured(networker={"topic": topic_of(config), "calls": "durable"})
    assert checked(config) == (SUCCESS, {})


def test_a_broker_that_is_not_there(configured, checked):
    """Nobody can know, so it is no success."""
    url = f"rabbit://guest:guest@127.0.0.1:{rabbitmq.free_port()}/"
    code, found = checked(configured(DEFAULT={"transport_url": url}))
    assert (code, set(found)) == (FAILURE, {QUEUES, CALLS})
    assert "cannot be reached" in found[QUEUES][1]


def test_a_configuration_that_cannot_be_read(configured, capsys):
    """One line says why."""
    config = configured(networker={"threads": "many"})
    code = upgrade.main(["--config-file", str(config), "upgrade", "check"])
    told = capsys.readouterr()
    assert (code, told.out) == (FAILURE, "")
    (line,) = told.err.splitlines()
    assert line.startswith("networker-status: [networker] threads: ")
