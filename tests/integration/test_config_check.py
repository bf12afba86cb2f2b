# SPDX-License-Identifier: Apache-2.0
"""``networker config check`` on RabbitMQ: TLS, rights, who listens, what is said."""

from __future__ import annotations

import pathlib
import re

import pytest

from networker import rpc
from networker.testing import processes, rabbitmq
from tests.certificates import Authority
from tests.integration.test_reload import started
from tests.integration.test_worker import refused
from tests.tlsfront import TlsFront


@pytest.fixture
def config(configured):
    return configured()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secured(broker, authority):
    """Start a node that speaks TLS on one port, and plain AMQP on another."""
    pair, port = authority.pair("broker"), rabbitmq.free_port()
    lines = {
        "listeners.ssl.default": f"127.0.0.1:{port}",
        "ssl_options.cacertfile": authority.file,
        "ssl_options.certfile": pair.cert,
        "ssl_options.keyfile": pair.key,
        "ssl_options.verify": "verify_peer",
        "ssl_options.fail_if_no_peer_cert": "false",
    }
    settings = "".join(f"{key} = {value}\n" for key, value in lines.items())
    with rabbitmq.Node(settings=settings) as node:
        yield node.port, port


@pytest.fixture
def checked(config, run):
    """Check the configuration with another port and options for TLS."""

    def check(port, **options):
        settings = {
            "DEFAULT": {"transport_url": f"rabbit://guest:guest@127.0.0.1:{port}/"},
            "networker": {"driver": "sandbox"},
            "sandbox": {"database": config.with_name("tls.sqlite")},
            "oslo_messaging_rabbit": options,
        }
        processes.write(config, settings)
        return run("config", "check")

    return check


def test_what_is_said(run, config, broker):
    """Driver, broker, virtual host, topic, versions, rights; the worker logs the same."""
    code, out, err = run("config", "check")
    assert (code, err) == (0, "")
    for line in (
        "driver: sandbox",
        f"broker: 127.0.0.1:{broker.port}",
        "virtual host: /",
        "connection: without TLS",
        "reply_* queues: may configure, write and read",
        "ready",
    ):
        assert line in out.splitlines()
    version = broker.control("version").strip()
    assert f"RabbitMQ: {version}" in out
    with processes.serving(config) as (workers, _):
        (started,) = [line for line in workers.log.splitlines() if "starting: " in line]
    for text in ("driver sandbox", "virtual host /", f"RabbitMQ {version}"):
        assert text in started


def test_who_listens(run, config):
    """A controller's check tells whether workers are there."""
    code, out, err = run("config", "check", "--caller")
    assert code == 1
    assert "no worker listens to networker/" in err
    assert "ready" not in out
    with processes.serving(config):
        code, out, err = run("config", "check", "--caller")
    assert (code, err) == (0, "")
    assert "workers: 2" in out.splitlines()


def test_a_controllers_own_groups(run, config):
    """Its other groups are not looked at; networker's are, and so are its keys."""
    config.write_text(f"{config.read_text()}\n[controller_worker]\namp_timeout = 5\n")
    assert run("config", "check", "--caller")[0] == 1
    code, _, err = run("config", "check")
    assert code == 2
    assert "[controller_worker]: there is no such group" in err
    right = config.read_text()
    wrong = {
        "did you mean call_timeout?": "[networker]\ncall_timout = 5",
        "did you mean api_timeout?": "[networker_octavia]\napi_timeot = 5",
        "[networker_octavia] api_timeout": "[networker_octavia]\napi_timeout = x",
        "user_token_keys": "[networker]\nforward_user_tokens = true",
    }
    for text, lines in wrong.items():
        config.write_text(f"{right}\n{lines}\n")
        code, _, err = run("config", "check", "--caller")
        assert code == 2
        assert text in err


@pytest.mark.parametrize(
    ("rights", "caller", "worker"),
    [
        (
            ("^t-", "^t-|^networker|^amq.default", "^t-|^networker"),
            "reply_",
            "exchange",
        ),
        (("^networker|^t-", ".*", ".*"), "configure queue reply_*", None),
        ((".*", "^reply_|^t-|^networker", ".*"), "amq.default", "amq.default"),
        ((".*", ".*", "^t-|^networker"), "read queue reply_*", None),
        ((".*", ".*", r"^reply|\.callers$"), None, "read queue t-"),
        ((".*", ".*", ".*"), None, None),
    ],
)
def test_rights(run, configured, broker, rights, caller, worker):
    """What the broker's user may not do is named, for each end, and nothing is made."""
    broker.control("add_vhost", "rights")
    broker.control("add_user", "somebody", "secret")
    try:
        broker.control("set_permissions", "-p", "rights", "somebody", *rights)
        url = broker.url_of("rights", "somebody:secret")
        configured(DEFAULT={"transport_url": url})
        for arguments, lacking in (((), worker), (("--caller",), caller)):
            code, out, err = run("config", "check", *arguments)
            if lacking:
                assert code == 2
                assert "does not give its user 'somebody' these rights" in err
                assert lacking in err
            else:
                assert code == int(bool(arguments))  # nobody listens
                assert "reply_* queues: " in out
        if caller and not worker:
            assert "write only" in run("config", "check")[1]
        queues = broker.control("list_queues", "-p", "rights", "name", "--silent")
        assert not queues.strip()
        made = broker.control("list_exchanges", "-p", "rights", "name", "--silent")
        assert "networker" not in made
    finally:
        broker.control("delete_user", "somebody")
        broker.control("delete_vhost", "rights")


