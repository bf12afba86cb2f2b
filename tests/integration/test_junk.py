# SPDX-License-Identifier: Apache-2.0
"""Whatever lies on the queue, the worker lives, and answers where somebody waits.

Each kind is sent more often than the worker takes requests at a time: if one of them stayed
neither acknowledged nor rejected for each time, no request would be served after it.
"""

from __future__ import annotations

import copy
import json
import os
import pathlib
import random
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import amqp
import psutil
import pytest
import tenacity
from kombu.connection import Connection

from networker import exceptions, rpc
from networker.rpc.rabbitmq.dead_letters import DeadLetters
from networker.rpc.rabbitmq.pyamqp import frame_handler
from networker.rpc.transport import open_transport
from networker.testing import processes
from networker.testing.rabbitmq import Node
from tests.integration import junk
from tests.integration.junk import Junk

THREADS = 2
#: One more than the worker holds of a queue.
ENOUGH = THREADS + 1
MOST = 2**20 + 2**19
#: Bytes by which a worker may grow while it refuses what would be many times as much.
GROWTH = 64 * 2**20
QUEUES = ["junk", "junk.calls"]
DEAD = "junk.dead"


def eventually(condition: Callable[[], bool], timeout: float = 20) -> None:
    """Wait until a condition holds, and fail if it does not in time."""
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda held: not held),
        wait=tenacity.wait_fixed(0.02),
        stop=tenacity.stop_after_delay(timeout),
    )(condition)


@pytest.fixture(scope="module")
def running(
    broker: Node, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[rpc.Client, processes.Workers]]:
    """Run one worker process on a topic of its own."""
    directory: pathlib.Path = tmp_path_factory.mktemp("junk")
    numbers = {"workers": 1, "threads": THREADS}
    networker = {"driver": "sandbox", "topic": "junk", **numbers}
    config = processes.write(
        directory / "networker.conf",
        {
            "DEFAULT": {"transport_url": broker.url},
            "networker": networker | {"max_message_size": MOST},
            "sandbox": {"database": directory / "sandbox.sqlite"},
        },
    )
    with processes.serving(config) as (workers, client):
        yield client, workers


@pytest.fixture(scope="module")
def channel(broker: Node) -> Iterator[amqp.Channel]:
    url = broker.url.replace("rabbit", "amqp", 1)
    options = {"frame_handler": frame_handler}
    with Connection(url, transport_options=options) as connection:
        channel = connection.channel()
        channel.auto_decode = False
        yield channel


class Caller:
    """Somebody who speaks oslo.messaging's language, more or less."""

    def __init__(self, channel: amqp.Channel) -> None:
        self.channel = channel
        self.queue = f"reply_{uuid.uuid4().hex}"
        self.answers: list[dict[str, Any]] = []
        channel.queue_declare(self.queue, exclusive=True, auto_delete=False)
        self.tag = channel.basic_consume(
            self.queue, no_ack=True, callback=self._received
        )

    def _received(self, message: amqp.Message) -> None:
        self.answers.append(json.loads(message.body))

    def publish(self, queue: str, message: Junk) -> None:
        """Put something on a queue."""
        self.channel.basic_publish(message.message(), exchange="", routing_key=queue)

    def ask(self, queue: str, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request, and return its answer."""
        msg_id = uuid.uuid4().hex
        asked = request | {"_msg_id": msg_id, "_reply_q": self.queue}
        self.publish(queue, Junk(junk.envelope(asked)))
        while not self.answers:
            self.channel.connection.drain_events(timeout=20)
        (answer,) = self.answers
        self.answers.clear()
        assert answer["_msg_id"] == msg_id
        return answer

    def count(self, queue: str) -> int:
        """Return how many messages wait on a queue."""
        return int(self.channel.queue_declare(queue, passive=True).message_count)

    def served(self) -> None:
        """See to it that requests from both queues are answered as before."""
        for queue in QUEUES:
            answer = self.ask(queue, junk.request())
            assert answer["result"]["error"]["kinds"][0] == "PortNotFound"

    def buried(self, count: int) -> list[amqp.Message]:
        """Take so many dead letters, when they are there."""
        eventually(lambda: self.count(DEAD) >= count)
        found = [self.channel.basic_get(DEAD, no_ack=True) for _ in range(count)]
        assert self.count(DEAD) == 0
        return found


@pytest.fixture
def caller(running, channel) -> Iterator[Caller]:
    caller = Caller(channel)
    yield caller
    channel.basic_cancel(caller.tag)
    channel.queue_delete(caller.queue)


@pytest.fixture(autouse=True)
def clean_log(running) -> Iterator[None]:
    """See to it that no test makes the worker log a traceback, or an endless line."""
    _, workers = running
    before = len(workers.log)
    yield
    written = workers.log[before:]
    assert "Traceback" not in written
    assert "killed by signal" not in written
    assert not re.search("^ERROR forged", written, re.MULTILINE)
    assert max(map(len, written.splitlines()), default=0) < 2000
    assert workers.process.poll() is None


def lines(workers: processes.Workers, text: str) -> list[str]:
    """Return the lines of the worker's log with a text."""
    return [line for line in workers.log.splitlines() if text in line]


def peak(workers: processes.Workers) -> int:
    """Return the most memory that a worker process ever had, in bytes."""
    found = 0
    for child in psutil.Process(workers.process.pid).children(recursive=True):
        found = max(found, _peak_of(child.pid))
    return found


def _peak_of(pid: int) -> int:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kilobytes) * 1024


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("kind", junk.NOISE)
def test_noise_is_put_aside(running, caller, kind, queue):
    """A body that is no request ends among the dead letters, with a line that says why."""
    _, workers = running
    message, before = junk.filled(kind), peak(workers)
    told = len(lines(workers, "was put aside"))
    for _ in range(ENOUGH):
        caller.publish(queue, message)
    caller.served()
    letters = caller.buried(ENOUGH)
    assert {letter.body or b"" for letter in letters} == {message.body}
    said = lines(workers, "was put aside")[told:]
    assert len(said) == ENOUGH
    assert f"a message of {len(message.body)} bytes on {queue} was" in said[0]
    assert f"in {DEAD}: it" in said[0]
    assert peak(workers) - before < GROWTH


