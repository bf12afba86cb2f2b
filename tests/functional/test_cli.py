# SPDX-License-Identifier: Apache-2.0
"""``networker``, the command, against a sandbox over the in-memory bus."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from networker import cli
from networker.drivers.sandbox.driver import SandboxDriver
from networker.rpc.server import Server
from networker.testing import processes

NOWHERE = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def sandbox(config):
    """Serve the sandbox of that configuration."""
    conf = processes.configuration(config)
    driver = SandboxDriver(conf)
    server = Server(conf, driver)
    server.start()
    yield driver
    server.stop()


def test_help_teaches(run):
    """Without a command, and with --help, the commands are explained."""
    for arguments in ((), ("--help",)):
        code, out, _ = run(*arguments)
        assert code == 0
        assert "call plug_vip" in out
        assert "sandbox show" in out
    code, out, _ = run("call", "unplug_network", "--help")
    assert "--compute-id" in out
    assert "only the interface with this address; all if None" in " ".join(out.split())
    assert "AmphoraNotFound" in out


def test_a_model_is_a_table_or_json(run, sandbox):
    """A look-up prints fields, in whatever format is wanted."""
    (network,) = [n for n in sandbox.backdoor.networks() if n.name == "vip-net"]
    code, out, _ = run("call", "get_network", "--network-id", network.id)
    assert code == 0
    assert "| mtu" in out
    code, out, _ = run("call", "get_network", "--network-id", network.id, "-f", "json")
    assert json.loads(out)["subnets"] == network.subnets


def test_models_are_given_as_json_or_in_a_file(run, sandbox, tmp_path):
    """A VIP is allocated from a file and deallocated with JSON."""
    (network,) = [n for n in sandbox.backdoor.networks() if n.name == "vip-net"]
    lb = {"id": "lb-1", "vip": {"network_id": network.id}}
    (tmp_path / "lb.json").write_text(json.dumps(lb))
    path = f"@{tmp_path / 'lb.json'}"
    code, out, _ = run("call", "allocate_vip", "--load-balancer", path, "-f", "json")
    vip = json.loads(out)
    assert code == 0
    assert sandbox.backdoor.ports(id=vip["port_id"])
    code, out, _ = run("call", "deallocate_vip", "--vip", json.dumps(vip))
    assert (code, out) == (0, "")
    assert not sandbox.backdoor.ports(id=vip["port_id"])


def test_rows_are_a_table(run, sandbox):
    """A list prints a row for each result."""
    compute_id = sandbox.backdoor.servers()["amphora-0"]
    code, out, _ = run("call", "get_plugged_networks", "--compute-id", compute_id)
    assert code == 0
    assert "fixed_ips" in out
    assert "10.90.0.1" in out


def test_what_is_no_text_is_json(run, sandbox):
    """Lists and booleans are given as JSON; what is left out is None."""
    (network,) = [n for n in sandbox.backdoor.networks() if n.name == "vip-net"]
    flags = ["--fixed-ips", json.dumps([{"subnet_id": network.subnets[0]}])]
    flags += ["--admin-state-up", "false", "--network-id", network.id, "-f", "json"]
    code, out, _ = run("call", "create_port", *flags)
    port = json.loads(out)
    assert code == 0
    assert port["admin_state_up"] is False
    assert [ip["subnet_id"] for ip in port["fixed_ips"]] == network.subnets[:1]
    assert run("call", "apply_qos_on_port", "--port-id", port["id"])[0] == 0
    code, out, _ = run("call", "create_port", *flags, "--secondary-ips", "[5]")
    assert (code, out) == (2, "")


def test_plain_results_and_those_with_keys(run, sandbox):
    """A boolean is a result of its own, and what has keys a row for each."""
    code, out, _ = run("call", "qos_enabled", "-f", "json")
    assert (code, json.loads(out)) == (0, {"result": True})
    server = sandbox.backdoor.servers()["amphora-0"]
    (network,) = [n for n in sandbox.backdoor.networks() if n.name == "vip-net"]
    amphorae = [{"id": "a-1", "compute_id": server, "status": "ALLOCATED"}]
    lb: dict[str, Any] = {
        "id": "lb-1",
        "amphorae": amphorae,
        "vip": {"network_id": network.id},
    }

    def call(method, *more):
        return json.loads(
            run("call", method, "--load-balancer", json.dumps(lb), *more, "-f", "json")[
                1
            ]
        )

    lb["vip"] = call("allocate_vip")
    lb["amphorae"] = call("plug_vip", "--vip", json.dumps(lb["vip"]))
    (row,) = call("get_network_configs")
    assert row["key"] == "a-1"
    assert row["vip_port"]["id"] == lb["vip"]["port_id"]


@pytest.mark.parametrize(
    "request_",
    [
        ("get_port", "--port-id", NOWHERE),
        ("get_plugged_networks", "--compute-id", NOWHERE),
        ("unplug_network", "--compute-id", NOWHERE, "--network-id", NOWHERE),
    ],
)
def test_a_cast_prints_its_operation(run, sandbox, request_):
    """With --cast no answer is awaited, and the operation's id printed."""
    code, out, _ = run("call", *request_, "--cast")
    assert code == 0
    assert len(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", out)) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["call", "get_port", "--port-id", NOWHERE], 1, "PortNotFound: port 1111"),
        (["call", "get_port", "--port-id", NOWHERE], 1, "exist. Look for its name"),
        (["call", "get_port", "--port-id", ""], 2, "port_id must not be empty"),
        (["call", "get_port"], 2, "--port-id"),
        (["call", "deallocate_vip", "--vip", "{"], 2, "not JSON"),
        (["call", "deallocate_vip", "--vip", '{"port_id": 5}'], 2, "$.port_id"),
        (["call", "deallocate_vip", "--vip", "@/none"], 2, "/none: No such file"),
        (["call", "get_prot", "--port-id", "p"], 2, "did you mean call get_port, "),
        (["call"], 2, "did you mean call allocate_vip, "),
        (["dead", "lsit"], 2, "did you mean dead list"),
        (["xyzzy"], 2, "there is no command 'xyzzy'. See `networker --help`"),
        (
            ["call", "get_port", "--port-id", NOWHERE, "--timeout", "0"],
            2,
            "more than 0",
        ),
        (["call", "get_port", "--port-id", NOWHERE, "--timeout", "1e9"], 2, "at most"),
        (["call", "get_port", "--port-id", NOWHERE, "--timeout", "inf"], 2, "seconds"),
        (["call", "get_port", "--port-id", NOWHERE, "--timeout", "x"], 2, "x is no"),
        (["demo", "--latency", "nan"], 2, "nan is no number of seconds"),
        (["sandbox", "show", "unicorns"], 2, "unicorns"),
    ],
)
def test_what_is_wrong_is_one_line(run, sandbox, arguments, code, text):
    """Exit code and message say what was wrong; there is no traceback."""
    returned, out, err = run(*arguments)
    assert returned == code
    assert text in out + err
    assert "Traceback" not in err


