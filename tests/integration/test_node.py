# SPDX-License-Identifier: Apache-2.0
"""The private node, of the RabbitMQ that is installed or of another one."""

from __future__ import annotations

import subprocess
import sys

import pytest
from kombu.connection import Connection

from networker.testing import rabbitmq


def test_a_node_knows_its_version(broker):
    """It is what the broker itself tells."""
    with Connection(broker.url.replace("rabbit", "amqp", 1)) as connection:
        connection.connect()
        told = connection.connection.server_properties["version"]
    assert broker.version == told


def test_a_node_asks_no_name_service(broker):
    """Otherwise each connection could be held up by one, for its machine's name."""
    assert broker.control("eval", "inet_db:res_option(lookup).").strip() == "[file]"


def test_another_installation_is_named_by_its_root(tmp_path, monkeypatch):
    """There RabbitMQ and Erlang's name server are looked for, and nowhere else."""
    monkeypatch.setenv("NETWORKER_RABBITMQ_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin")
    assert rabbitmq.version() is None
    assert not rabbitmq.installed()
    (tmp_path / "usr/lib/rabbitmq/lib/rabbitmq_server-9.8.7").mkdir(parents=True)
    assert rabbitmq.version() == "9.8.7"
    assert not rabbitmq.installed()
    (tmp_path / "usr/bin").mkdir()
    (tmp_path / "usr/bin/epmd").touch(mode=0o755)
    assert rabbitmq.installed()


def test_further_settings_are_read(tmp_path, monkeypatch):
    """What RABBITMQ_CONFIG_FILES names changes the node."""
    (tmp_path / "more.conf").write_text("default_user = somebody\n")
    monkeypatch.setenv("RABBITMQ_CONFIG_FILES", str(tmp_path / "*.conf"))
    with rabbitmq.Node() as node:
        assert "somebody" in node.control("list_users")


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_runs_with_a_release(broker, code):
    """Where the release is installed the command runs as it is, and its end is told."""
    release = broker.version.partition(".")[0]
    command = [sys.executable, "-m", "tests.rabbitmq", release]
    done = subprocess.run([*command, "sh", "-c", f"exit {code}"], check=False)
    assert done.returncode == code
