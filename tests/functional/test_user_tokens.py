# SPDX-License-Identifier: Apache-2.0
"""Reads on behalf of a user, over the in-memory bus."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import logging
import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from oslo_config import cfg
from oslo_context import context as oslo_context

from networker import exceptions, rpc
from networker.models import Port, UserContext
from networker.rpc import contract, transport
from networker.rpc.server import Server
from networker.testing import kit
from tests.functional.test_bus import echo, stock

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
SECRET = "gAAAAABalice-0123456789"
ALICE = UserContext(auth_token=SECRET, user_id="alice", project_id="p1")

#: Returns a configuration with some keys; without, tokens are not forwarded.
Configured = Callable[..., cfg.ConfigOpts]


@pytest.fixture
def configured(tmp_path: pathlib.Path) -> Configured:
    """Configure an end of one bus."""
    first = kit.configuration(tmp_path / "unused.sqlite")

    def configure(*keys: str) -> cfg.ConfigOpts:
        conf = kit.configuration(tmp_path / "unused.sqlite")
        conf.set_override("topic", first.networker.topic, "networker")
        conf.set_override("user_token_keys", list(keys), "networker")
        conf.set_override("forward_user_tokens", bool(keys), "networker")
        return conf

    return configure


@contextlib.contextmanager
def joined(
    caller: cfg.ConfigOpts, worker: cfg.ConfigOpts, **answers: object
) -> Iterator[tuple[rpc.Client, list[tuple[str, dict[str, Any]]]]]:
    """Join two ends; yield the client, and the calls that the driver gets."""
    driver, calls = echo(**answers)
    server = Server(worker, driver)
    server.start()
    try:
        with rpc.connect(caller) as client:
            yield client.with_options(timeout=20), calls
    finally:
        server.stop()


def fail(**_: object) -> None:
    raise ValueError("unforeseen")


def missing(**_: object) -> None:
    raise exceptions.PortNotFound(port_id="p")


def test_the_driver_gets_the_token_for_that_call_only(configured):
    """It is an argument of one call; the next one, and the thread, know nothing of it."""
    known, done = [], threading.Event()

    def look(**_: object) -> Port:
        current: Any = oslo_context.get_current()
        known.append(current.auth_token)
        return Port(id="p")

    conf = configured(NEW)
    answers: dict[str, Any] = {"get_port": look, "get_subnet": lambda **_: done.set()}
    with joined(conf, conf, **answers) as (client, calls):
        assert client.get_port("p", context=ALICE) == Port(id="p")
        assert client.get_port("p") == Port(id="p")
        assert client.get_port("p", context=None) == Port(id="p")
        client.cast.get_subnet("s", ALICE)
        assert done.wait(20)
    assert calls == [
        ("get_port", {"port_id": "p", "context": ALICE}),
        ("get_port", {"port_id": "p"}),
        ("get_port", {"port_id": "p"}),
        ("get_subnet", {"subnet_id": "s", "context": ALICE}),
    ]
    assert known == [None, None, None]


def test_users_at_once_are_not_mixed_up(configured):
    """Each of many simultaneous reads is made with its own user's token."""
    together = threading.Barrier(8, timeout=20)

    def look(port_id: str, context: UserContext) -> Port:
        together.wait()
        return Port(id=port_id, name=context.auth_token)

    conf = configured(NEW)
    with (
        joined(conf, conf, get_port=look) as (client, _),
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        users = [str(number) for number in range(8)]
        contexts = [UserContext(auth_token=f"token-{user}") for user in users]
        ports = list(pool.map(client.get_port, users, contexts))
    assert [port.name for port in ports] == [c.auth_token for c in contexts]


def crossing(conf: cfg.ConfigOpts, send: Callable[[rpc.Client], Any]) -> str:
    """Return the message that a call or cast hands to the transport, as text."""
    opened = transport.open_transport(conf)
    adapter = opened._driver.listen(contract.target(conf, server="spy"), 1, None)
    with (
        rpc.connect(conf) as client,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        sending = pool.submit(send, client.with_options(timeout=20))
        (message,) = adapter._poll_style_listener.poll(timeout=20)
        message.reply({"worker": "spy:1", "result": {"id": "p"}})
        sending.result()
    opened.cleanup()
    return json.dumps([message.ctxt, message.message])


@pytest.mark.parametrize(
    "send",
    [
        lambda client: client.get_port("p", ALICE),
        lambda client: client.cast.get_port("p", context=ALICE),
    ],
    ids=["call", "cast"],
)
def test_the_transport_gets_no_token(configured, send):
    """Neither the token nor whose it is can be read in what is sent; keys open it."""
    conf = configured(NEW, OLD)
    text = crossing(conf, send)
    assert SECRET not in text
    assert "alice" not in text
    sealed = json.loads(text)[1]["args"]["context"]
    opened = Fernet(NEW).decrypt(sealed)
    assert json.loads(opened) == {
        "auth_token": SECRET,
        "user_id": "alice",
        "project_id": "p1",
    }


@pytest.mark.parametrize("answer", [Port(id="p"), missing, fail, object()])
def test_no_log_has_a_token(configured, caplog, answer):
    """However a read ends, neither end logs the token, at DEBUG nor in a traceback."""
    caplog.set_level(logging.DEBUG)
    conf = configured(NEW)
    with joined(conf, conf, get_port=answer) as (client, calls):
        with contextlib.suppress(exceptions.NetworkException):
            client.get_port("p", context=ALICE)
        with pytest.raises(exceptions.InvalidRequest):
            client.get_port("p", context=UserContext(auth_token=f"{SECRET}\n"))
    assert len(calls) == 1
    assert "networker.rpc.dispatcher" in caplog.text
    assert "networker.rpc.client" in caplog.text
    assert ("Traceback" in caplog.text) == (answer not in (Port(id="p"), missing))
    assert SECRET not in caplog.text
    assert NEW not in caplog.text


#: Keys of callers and of workers, in the order of docs/deploy.md.
ROTATION = [
    ((OLD,), (OLD,)),
    ((OLD,), (OLD, NEW)),
    ((NEW,), (OLD, NEW)),
    ((NEW,), (NEW,)),
]


@pytest.mark.parametrize(("callers", "workers"), ROTATION)
def test_keys_rotate(configured, callers, workers):
    """At each step of a rotation, reads work."""
    caller, worker = configured(*callers), configured(*workers)
    with joined(caller, worker, get_port=Port(id="p")) as (client, calls):
        assert client.get_port("p", context=ALICE) == Port(id="p")
    assert calls[0][1]["context"] == ALICE


@pytest.mark.parametrize(
    ("callers", "workers", "text"),
    [
        ((), (NEW,), "are not sent; set .* here and for the workers"),
        ((NEW,), (), "are not opened; set .* for the workers"),
        ((), (), "are not sent; set .* here and for the workers"),
        ((NEW,), (OLD,), "must be among the workers'"),
        ((NEW, OLD), (OLD,), "must be among the workers'"),
    ],
)
def test_what_is_not_configured_on_both_ends_is_refused(
    configured, callers, workers, text
):
    """The error says what to set where; other reads go on as ever."""
    port = Port(id="p")
    caller, worker = configured(*callers), configured(*workers)
    with joined(caller, worker, get_port=port) as (client, calls):
        with pytest.raises(exceptions.InvalidRequest, match=text) as caught:
            client.get_port("p", context=ALICE)
        assert calls == []
        assert SECRET not in str(caught.value)
        assert client.get_port("p") == port


def test_a_caller_that_does_not_forward_sends_nothing(configured):
    """Neither a call nor a cast reaches the bus."""
    conf = configured()

    def send(client: rpc.Client) -> None:
        for caller in (client, client.cast):
            with pytest.raises(exceptions.InvalidRequest):
                caller.get_port("p", context=ALICE)
        client.cast.get_port("first")

    assert json.loads(crossing(conf, send))[1]["args"] == {"port_id": "first"}


@pytest.mark.parametrize("keys", [(NEW,), ()], ids=["forwarding", "not forwarding"])
@pytest.mark.parametrize("context", [{"auth_token": SECRET}, SECRET])
def test_a_plain_token_is_not_used(configured, caplog, keys, context):
    """A caller that does not seal is refused, and its token is not logged or told."""
    caplog.set_level(logging.DEBUG)
    conf = configured(*keys)
    with joined(conf, conf) as (_, calls):
        careless = stock(conf, "1.1")
        answer = careless.call({}, "get_port", port_id="p", context=context)
    assert answer["error"]["kinds"][0] == "InvalidRequest"
    assert "get_port: context:" in answer["error"]["message"]
    assert SECRET not in str(answer)
    assert SECRET not in caplog.text
    assert calls == []


@pytest.mark.parametrize(
    ("keys", "text"), [([], "needs a key"), (["hunter2"], "key 1 is malformed")]
)
def test_both_ends_refuse_to_start_without_sound_keys(configured, keys, text):
    """It is found before anything is served or sent, and no key is shown."""
    conf = configured(NEW)
    conf.set_override("user_token_keys", keys, "networker")
    for start in (rpc.connect, lambda conf: Server(conf, echo()[0])):
        with pytest.raises(ValueError, match=text) as caught:
            start(conf)
        assert "[networker] user_token_keys" in str(caught.value)
        assert "hunter2" not in str(caught.value)


@pytest.fixture
def config(tmp_path: pathlib.Path, configured: Configured) -> pathlib.Path:
    """Write a file with the same bus and the new key, for the command."""
    path = tmp_path / "networker.conf"
    path.write_text(
        "[DEFAULT]\ntransport_url = fake:/\n"
        f"[networker]\ntopic = {configured().networker.topic}\n"
        f"forward_user_tokens = true\nuser_token_keys = {NEW}\n"
    )
    return path


def test_the_command_reads_as_a_user(configured, run, monkeypatch, config):
    """The token is taken from the environment, and not shown with --debug either."""
    read = ["call", "get_port", "--port-id", "p", "--as-user"]
    conf = configured(NEW)
    with joined(conf, conf, get_port=Port(id="p")) as (_, calls):
        monkeypatch.delenv("OS_TOKEN", raising=False)
        code, _, err = run(*read)
        assert (code, "OS_TOKEN" in err) == (2, True)
        monkeypatch.setenv("OS_TOKEN", SECRET)
        code, out, err = run("--debug", "-v", *read)
        assert code == 0
        assert SECRET not in out + err
    assert calls == [
        ("get_port", {"port_id": "p", "context": UserContext(auth_token=SECRET)})
    ]
    config.write_text(config.read_text().replace("= true", "= false"))
    code, _, err = run(*read)
    assert code == 2
    assert "forward_user_tokens = true" in err
    config.write_text(config.read_text().replace(NEW, NEW[:-1]))
    code, _, err = run(*read)
    assert (code, err.count("\n")) == (2, 1)
    assert "key 1 is malformed" in err
    assert NEW[:-1] not in err
