# SPDX-License-Identifier: Apache-2.0
"""``networker call METHOD --help``: what it says is so, and its examples run."""

from __future__ import annotations

import re
import shlex

import pytest

from networker.cli import explain
from networker.cli.examples import example
from networker.drivers.sandbox.driver import SandboxDriver
from networker.rpc import contract
from networker.rpc.server import Server
from networker.testing import processes

METHODS = sorted(contract.methods())


@pytest.fixture
def shell(config, run, tmp_path, monkeypatch):
    """Serve the sandbox; run a line as a shell does that knows ``$()`` and ``>``."""
    conf = processes.configuration(config)
    server = Server(conf, SandboxDriver(conf))
    server.start()
    monkeypatch.chdir(tmp_path)

    def command(line):
        line = re.sub(r"\$\(([^)]*)\)", lambda found: command(found[1]).strip(), line)
        program, *words = shlex.split(line)
        assert program == "networker"
        words, target = (words[:-2], words[-1]) if ">" in words else (words, None)
        code, out, err = run(*words)
        assert (code, err) == (0, ""), line
        if target:
            (tmp_path / target).write_text(out)
        return out

    yield command
    server.stop()


@pytest.mark.parametrize("method", METHODS)
def test_the_example_runs(shell, method):
    """Every line succeeds on a new sandbox, and the last one calls the method."""
    lines = example(method).splitlines()
    assert lines[-1].startswith(f"networker call {method}")
    for line in lines:
        shell(line)


def test_help_is_plain_text():
    """There is no markup, and an example; parameters are told with their flags."""
    for method in contract.methods().values():
        text = explain.about(method)
        assert not re.search(r":(class|meth|mod|param|raises|returns)\b", text)
        assert "`" not in text
        assert example(method.name).splitlines()[-1] in explain.usage(method)


def test_help_has_the_fields(run, config):
    """Whoever writes JSON learns of all its fields, nested ones included."""
    _, out, _ = run("call", "plug_vip", "--help")
    assert f"sandbox's own ids:\n  {example('plug_vip').splitlines()[0]}\n" in out
    assert ":meth:" not in out
    text = " ".join(out.split())
    assert "fields of LoadBalancer: project_id, id, name" in text
    assert "amphorae (list of Amphora)" in text
    assert "fields of Listener:" in text
    assert "protocol_port (number)" in text
    assert "enabled (true or false)" in text
    assert "raises AmphoraNotFound: an amphora's server does not exist" in text


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (
            ["deallocate_vip", "--vip", '{"ip_adress": "10.20.0.9"}'],
            "argument --vip: $.ip_adress: VIP has no such field; did you mean ip_address?",
        ),
        (
            [
                "failover_preparation",
                "--amphora",
                '{"compute_id": "c", "lb_network_ip": "i", "zzz": 1}',
            ],
            "argument --amphora: $.zzz: Amphora has no such field\n",
        ),
        (
            ["apply_delta", "--deltas", '[{}, {"add_nics": [{"netwrok_id": "n"}]}]'],
            "$[1].add_nics[0].netwrok_id: Interface has no such field; did you mean network",
        ),
        (
            [
                "create_port",
                "--network-id",
                "n",
                "--fixed-ips",
                '[{"subnet": {"i": 1}}]',
            ],
            "--fixed-ips: $[0].subnet.i: Subnet has no such field",
        ),
    ],
)
def test_unknown_fields_are_mistakes(run, config, flags, text):
    """The nearest name is told, wherever the field is, and nothing is sent."""
    code, out, err = run("call", *flags)
    assert (code, out) == (2, "")
    assert text in err
