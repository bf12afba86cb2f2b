# SPDX-License-Identifier: Apache-2.0
"""Whatever lies on the queue, the worker lives, and answers where somebody waits."""

from __future__ import annotations

import json
import pathlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kombu.connection import Connection
from kombu.entity import Queue

from networker import exceptions, rpc
from networker.testing import processes
from networker.testing.rabbitmq import Node

NOWHERE = "11111111-2222-4333-8444-555555555555"
REQUEST = {
    "method": "get_port",
    "args": {"port_id": NOWHERE},
    "namespace": "network",
    "version": "1.0",
}


def envelope(message: object, version: object = "2.0") -> dict[str, object]:
    """Wrap a message as oslo.messaging does."""
    return {"oslo.version": version, "oslo.message": json.dumps(message)}


def request(**changes: object) -> dict[str, object]:
    """Return a request with changes; None takes a part away."""
    changed = REQUEST | {"_unique_id": uuid.uuid4().hex} | changes
    return {name: part for name, part in changed.items() if part is not None}


def deep(levels: int) -> Any:
    """Return lists in lists."""
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


#: Bodies that are no request at all, with their content type.
NOISE: dict[str, tuple[object, str]] = {
    "empty": (b"", "application/json"),
    "not JSON": (b"{", "application/json"),
    "bytes": (b"\xff\xfe\x00", "application/json"),
    "text": ("hello", "text/plain"),
    "pickle": (b"\x80\x04N.", "application/x-python-serialize"),
    "unknown type": (b"x", "application/x-alien"),
    "null": (b"null", "application/json"),
    "number": (b"5", "application/json"),
    "string": (b'"get_port"', "application/json"),
    "list": (b"[1]", "application/json"),
    "empty object": (b"{}", "application/json"),
    "deep": (b"[" * 5000, "application/json"),
    "a megabyte": (json.dumps("x" * 2**20).encode(), "application/json"),
    "no message": (json.dumps({"oslo.version": "2.0"}).encode(), "application/json"),
    "version 9": (json.dumps(envelope(REQUEST, "9.0")).encode(), "application/json"),
    "version 5": (json.dumps(envelope(REQUEST, 5)).encode(), "application/json"),
    "inner not JSON": (
        b'{"oslo.version": "2.0", "oslo.message": "{"}',
        "application/json",
    ),
    "inner list": (json.dumps(envelope([1])).encode(), "application/json"),
    "inner null": (json.dumps(envelope(None)).encode(), "application/json"),
    "inner number": (json.dumps(envelope(5)).encode(), "application/json"),
}

#: Requests that are wrong, with the errors that whoever waits is told.
WRONG: dict[str, dict[str, object]] = {
    "no method": request(method=None),
    "method number": request(method=5),
    "method list": request(method=["get_port"]),
    "unknown method": request(method="get_rich"),
    "private method": request(method="_exposed"),
    "attribute": request(method="target"),
    "dunder": request(method="__class__"),
    "args missing": request(args=None),
    "args null": request() | {"args": None},
    "args list": request(args=[NOWHERE]),
    "args text": request(args="port_id"),
    "args unknown": request(args={"port_id": NOWHERE, "colour": "blue"}),
    "args self": request(args={"port_id": NOWHERE, "self": 1}),
    "args context": request(args={"port_id": NOWHERE, "context": 1}),
    "args number": request(args={"port_id": 5}),
    "args empty": request(args={"port_id": ""}),
    "args deep": request(args={"port_id": deep(50)}),
    "version text": request(version="abc"),
    "version number": request(version=1),
    "version newer": request(version="1.99"),
    "version other": request(version="2.0"),
    "namespace none": request(namespace=None),
    "namespace other": request(namespace="gardening"),
    "namespace number": request(namespace=5),
    "deadline text": request(_context_deadline="soon"),
    "deadline over": request(_context_deadline=1.0),
}

#: Strange, and yet to be served: the answer is the driver's.
ODD: dict[str, dict[str, object]] = {
    "context number": request(_context_request_id=5),
    "context self": request(_context_operation_id={"a": [1]}),
    "timeout text": request(_timeout="abc"),
    "unknown part": request(colour="blue"),
}


@pytest.fixture(scope="module")
def running(
    broker: Node, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[rpc.Client, processes.Workers]]:
    """Run one worker process on a topic of its own."""
    directory: pathlib.Path = tmp_path_factory.mktemp("junk")
    config = processes.write(
        directory / "networker.conf",
        {
            "DEFAULT": {"transport_url": broker.url},
            "networker": {"topic": "junk", "workers": 1, "threads": 2},
            "sandbox": {"database": directory / "sandbox.sqlite"},
        },
    )
    with processes.serving(config) as (workers, client):
        yield client, workers


@pytest.fixture(scope="module")
def channel(broker: Node) -> Iterator[Connection]:
    with Connection(broker.url.replace("rabbit", "amqp", 1)) as connection:
        yield connection


def publish(connection: Connection, body: object, content_type: str) -> None:
    connection.Producer().publish(
        body,
        exchange="networker",
        routing_key="junk",
        content_type=content_type,
        content_encoding="binary" if isinstance(body, bytes) else "utf-8",
    )


def send(connection: Connection, message: dict[str, object]) -> None:
    body = json.dumps(envelope(message)).encode()
    publish(connection, body, "application/json")


def assert_it_serves(client: rpc.Client) -> None:
    """See to it that the same worker answers as before."""
    with pytest.raises(exceptions.PortNotFound):
        client.with_options(timeout=10).get_port(NOWHERE)


@pytest.mark.parametrize("kind", NOISE)
def test_noise_harms_nobody(running, channel, kind):
    """A body that is no request is dropped, and the worker goes on."""
    client, workers = running
    publish(channel, *NOISE[kind])
    assert_it_serves(client)
    assert workers.process.poll() is None
    assert "killed by signal" not in workers.log


@pytest.mark.parametrize("kind", [*WRONG, *ODD])
def test_who_waits_is_answered(running, channel, kind):
    """A wrong request is answered with an error at once, a strange one is served."""
    client, _ = running
    message = (WRONG | ODD)[kind]
    reply_q = f"reply-{uuid.uuid4()}"
    queue = Queue(reply_q, channel=channel, auto_delete=True, durable=False)
    queue.declare()
    send(channel, message | {"_msg_id": uuid.uuid4().hex, "_reply_q": reply_q})
    received: list[Any] = []

    def receive(body, message):
        message.ack()
        received.append(body)

    with channel.Consumer(queue, callbacks=[receive]):
        channel.drain_events(timeout=10)
    answer = received[0]
    error = answer["failure"] or (answer["result"] or {}).get("error")
    assert error
    if kind in ODD:
        assert answer["result"]["error"]["kinds"][0] == "PortNotFound"
    assert_it_serves(client)


@pytest.mark.parametrize("kind", WRONG)
def test_nobody_waits(running, channel, kind):
    """The same as a cast changes nothing for others."""
    client, _ = running
    send(channel, WRONG[kind])
    assert_it_serves(client)


def test_the_answer_goes_nowhere(running, channel):
    """A reply queue that does not exist holds up one thread, and no other call."""
    client, _ = running
    send(channel, request(_msg_id="1", _reply_q="nobody's"))
    send(channel, request(_msg_id="2"))
    assert_it_serves(client)


def test_the_same_message_twice(running, channel):
    """A duplicate is dropped, and the worker goes on."""
    client, _ = running
    message = request()
    send(channel, message)
    send(channel, message)
    assert_it_serves(client)