def test_rights_on_what_exists(run, config, broker):
    """What a worker has declared is asked for without taking anything from it."""
    with processes.serving(config) as (_, client):
        assert run("config", "check")[0] == 0
        assert run("config", "check", "--caller")[0] == 0
        processes.until_served(client)


def test_tls_works(checked, secured, authority):
    """With the right authority all is well, and the report says by what it is verified."""
    _, port = secured
    mine = authority.pair("mine")
    options = {"ssl": "true", "ssl_ca_file": authority.file}
    code, out, err = checked(port, **options)
    assert (code, err) == (0, "")
    assert f"connection: TLS, verified by {authority.file}" in out.splitlines()
    options |= {"ssl_cert_file": mine.cert, "ssl_key_file": mine.key}
    assert checked(port, **options)[0] == 0


def test_tls_that_is_wrong(checked, secured, authority, config):
    """Each is a configuration to mend, with the option's name and the path."""
    plain, port = secured
    mine, old = authority.pair("mine"), authority.pair("old", expired=True)
    other = Authority(authority.file.parent, "other").file
    right = {"ssl": "true", "ssl_ca_file": authority.file}
    for at, options, text in (
        (port, {"ssl_ca_file": "/none.pem"}, "ssl_ca_file = /none.pem: No such file"),
        (port, {"ssl_ca_file": mine.key}, f"ssl_ca_file = {mine.key}: has no"),
        (port, {"ssl_ca_file": other}, f"not accepted: self-signed .*= {other}"),
        (port, {"ssl_ca_file": ""}, "is not accepted: .*ssl_ca_file = not set"),
        (port, {"ssl_cert_file": "/none.crt"}, "ssl_cert_file = /none.crt: No such"),
        (port, {"ssl_key_file": mine.key}, "has no effect without .*ssl_cert_file"),
        (
            port,
            {"ssl_cert_file": mine.cert, "ssl_key_file": old.key},
            "no certificate with its key",
        ),
        (
            port,
            {"ssl_cert_file": old.cert, "ssl_key_file": old.key},
            f"ssl_cert_file = {old.cert}: expired at",
        ),
        (port, {"ssl_version": "TLSv9"}, "Invalid SSL version"),
        (
            port,
            {"ssl": "false"},
            r"speaks TLS, and \[oslo_messaging_rabbit\] ssl is not",
        ),
        (plain, {}, r"does not speak TLS, and \[oslo_messaging_rabbit\] ssl is set"),
    ):
        code, _, err = checked(at, **(right | options))
        assert code == 2, err
        assert err.count("\n") == 1
        assert re.search(text, err), err
    code, lines = refused(config)
    assert (code, len(lines)) == (2, 1)


def test_certificates_that_are_wrong(checked, authority):
    """An expired one, or one for another host, is no broker that is away."""
    for name, changes, text in (
        ("expired", {"expired": True}, "certificate has expired"),
        ("elsewhere", {"host": "127.0.0.9"}, "not valid for '127.0.0.1'"),
    ):
        with TlsFront(authority.pair(name, **changes)) as front:
            options = {"ssl": "true", "ssl_ca_file": authority.file}
            code, _, err = checked(front.port, **options)
            assert code == 2
            assert text in err
            assert f"ssl_ca_file = {authority.file}" in err
    code, _, err = checked(rabbitmq.free_port(), ssl="true")
    assert code == 3
    assert "cannot be reached" in err


def test_the_least_rights(run, configured, broker, tmp_path):
    """Workers and callers work with the rights that docs/deploy.md gives them, not more."""
    text = pathlib.Path("docs/deploy.md").read_text()
    found = re.search(r"workers need (`.*?), callers (`.*?) besides", text, re.DOTALL)
    assert found
    broker.control("add_vhost", "least")
    try:
        for user, named in zip(("w", "c"), found.groups(), strict=True):
            broker.control("add_user", user, "secret")
            rights = re.findall(r"'(.*?)'", named)
            assert len(rights) == 3
            broker.control("set_permissions", "-p", "least", user, *rights)
        callers = configured(
            DEFAULT={"transport_url": broker.url_of("least", "c:secret")},
            networker={"topic": "networker", "workers": 1},
        )
        text = callers.read_text().replace("c:secret", "w:secret")
        workers = tmp_path / "workers.conf"
        workers.write_text(text)
        with started(workers), rpc.connect(processes.configuration(callers)) as client:
            processes.until_served(client)
            assert run("config", "check", "--caller")[0] == 0
            code, out, _ = run("config", "check")
            assert code == 2, "callers may not do what workers do"
            callers.write_text(text)
            code, out, _ = run("config", "check")
            assert code == 0
            assert "write only" in out
    finally:
        for user in ("w", "c"):
            broker.control("delete_user", user)
        broker.control("delete_vhost", "least")
