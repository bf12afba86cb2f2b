# SPDX-License-Identifier: Apache-2.0
"""Users' tokens are sealed and opened as the configuration says."""

from __future__ import annotations

import logging
import time
import traceback
from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet, MultiFernet
from oslo_config import cfg

from networker import conf as options
from networker import exceptions
from networker.rpc import contract
from networker.rpc.tokens import OLDEST, Tokens

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
SECRET = "gAAAAABalice-0123456789"
GET_PORT = contract.methods()["get_port"]
WIRE = {"port_id": "p", "context": {"auth_token": SECRET, "user_id": "alice"}}


def configured(*keys: str, forward: bool = True) -> cfg.ConfigOpts:
    """Return a configuration that forwards tokens, sealed with some keys."""
    conf = options.register(cfg.ConfigOpts())
    conf([], default_config_files=[])
    conf.set_override("forward_user_tokens", forward, "networker")
    conf.set_override("user_token_keys", list(keys), "networker")
    return conf


def sealed_by(key: str, age: float = 0.0) -> str:
    """Return a context that was sealed some seconds ago."""
    text = msgspec.json.encode(WIRE["context"])
    return Fernet(key).encrypt_at_time(text, int(time.time() - age)).decode()


def tampered(sealed: str) -> str:
    """Return it with one character in the middle changed."""
    middle = len(sealed) // 2
    other = "A" if sealed[middle] != "A" else "B"
    return sealed[:middle] + other + sealed[middle + 1 :]


def test_what_is_sealed_is_opened():
    """The worker gets the arguments that the caller gave, and the bus none of it."""
    tokens = Tokens(configured(NEW))
    sealed = tokens.seal(GET_PORT, WIRE)
    assert sealed["port_id"] == "p"
    assert isinstance(sealed["context"], str)
    assert SECRET not in str(sealed)
    assert "alice" not in str(sealed)
    assert tokens.open(GET_PORT, sealed) == WIRE


def test_every_context_of_the_interface_is_sealed():
    """No method takes a user's context in a way that is not noticed."""
    tokens = Tokens(configured(NEW))
    found = []
    for method in contract.methods().values():
        for name, parameter in method.parameters.items():
            if "UserContext" in str(parameter.annotation):
                wire: dict[str, Any] = {name: {"auth_token": SECRET}}
                assert SECRET not in str(tokens.seal(method, wire)), method.name
                found.append(method.name)
    assert {"get_network", "get_port", "get_qos_policy", "get_subnet"} <= set(found)


def test_other_arguments_need_no_keys():
    """Where tokens are not forwarded, everything else is as before."""
    tokens = Tokens(configured(forward=False))
    for wire in ({"port_id": "p"}, {"port_id": "p", "context": None}):
        assert tokens.seal(GET_PORT, wire) == wire
        assert tokens.open(GET_PORT, wire) == wire


def test_the_first_key_seals_and_all_open():
    """So that keys can be changed one end after the other."""
    sealed = Tokens(configured(NEW, OLD)).seal(GET_PORT, WIRE)["context"]
    assert MultiFernet([Fernet(NEW)]).decrypt(sealed)
    for keys in ([NEW], [NEW, OLD], [OLD, NEW]):
        tokens = Tokens(configured(*keys))
        assert tokens.open(GET_PORT, {"context": sealed})["context"]["user_id"]


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (sealed_by(OLD), "not sealed with a key of this worker"),
        (tampered(sealed_by(NEW)), "not sealed with a key of this worker"),
        (sealed_by(NEW)[:40], "not sealed with a key of this worker"),
        (sealed_by(NEW, OLDEST + 2), f"more than {OLDEST} s ago"),
        (sealed_by(NEW, -3600), "a minute ahead"),
        (SECRET, "not sealed with a key of this worker"),
        ("é\ud800", "not sealed with a key of this worker"),
        ("", "not sealed with a key of this worker"),
        ({"auth_token": SECRET}, "revoke the token"),
        (5, "came unsealed"),
    ],
    ids=[
        "other key",
        "tampered",
        "cut",
        "old",
        "future",
        "plain text",
        "odd text",
        "empty",
        "plain",
        "number",
    ],
)
def test_what_is_not_sealed_well_is_refused(wire, text):
    """The message says what to do, and has nothing of the token."""
    with pytest.raises(exceptions.InvalidRequest, match=text) as caught:
        Tokens(configured(NEW)).open(GET_PORT, {"port_id": "p", "context": wire})
    told = "".join(traceback.format_exception(caught.value))
    assert "get_port: context: " in told
    assert SECRET not in told
    assert caught.value.method == "get_port"


def test_a_token_is_opened_until_it_is_too_old():
    """Just before the bound it is still good."""
    wire = {"context": sealed_by(NEW, OLDEST - 10)}
    assert Tokens(configured(NEW)).open(GET_PORT, wire)["context"] == WIRE["context"]


def test_where_they_are_not_forwarded_nothing_is_sealed_or_opened():
    """Keys alone do not switch it on, and both ends say which option does."""
    tokens = Tokens(configured(NEW, forward=False))
    option = r"\[networker\] forward_user_tokens = true and user_token_keys"
    with pytest.raises(exceptions.InvalidRequest, match=option) as caught:
        tokens.seal(GET_PORT, WIRE)
    assert SECRET not in str(caught.value)
    with pytest.raises(exceptions.InvalidRequest, match=option):
        tokens.open(GET_PORT, {"context": sealed_by(NEW)})
    with pytest.raises(exceptions.InvalidRequest, match="revoke"):
        tokens.open(GET_PORT, WIRE)


@pytest.mark.parametrize("token", ["", "a b", f"{SECRET}\n", f"{SECRET}é"])
def test_what_no_header_can_carry_is_not_sealed(token):
    """An HTTP library would cite it in its error."""
    with pytest.raises(exceptions.InvalidRequest, match="is no token") as caught:
        Tokens(configured(NEW)).seal(GET_PORT, {"context": {"auth_token": token}})
    assert SECRET not in str(caught.value)


def test_forwarding_needs_a_key():
    """Without one it is refused, and said how to make one."""
    with pytest.raises(ValueError, match=r"user_token_keys.*generate_key"):
        Tokens(configured())


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize(
    "key",
    [NEW[:-5], f"{NEW} {OLD}", "pass word", "schlüssel", ""],
    ids=["cut", "no comma", "password", "no ASCII", "empty"],
)
def test_a_malformed_key_is_counted_and_not_shown(key, forward):
    """Which one it is can be found without having it in a log."""
    with pytest.raises(ValueError, match="key 2 is malformed") as caught:
        Tokens(configured(NEW, key, OLD, forward=forward))
    told = "".join(traceback.format_exception(caught.value))
    assert NEW[:10] not in told
    assert not key or key not in told


def test_keys_are_read_from_a_file_and_not_logged(tmp_path, caplog):
    """Keys stand behind each other with commas; oslo.config masks them in a log."""
    path = tmp_path / "networker.conf"
    path.write_text(
        "[networker]\nforward_user_tokens = true\n"
        f"user_token_keys = {NEW}, {OLD}\n"  # as an operator writes it
    )
    conf = options.load(["--config-file", str(path)])
    assert conf.networker.user_token_keys == [NEW, OLD]
    tokens = Tokens(conf)
    assert tokens.open(GET_PORT, {"context": sealed_by(OLD)})["context"]
    caplog.set_level(logging.DEBUG)
    conf.log_opt_values(logging.getLogger(), logging.DEBUG)
    assert "user_token_keys" in caplog.text
    assert NEW not in caplog.text