def test_at_most_three_commands_are_suggested(run):
    """Many commands can be meant by a word, and a list of all is no help."""
    _, _, err = run("call", "get")
    assert 1 <= err.count("call get_") <= 3


def test_debug_shows_where_an_error_comes_from(run, sandbox):
    """With --debug a traceback precedes the line."""
    code, _, err = run("--debug", "call", "get_port", "--port-id", NOWHERE)
    assert code == 1
    assert "Traceback (most recent call last)" in err
    assert err.splitlines()[-1].startswith("networker: PortNotFound: port 1111")


def test_what_has_no_rows_says_so(run, sandbox):
    """A table of nothing is not silent; what others read is as it always is."""
    code, out, err = run("sandbox", "show", "security_groups")
    assert (code, out.strip()) == (0, "")
    assert err == "networker: there is nothing to show\n"
    code, out, _ = run("sandbox", "show", "security_groups", "-f", "json")
    assert (code, json.loads(out)) == (0, [])


def test_false_is_shown(run, sandbox):
    """What is false for all is a column like others, and false in JSON."""
    code, out, _ = run("sandbox", "show", "networks", "-f", "json")
    assert code == 0
    rows = json.loads(out)
    assert all(isinstance(row["shared"], bool) for row in rows)
    assert {row["router_external"] for row in rows} == {False, True}


