# SPDX-License-Identifier: Apache-2.0
"""Whatever lies on a caller's reply queue, its calls end, each in the right way."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import amqp
import pytest
from kombu.connection import Connection

from networker import exceptions, rpc
from networker.models import Network
from networker.rpc.server import Server
from networker.testing import processes
from tests.functional.test_bus import echo
from tests.integration import junk
from tests.integration.junk import Junk

MODES = ["transient", "durable"]
SOUND = {"result": {"worker": "w", "result": {"id": "n"}}, "failure": None}

#: Answers to a call that are none.
BAD: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no result": {"failure": None, "ending": True},
    "no failure": {"result": None, "ending": True},
    "failure not JSON": {"result": None, "failure": "{", "ending": True},
    "failure number": {"result": None, "failure": 5, "ending": True},
    "failure list": {"result": None, "failure": "[1]", "ending": True},
    "failure object": {"result": None, "failure": {"class": "E"}, "ending": True},
    "failure without class": {"result": None, "failure": "{}", "ending": True},
    "failure class number": {"result": None, "failure": '{"class": 5}', "ending": True},
    "failure deep": {"result": None, "failure": "[" * 5000, "ending": True},
    "failure of this process": {
        "result": None,
        "failure": '{"class": "SystemExit", "module": "builtins", "args": [3]}',
        "ending": True,
    },
    "failure of a megabyte": {
        "result": None,
        "failure": json.dumps({"class": "E" * 2**20, "message": "x" * 2**20}),
        "ending": True,
    },
    "not the end": SOUND | {"ending": False},
    "end of no kind": SOUND | {"ending": "yes"},
    "result null": {"result": None, "failure": None, "ending": True},
    "result number": {"result": 5, "failure": None, "ending": True},
    "result list": {"result": [1], "failure": None, "ending": True},
    "result deep": {"result": junk.deep(900), "failure": None, "ending": True},
    "result of another kind": {
        "result": {"result": {"id": 5}},
        "failure": None,
        "ending": True,
    },
    "error without kinds": {
        "result": {"error": {"message": "m"}},
        "failure": None,
        "ending": True,
    },
    "error of no kind": {
        "result": {"error": {"kinds": "NotFound", "message": 5}},
        "failure": None,
        "ending": True,
    },
}


@contextlib.contextmanager
def pretending(url: str, topic: str, answer: Callable[[], Any]) -> Iterator[None]:
    """Be a worker that answers as it is told."""
    ended = threading.Event()
    with Connection(url.replace("rabbit", "amqp", 1)) as connection:
        channel = connection.channel()
        channel.exchange_declare("networker", "topic", durable=True, auto_delete=False)
        channel.queue_declare(topic, durable=True, auto_delete=False)
        channel.queue_bind(topic, "networker", topic)

        def serve(message: amqp.Message) -> None:
            request = json.loads(message.body)
            request = json.loads(request.get("oslo.message", message.body))
            body = {"_msg_id": request["_msg_id"]} | answer()
            reply = Junk(json.dumps(body).encode()).message()
            channel.basic_publish(reply, exchange="", routing_key=request["_reply_q"])

        channel.basic_consume(topic, no_ack=True, callback=serve)

        def work() -> None:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=0.1)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            channel.queue_delete(topic)


@pytest.mark.parametrize("mode", MODES)
def test_an_answer_that_is_none_ends_its_call(broker, configured, mode):
    """The call ends at once with WorkerError, the first one and those that follow."""
    conf = processes.configuration(configured(networker={"calls": mode}))
    answers: list[dict[str, Any]] = []
    with (
        pretending(broker.url, conf.networker.topic, lambda: answers[0]),
        rpc.connect(conf) as connected,
    ):
        client = connected.with_options(timeout=30)
        for bad in BAD.values():
            answers[:] = [bad]
            began = time.monotonic()
            with pytest.raises(exceptions.WorkerError, match="get_network") as told:
                client.get_network("n")
            assert time.monotonic() - began < 20
            assert len(str(told.value)) < 1500
            answers[:] = [SOUND | {"ending": True}]
            assert client.get_network("n").id == "n"


@pytest.mark.parametrize("kind", ["not the end", "failure not JSON", "no result"])
def test_the_first_answer_is_none(broker, configured, kind):
    """oslo.messaging's own way, by which the first call goes, knows it as well."""
    conf = processes.configuration(configured())
    with (
        pretending(broker.url, conf.networker.topic, lambda: BAD[kind]),
        rpc.connect(conf) as client,
        pytest.raises(exceptions.WorkerError, match="the answer cannot be read"),
    ):
        client.with_options(timeout=30).get_network("n")


def reply_queues(broker: Any) -> set[str]:
    """Return the names of all callers' queues."""
    names = broker.control("list_queues", "name").split()
    return {name for name in names if name.startswith("reply_")}


@pytest.mark.parametrize("mode", MODES)
def test_junk_in_a_reply_queue(broker, configured, caplog, mode):
    """It is dropped with one line for all of it; calls before and after are answered."""
    conf = processes.configuration(configured(networker={"calls": mode}))
    held, release = threading.Event(), threading.Event()

    def hold(**_: object) -> Network:
        held.set()
        assert release.wait(60)
        return Network(id="n")

    driver, _ = echo(get_network=hold, get_port=None)
    server = Server(conf, driver)
    server.start()
    others = reply_queues(broker)
    ids: list[str | None] = []
    with rpc.connect(conf) as connected, caplog.at_level(logging.INFO):
        client = connected.with_options(timeout=60)
        waiting = threading.Thread(
            target=lambda: ids.append(client.get_network("n").id)
        )
        waiting.start()
        assert held.wait(30)
        (name,) = reply_queues(broker) - others
        url = broker.url.replace("rabbit", "amqp", 1)
        with Connection(url) as connection:
            publish_all(connection.channel(), name)
        release.set()
        waiting.join()
        assert ids == ["n"]
        for _ in range(3):
            client.get_network("n")
    server.stop()
    ours = [r for r in caplog.records if "was dropped" in r.getMessage()]
    assert len(ours) == 1
    assert f"bytes on {name} was dropped: it" in ours[0].getMessage()
    assert all(len(r.getMessage()) < 2000 for r in caplog.records)
    assert not any(r.exc_info for r in caplog.records)


def publish_all(channel: amqp.Channel, queue: str) -> None:
    """Put everything that is no answer on a queue."""
    foreign: list[Any] = [
        {},
        junk.request(),
        SOUND,
        SOUND | {"_msg_id": None},
        SOUND | {"_msg_id": 5},
        SOUND | {"_msg_id": ["m"]},
        SOUND | {"_msg_id": {"a": 1}},
        SOUND | {"_msg_id": "x" * 2**20},
        SOUND | {"_msg_id": uuid.uuid4().hex},
    ]
    messages = [junk.filled(kind) for kind in junk.NOISE]
    messages += [Junk(json.dumps(body).encode()) for body in foreign]
    for message in messages:
        channel.basic_publish(message.message(), exchange="", routing_key=queue)
    channel.queue_declare(queue, passive=True)  # the broker has got them all