def test_dead_letters_are_read_without_being_unpacked(running, caller):
    """Whoever looks at the dead letters sees them all, and needs no more memory."""
    _, workers = running
    kinds = [*junk.NOISE]
    for kind in kinds:
        caller.publish("junk", junk.filled(kind))
    eventually(lambda: caller.count(DEAD) == len(kinds))
    conf = processes.configuration(workers.log_path.with_suffix(".conf"))
    dead = DeadLetters(conf, open_transport(conf))
    before = _peak_of(os.getpid())
    letters = dead.read()
    assert len(letters) == len(kinds)
    assert {letter.reason for letter in letters} <= {"rejected", None}
    readable = [letter for letter in letters if letter.request]
    assert not readable
    assert max(len(letter.body) for letter in letters) < 2**19
    eventually(lambda: caller.count(DEAD) == len(kinds))
    assert len(dead.drop()) == len(kinds)
    eventually(lambda: caller.count(DEAD) == 0)
    assert _peak_of(os.getpid()) - before < GROWTH


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("kind", junk.NOWHERE_TO_ANSWER)
def test_who_cannot_be_answered(running, caller, kind, queue):
    """A request whose caller cannot be one is not run, but put aside."""
    _, workers = running
    message = json.dumps(junk.request() | junk.NOWHERE_TO_ANSWER[kind]).encode()
    for _ in range(ENOUGH):
        caller.publish(queue, Junk(message))
    caller.served()
    caller.buried(ENOUGH)
    assert re.search("none that callers make", lines(workers, "was put aside")[-1])


@pytest.mark.parametrize("named", ["junk", "junk.calls", "junk.dead", "foreign"])
def test_nobody_makes_a_worker_write_elsewhere(caller, named):
    """A reply queue that is somebody's queue for something else gets nothing."""
    caller.channel.queue_declare("foreign", durable=True, auto_delete=False)
    asked = junk.request(_msg_id="1", _reply_q=named)
    caller.publish("junk", Junk(json.dumps(asked).encode()))
    (letter,) = caller.buried(1)
    assert json.loads(letter.body)["_reply_q"] == named
    assert [caller.count(queue) for queue in (*QUEUES, "foreign")] == [0, 0, 0]


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("kind", [*junk.UNSERVABLE, *junk.WRONG, *junk.ODD])
def test_who_waits_is_answered(caller, kind, queue):
    """A wrong request is answered with an error at once, a strange one is served."""
    message = (junk.UNSERVABLE | junk.WRONG | junk.ODD)[kind]
    for _ in range(ENOUGH):
        error = caller.ask(queue, message)["result"]["error"]
        refused = {"InvalidRequest", "UnsupportedVersion", "CallTimeout"}
        late = kind == "deadline true"
        wanted = {"PortNotFound"} if kind in junk.ODD and not late else refused
        assert error["kinds"][0] in wanted or (
            late and "PortNotFound" in error["kinds"]
        )
    caller.served()


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("kind", junk.UNSERVABLE)
def test_a_cast_that_nobody_serves_is_put_aside(caller, kind, queue):
    """A cast of which no worker knows the method waits for an operator."""
    for _ in range(ENOUGH):
        caller.publish(queue, Junk(junk.envelope(junk.UNSERVABLE[kind])))
    caller.served()
    caller.buried(ENOUGH)


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("kind", [*junk.WRONG, *junk.ODD])
def test_a_cast_that_fails_is_over(caller, kind, queue):
    """A cast with wrong arguments is run and forgotten."""
    for _ in range(ENOUGH):
        caller.publish(queue, Junk(junk.envelope((junk.WRONG | junk.ODD)[kind])))
    caller.served()
    eventually(lambda: caller.count(queue) == 0)
    assert caller.count(DEAD) == 0


