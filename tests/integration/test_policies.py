# SPDX-License-Identifier: Apache-2.0
"""Policies on a real broker, as its management interface tells of them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from urllib import parse

import pytest
import requests
import tenacity

from networker import upgrade
from networker.rpc.rabbitmq import policies
from networker.rpc.transport import open_transport
from networker.testing import processes, rabbitmq

pytestmark = pytest.mark.timeout(300)
HARMFUL = {"message-ttl": 600_000, "expires": 3_600_000}


@pytest.fixture(scope="module")
def managed(broker) -> Iterator[rabbitmq.Node]:
    """A node with the management interface."""
    with rabbitmq.Node(plugins=["rabbitmq_management"]) as node:
        yield node


def management(node, login="guest:guest"):
    """Return the URL of a node's management interface."""
    return f"http://{login}@127.0.0.1:{node.management_port}"


def quoted(name):
    """Return a name as it is in a URL."""
    return parse.quote(name, safe="")


def put(node, path, what):
    """Set something by the management interface, which is faster than rabbitmqctl."""
    answer = requests.put(f"{management(node)}/api/{path}", json=what, timeout=60)
    answer.raise_for_status()


@pytest.fixture
def virtual_host(managed) -> Iterator[str]:
    """Make a virtual host with a name that has to be quoted."""
    name = f"net/{uuid.uuid4().hex[:8]}"
    rights = dict.fromkeys(("configure", "write", "read"), ".*")
    put(managed, f"vhosts/{quoted(name)}", {})
    put(managed, f"permissions/{quoted(name)}/guest", rights)
    yield name
    requests.delete(f"{management(managed)}/api/vhosts/{quoted(name)}", timeout=60)


@pytest.fixture
def settings(managed, virtual_host, tmp_path):
    """Return what a worker on the virtual host is configured with."""
    url = managed.url_of(virtual_host.replace("/", "%2F"))
    return {
        "DEFAULT": {"transport_url": url},
        "networker": {
            "driver": "sandbox",
            "workers": 1,
            "threads": 1,
            "management_url": management(managed),
        },
        "sandbox": {"database": tmp_path / "sandbox.sqlite"},
    }


@pytest.fixture
def config(settings, tmp_path):
    """Write the configuration."""
    return processes.write(tmp_path / "networker.conf", settings)


def complaints(config):
    """Read the configuration, and ask."""
    conf = processes.configuration(config)
    return policies.complaints(conf, open_transport(conf))


def set_policy(
    node, virtual_host, definition, pattern="^networker", kind="policies", name="ttl"
):
    """Set a policy for queues."""
    what = {"pattern": pattern, "definition": definition, "apply-to": "queues"}
    put(node, f"{kind}/{quoted(virtual_host)}/{name}", what)


def test_queues_that_are_not_declared_yet_are_judged_by_the_patterns(
    managed, virtual_host, config
):
    assert complaints(config) == []
    set_policy(managed, virtual_host, HARMFUL, "^networker$")
    few, calls = {"max-length": 9}, "^networker.calls$"
    set_policy(managed, virtual_host, few, calls, "operator-policies", "few")
    lines = complaints(config)
    assert [line.partition(":")[0] for line in lines] == [
        "policy 'ttl' sets expires = 3600000 on networker",
        "policy 'ttl' sets message-ttl = 600000 on networker",
        "operator policy 'few' sets max-length = 9 on networker.calls",
    ]


def test_the_broker_itself_says_what_holds_for_a_queue(managed, virtual_host, config):
    # Python cannot read this pattern, which is PCRE's.
    set_policy(managed, virtual_host, HARMFUL, "^(?|networker|other)$")
    with processes.serving(config):

        @tenacity.retry(
            retry=tenacity.retry_if_result(lambda lines: not lines),
            stop=tenacity.stop_after_delay(30),
            wait=tenacity.wait_fixed(0.5),
        )
        def told():
            return complaints(config)

        (first, _second) = told()
    assert first.startswith("policy 'ttl' sets ")


def test_status_and_check_say_it_and_workers_log_it(managed, virtual_host, config, run):
    set_policy(managed, virtual_host, HARMFUL)
    with processes.serving(config) as (workers, _):
        code, _, said = run("config", "check")
        assert code == 1  # they are warnings
        assert said.count("networker: warning: policy 'ttl' sets ") == 4
        code, _, said = run("status")
        assert code == 1
        assert said.count("networker: policy 'ttl' sets ") == 4
        assert workers.log.count("WARNING") >= 4
        assert "sets message-ttl = 600000 on networker.dead: " in workers.log


def test_status_says_when_nothing_can_be_put_aside(managed, virtual_host, config, run):
    with processes.serving(config):
        assert run("status")[0] == 0
    # Workers that listen declare it again by themselves.
    where = f"queues/{quoted(virtual_host)}/networker.dead"
    requests.delete(f"{management(managed)}/api/{where}", timeout=60).raise_for_status()
    code, _, said = run("status")
    assert code == 1
    assert "the queue networker.dead is missing" in said


@pytest.mark.parametrize(
    ("login", "why"),
    [
        ("guest:s3cr3t", "user or password are wrong"),
        ("guest:gu%65st", None),
        ("other:s3cr3t", "the tag management"),
    ],
)
def test_a_refusal_is_an_error_of_the_check_and_a_warning_of_the_worker(
    managed, settings, tmp_path, run, login, why
):
    settings["networker"]["management_url"] = management(managed, login)
    config = processes.write(tmp_path / "networker.conf", settings)
    code, _, said = run("config", "check")
    if why is None:
        assert (code, said) == (0, "")
        return
    assert code == 2
    assert "[networker] management_url" in said
    assert why in said
    assert login.partition(":")[2] not in said
    with processes.serving(config) as (workers, _):
        assert why in workers.log


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://guest:guest@127.0.0.1:{port}", 3),
        ("127.0.0.1:15672", 2),
        ("http://127.0.0.1:15672", 2),
    ],
)
def test_an_interface_that_is_not_there_keeps_no_worker_from_serving(
    settings, tmp_path, run, caplog, address, code
):
    url = address.format(port=rabbitmq.free_port())
    settings["networker"]["management_url"] = url
    config = processes.write(tmp_path / "networker.conf", settings)
    found, _, said = run("config", "check")
    assert found == code
    assert "[networker] management_url" in said
    found, _, said = run("status")
    assert (found, "[networker] management_url" in said) == (1, True)
    with caplog.at_level(logging.WARNING):
        conf = processes.configuration(config)
        policies.warn(conf, open_transport(conf))
    said = [r.getMessage() for r in caplog.records if r.name == policies.__name__]
    assert len(said) == 1
    assert "[networker] management_url" in said[0]


def test_without_the_option_nobody_is_asked(settings, tmp_path):
    del settings["networker"]["management_url"]
    config = processes.write(tmp_path / "networker.conf", settings)
    assert complaints(config) == []


def test_an_upgrade_is_warned(managed, settings, virtual_host, config, capsys):
    """Policies keep no worker from serving; not to know them is a failure."""

    def check() -> tuple[int, str]:
        files = ["--config-file", str(config)]
        code = upgrade.main([*files, "upgrade", "check", "--json"])
        return code, capsys.readouterr().out

    assert check()[0] == 0
    policy = {"pattern": ".*", "definition": {"message-ttl": 600_000}}
    put(managed, f"policies/{quoted(virtual_host)}/ttl", policy)
    code, told = check()
    assert code == 1
    assert "policy 'ttl' sets message-ttl" in told
    settings["networker"]["management_url"] = management(managed, "guest:wrong")
    processes.write(config, settings)
    assert check()[0] == 2
