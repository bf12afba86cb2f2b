# SPDX-License-Identifier: Apache-2.0
"""Whatever comes, the worker's edge says what it is, and answers what it can."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from networker import exceptions
from networker._text import abbreviated, printable
from networker.context import Context
from networker.rpc import codec, contract
from networker.rpc.dispatcher import Dispatcher
from networker.rpc.rabbitmq import message as messages
from networker.rpc.tokens import Tokens
from networker.testing import kit
from tests.functional.test_bus import echo

MOST = 2**16
patient = settings(
    deadline=None, max_examples=50, suppress_health_check=list(HealthCheck)
)
SIMPLE = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
)
JSON = st.recursive(
    SIMPLE,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
PARTS = st.sampled_from(
    ["method", "args", "namespace", "version", "_msg_id", "_reply_q", "_timeout"]
)
MESSAGES = st.dictionaries(PARTS | st.text(), JSON)


def arrived(body: Any, **properties: Any) -> messages.Message:
    """Return a message as it comes from the broker."""
    raw = SimpleNamespace(
        body=body, properties=properties, delivery_tag=1, delivery_info={}
    )
    return messages.Message(raw, None)


def assert_is_a_line(text: str) -> None:
    assert text.isprintable()
    assert len(text) < 500


@patient
@given(body=st.binary(), kind=st.text(), headers=st.dictionaries(st.text(), JSON))
def test_any_message_is_read_or_refused(body, kind, headers):
    """No bytes and no properties raise anything else, and the reason is one short line."""
    message = arrived(body, content_type=kind, application_headers=headers)
    why = ""
    try:
        assert isinstance(messages.read(message, MOST), dict)
    except messages.Unreadable as error:
        why = str(error)
    assert_is_a_line(why)


@pytest.mark.long
@patient
@given(message=MESSAGES)
@example({"_msg_id": [], "_reply_q": {}})
@example({"method": "get_port", "namespace": "network", "version": "1.0\n"})
def test_any_request_is_judged(message):
    """Where the answer goes, and what is wrong, are found out for any JSON."""
    why, msg_id, reply_q = "", None, None
    try:
        msg_id, reply_q = messages.reply_address(dict(message))
    except messages.Malformed as error:
        why = str(error)
    assert_is_a_line(why)
    assert (msg_id is None) == (reply_q is None)
    assert reply_q is None or reply_q.startswith("reply_")
    wrong = messages.unservable(message)
    if wrong is None:
        assert message.get("method") in {*contract.methods(), "oslo_rpc_server_ping"}
        assert isinstance(message.get("args", {}), dict)
    else:
        assert_is_a_line(str(wrong))
    assert messages.monitored(dict(message)) is None or message["_timeout"] > 1


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("reply_" + "0a" * 16, True),
        ("reply_host-1.example.org:octavia-worker:12", True),
        ("reply_host:uwsgi app:1", True),
        ("reply_" + "0A" * 16, False),
        ("reply_" + "0" * 33, False),
        ("reply_", False),
        ("reply_a:b:c", False),
        ("reply_a:b:1\n", False),
        ("xreply_" + "0" * 32, False),
        ("networker", False),
        ("networker.dead", False),
        ("reply_" + "h" * 248 + ":p:1", False),
    ],
)
def test_reply_queues_that_callers_make(name, made):
    """A worker writes into these queues and no others."""
    message = {"_msg_id": "1", "_reply_q": name}
    if made:
        assert messages.reply_address(message) == ("1", name)
    else:
        with pytest.raises(messages.Malformed, match="_reply_q"):
            messages.reply_address(message)


@pytest.fixture(scope="module")
def dispatcher(tmp_path_factory):
    conf = kit.configuration(tmp_path_factory.mktemp("messages") / "unused.sqlite")
    return Dispatcher(echo()[0], Tokens(conf), most=MOST)


@pytest.mark.long
@patient
@given(
    name=st.sampled_from(sorted(contract.methods())),
    context=st.dictionaries(
        st.sampled_from(["operation_id", "request_id", "deadline", "sent", "awaited"])
        | st.text(),
        JSON,
    ),
    arguments=st.dictionaries(
        st.sampled_from(["port_id", "load_balancer", "vip"]) | st.text(), JSON
    ),
)
def test_any_request_is_answered(dispatcher, caplog, name, context, arguments):
    """The dispatcher answers with what can be sent, and logs no traceback."""
    caplog.clear()
    with caplog.at_level(logging.INFO):
        answer = dispatcher.handle(contract.methods()[name], context, arguments)
    msgspec.json.encode(answer)
    assert not codec.excess(answer, MOST)
    assert not any(record.exc_info for record in caplog.records)
    assert all(r.getMessage().isprintable() for r in caplog.records)


@pytest.mark.parametrize("value", ["a\nb", "x" * 256, "", "é", 5, None, {}])
def test_an_id_that_could_forge_a_log_is_replaced(value):
    """Only what fits into one line and one header is taken for an id."""
    ids = Context.from_wire({"request_id": value, "operation_id": value}).to_wire()
    assert value not in (ids["request_id"], ids["operation_id"])
    assert ids["operation_id"]


@patient
@given(text=st.text(st.characters()), most=st.integers(1, 50))
def test_text_of_others_in_one_line(text, most):
    """It has no control characters, and is short."""
    assert printable(text, most).isprintable()
    assert len(printable(text, most)) <= 10 * most + 40
    assert len(abbreviated([text] * 100)) < 500


def test_repeated_warnings_are_counted(caplog, monkeypatch):
    """Of many lines about the same there is one, at once, and one a minute after it."""
    now = time.monotonic()
    limited = messages.RateLimitedWarnings(logging.getLogger("networker.test"))
    for number in range(5):
        limited.warning(f"line {number}")
    assert [record.getMessage() for record in caplog.records] == ["line 0"]
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    limited.warning("line 5")
    assert (
        caplog.records[-1]
        .getMessage()
        .endswith("(and 4 more since the last such line)")
    )


def test_the_size_of_a_message_is_what_is_sent_at_most():
    """Whatever is in it, it is not larger than it was measured."""
    for text in ("x", '"', "\\", "é", "€", "😀", "\x00"):
        content = [{"a": text * 20_000}]
        bare = len(msgspec.json.encode(content))
        assert not codec.excess(content, 2**24)
        assert codec.excess(content, MOST // 4) >= bare
    with pytest.raises(exceptions.InvalidRequest, match="m: the request has"):
        codec.check_request("m", "x" * MOST, MOST)