def test_names_of_oslo_messagings_queue_manager(caller, channel):
    """A caller that has its queues managed is answered, too."""
    managed = f"reply_host.example.org:nova-api wsgi:{uuid.uuid4().int % 1000}"
    channel.queue_declare(managed, exclusive=True, auto_delete=True)
    asked = junk.request(_msg_id="m", _reply_q=managed)
    caller.publish("junk", Junk(json.dumps(asked).encode()))
    eventually(lambda: caller.count(managed) == 1)


def test_the_answer_goes_nowhere(running, caller):
    """A reply queue that does not exist any more harms no other call."""
    for number in range(ENOUGH):
        gone = junk.request(_msg_id=str(number), _reply_q=f"reply_{uuid.uuid4().hex}")
        caller.publish("junk.calls", Junk(junk.envelope(gone)))
    caller.served()
    client, _ = running
    with pytest.raises(exceptions.PortNotFound):
        client.with_options(timeout=10).get_port(junk.NOWHERE)


def test_the_same_message_twice(caller):
    """A duplicate is run again, and the worker goes on."""
    message = Junk(junk.envelope(junk.request()))
    caller.publish("junk", message)
    caller.publish("junk", message)
    caller.served()


def _mutated(rand: random.Random, queue: str) -> Junk:
    """Return a request with one to three things wrong."""
    replies: dict[str, Any] = {"_msg_id": "m", "_reply_q": queue}
    context = {
        "_context_operation_id": "o",
        "_context_deadline": None,
        "_timeout": None,
    }
    message = (
        copy.deepcopy(junk.request())
        | context
        | (replies if rand.random() < 0.5 else {})
    )
    values: list[Any] = [
        None,
        0,
        -1,
        1.5,
        10**25,
        "",
        "x",
        "\x00\n",
        "x" * 3000,
        [],
        {},
        [[1]],
        True,
    ]
    for _ in range(rand.randint(1, 3)):
        place = rand.choice([message, message.get("args")])
        if not isinstance(place, dict) or not place:
            place = message
        key = rand.choice(sorted(place))
        if rand.random() < 0.2:
            del place[key]
        else:
            place[rand.choice([key, key, "new"])] = rand.choice(values)
        if not message:
            break
    body = rand.choice([junk.envelope, lambda m: json.dumps(m).encode()])(message)
    if rand.random() < 0.3:
        at = rand.randrange(len(body))
        noise = rand.randbytes(rand.randint(0, 3))
        body = body[:at] + noise + body[at + rand.randint(0, 3) :]
    types = ["application/json"] * 6 + [None, "text/plain"]
    encodings = ["utf-8"] * 6 + [None, "latin-1"]
    headers: dict[str, Any] = rand.choice(
        [{}] * 8 + [{"compression": "gzip"}, {"x-death": 5}]
    )
    return Junk(body, rand.choice(types), rand.choice(encodings), headers)


@pytest.mark.parametrize("seed", range(2))
def test_random_changes_to_a_request(running, caller, broker, seed):
    """After hundreds of them nothing is held, nothing waits, and requests are served."""
    rand = random.Random(seed)
    for _ in range(300):
        caller.publish(rand.choice(QUEUES), _mutated(rand, caller.queue))
    eventually(lambda: not any(map(caller.count, QUEUES)), timeout=60)
    while True:  # answers to those that could be answered
        try:
            caller.channel.connection.drain_events(timeout=1)
        except TimeoutError:
            break
    answered = len(caller.answers)
    caller.answers.clear()
    caller.served()
    buried = caller.channel.queue_purge(DEAD)
    assert answered
    assert buried
    eventually(lambda: held(broker) == 0)


def held(broker: Node) -> int:
    """Return how many messages of the topic's queues are not acknowledged."""
    listed = broker.control("list_queues", "name", "messages_unacknowledged")
    rows = [line.split("\t") for line in listed.splitlines()]
    return sum(int(row[1]) for row in rows if row[0] in QUEUES)


def test_afterwards_nothing_is_held(running, caller, broker):
    """What was sent before has ended, each in its way."""
    caller.served()
    eventually(lambda: held(broker) == 0)