def test_a_demo_on_rabbitmq_needs_it(run, tmp_path, monkeypatch):
    """Where it is not installed, the error says what to install."""
    monkeypatch.setenv("NETWORKER_RABBITMQ_ROOT", str(tmp_path))
    code, _, err = run("demo", "--bus", "rabbitmq")
    assert code == 2
    assert "--bus rabbitmq: RabbitMQ is not installed; install Debian's" in err


def test_a_missing_configuration_is_named(config, capsys):
    """A configuration file that does not exist is a wrong usage."""
    with pytest.raises(SystemExit) as exited:
        cli.main(["--config-file", "/none.conf", "config", "check"])
    assert exited.value.code == 2
    assert "/none.conf" in capsys.readouterr().err


def test_config_check_says_what_it_checked(run, config):
    """A good configuration is confirmed, a wrong one refused."""
    code, out, _ = run("config", "check")
    assert code == 0
    assert "driver: sandbox" in out
    assert out.endswith("ready\n")
    config.write_text(config.read_text() + "\n[networker]\ndriver = nope\n")
    code, _, err = run("config", "check")
    assert code == 2
    assert "installed are neutron, sandbox" in err


@pytest.mark.parametrize(
    "arguments", [("dead", "list"), ("dead", "replay", "--all"), ("status",)]
)
def test_what_needs_rabbitmq_says_so(run, arguments):
    """The bus in memory has no queues that could be looked at."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "only RabbitMQ" in err


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("dead list", "Looking changes nothing"),
        ("dead show", "its body instead"),
        ("dead replay", "keeps its operation id"),
        ("dead drop", "for ever"),
        ("status", "1 if no worker listens"),
    ],
)
def test_operators_help_has_an_example(run, command, text):
    """What the command does is said, and an example shown that is a command."""
    code, out, _ = run(*command.split(), "--help")
    assert code == 0
    assert text in " ".join(out.split())
    assert f"example:\n  networker {command}" in out


def test_a_limit_is_positive(run):
    """A limit that shows nothing is a wrong usage."""
    for limit in ("0", "few"):
        code, _, err = run("dead", "list", "--limit", limit)
        assert code == 2
        assert "--limit" in err


def test_driver_list(run):
    """The installed drivers are listed."""
    code, out, _ = run("driver", "list", "-f", "json")
    assert code == 0
    assert {row["name"] for row in json.loads(out)} == {"neutron", "sandbox"}


def test_sandbox_show(run, sandbox):
    """Every kind of thing in the sandbox can be seen."""
    code, out, _ = run("sandbox", "show", "servers", "-f", "json")
    assert code == 0
    assert {row["name"] for row in json.loads(out)} == set(sandbox.backdoor.servers())
    for kind in ("networks", "subnets", "ports", "security_groups", "qos_policies"):
        code, out, _ = run("sandbox", "show", kind)
        assert code == 0


def test_the_demo_verifies_itself(run):
    """The demo runs on the in-process bus and ends with everything verified."""
    code, out, _ = run("demo", "--bus", "memory", "--latency", "0")
    assert code == 0
    assert "every step was verified" in out
    assert "security group lb-" in out
    assert out.count("worker ") >= 10


def test_the_demo_crosses_rabbitmq(run, broker):
    """Where RabbitMQ is installed, the demo has worker processes behind it."""
    code, out, _ = run("demo", "--bus", "rabbitmq")
    assert code == 0
    assert "two worker processes" in out
    assert "every step was verified" in out
