# SPDX-License-Identifier: Apache-2.0
"""The tools of the benchmarks: do they count right, and judge right?"""

from __future__ import annotations

import dataclasses
import json
import socket
import threading

import msgspec
import pytest

from networker.rpc import codec, contract
from tests.bench import driver, memory, operations, pairs
from tests.bench.counting import counted
from tests.bench.ends import loop
from tests.bench.ends.lives import Server, Step, Taken
from tests.bench.results import Limit, Row, failure, ratios
from tests.bench.tap import Tap
from tests.contract.meter import Request

ONE_ID, OTHER_ID = (f"{n}0000000-0000-4000-8000-000000000000" for n in (1, 2))
LIST = "GET http://cloud/v2.0/ports?device_id=a-server"
#: networker's look at ports; another one may be looked at besides.
LOOK = f"GET http://cloud/v2.0/ports?fields=device_id&id={ONE_ID}"
DETACH = "DELETE http://cloud/v2.1/servers/a-server/os-interface/a-port"


def frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind, 0, 1]) + len(payload).to_bytes(4, "big") + payload + b"\xce"


def taken(*requests: tuple[str, float, float], seconds: float = 1.0) -> Taken:
    return Taken(seconds, [Request(*one) for one in requests])


def test_limits_are_for_the_median():
    """One slow round does not miss a limit, and a slow median does."""
    limit = Limit(most=5.0)
    assert Row("quick", "ms", [1.0, 2.0, 90.0], limit=limit).verdict == "OK"
    assert Row("slow", "ms", [1.0, 6.0, 90.0], limit=limit).verdict == "TOO SLOW"
    assert Row("free", "ms", [90.0]).verdict == ""


def test_ratios_are_taken_round_by_round():
    """A machine that slows down for a round slows down both sides of a ratio."""
    ours, theirs = [100.0, 10.0, 100.0], [50.0, 5.0, 50.0]
    limit = Limit(least=1.5, of_ratio=True)
    row = Row("x", "/s", theirs, "us / x", ratios(ours, theirs), limit)
    assert (row.ratio, row.holds) == (2.0, True)


@pytest.mark.parametrize("callers", [1, 3])
def test_an_order_of_calls_is_carried_out_to_the_last_one(callers):
    """As many calls are made as were ordered, however many callers share them."""
    made = []
    measured = loop.Callers(lambda: lambda: made.append(1)).measure(
        loop.Order(callers, calls=10)
    )
    assert (len(made), len(measured)) == (10, 10)


def test_a_call_that_is_late_counts_from_when_it_was_due():
    """In a steady stream, what waits behind a slow call is slow as well."""
    pauses = iter([0.3, 0.0, 0.0])
    stop = threading.Event()
    callers = loop.Callers(lambda: lambda: stop.wait(next(pauses)))
    taken = callers.measure(loop.Order(1, calls=3, every=0.1))
    assert taken[1] >= 0.19
    assert taken[2] >= 0.09


def test_there_are_values_for_every_method():
    """What is made up for the interface is what it wants, with nothing left out."""
    values = driver.Values(seed=1)
    for method in contract.methods().values():
        arguments = {
            name: values.of(parameter.annotation, name)
            for name, parameter in method.parameters.items()
        }
        wire = codec.encode_arguments(method, arguments)
        assert codec.decode_arguments(method, wire).keys() == wire.keys()
        msgspec.convert(msgspec.to_builtins(values.of(method.returns)), method.returns)


def test_a_call_sends_about_a_kilobyte():
    """The arguments of the call that is measured are as long as they are said to be."""
    lb, vip = driver.balancer(driver.Values(seed=1))
    method = contract.methods()["plug_vip"]
    wire = codec.encode_arguments(method, {"load_balancer": lb, "vip": vip})
    assert 900 < len(msgspec.json.encode(wire)) < 1200


def test_the_tap_counts_bodies_by_direction():
    """Of what passes, the bodies of messages are counted, whole or in pieces."""
    with (
        socket.create_server(("127.0.0.1", 0)) as broker,
        Tap(broker.getsockname()[1]) as tap,
        socket.create_connection(("127.0.0.1", tap.port)) as client,
        broker.accept()[0] as there,
    ):
        sent = b"AMQP\x00\x00\x09\x01" + frame(1, b"method") + frame(3, b"request")
        client.sendall(sent[:20])
        client.sendall(sent[20:])
        received = frame(1, b"m") + frame(3, b"reply")
        there.sendall(received)
        for side, count in ((there, len(sent)), (client, len(received))):
            left = count
            while left:
                left -= len(side.recv(left))
        assert (tap.count().sent, tap.count().received) == (7, 5)


def test_requests_that_wait_for_each_other_are_waves():
    """Two requests at the same time are one wave, and what follows them is another."""
    at_once = [("GET http://a/", 0.0, 1.0), ("GET http://b/", 0.5, 2.0)]
    cost = counted([taken(*at_once, ("PUT http://c/", 2.0, 3.0))])
    assert (cost.requests, cost.waves, cost.polls) == (3, 2, 0)


def test_a_busy_round_does_not_make_more_waves():
    """Requests that met in any round do not wait for each other."""
    met = taken(("GET http://a/", 0.0, 1.0), ("GET http://b/", 0.5, 2.0))
    missed = taken(("GET http://a/", 0.0, 1.0), ("GET http://b/", 1.0, 2.0))
    assert [counted([missed]).waves, counted([missed, met, missed]).waves] == [2, 1]


@pytest.mark.parametrize(
    "looks",
    [[LIST] * 3, [f"{LOOK}&id={OTHER_ID}", f"{LOOK}&id={OTHER_ID}", LOOK]],
    ids=["Octavia's", "networker's"],
)
def test_polls_are_said_beside(looks):
    """Of looks for the end of a detach the first is a request, the others are polls."""
    made = [LIST, DETACH, *looks, "DELETE http://cloud/v2.0/ports/a-port"]
    cost = counted([taken(*((what, n, n + 0.9) for n, what in enumerate(made)))])
    assert (cost.requests, cost.waves, cost.polls) == (4, 4, 2)


def test_a_list_asked_for_twice_is_no_poll():
    """Without a detach before it, what is asked again is another request."""
    made = [LIST, LIST, DETACH, LIST]
    cost = counted([taken(*((what, n, n + 0.9) for n, what in enumerate(made)))])
    assert (cost.requests, cost.polls) == (4, 0)


@pytest.mark.parametrize(
    ("asked", "ms", "verdict"),
    [
        ((3, 2), 1.0, "OK"),
        ((4, 2), 1.0, "TOO MANY"),
        ((2, 3), 1.0, "TOO MANY"),
        ((3, 2), 9.0, "TOO SLOW"),
    ],
)
def test_a_row_has_to_keep_all_its_limits(asked, ms, verdict):
    """Requests, waves and time have limits of their own."""
    row = Row("x", "ms", [ms], limit=Limit(most=5.0), asked=asked, most=(3, 2))
    assert (row.verdict, row.limits) == (verdict, "<= 5\n<= 3 / 2")


def test_operations_are_compared_with_octavia():
    """networker's row has the count and its limit, Octavia's the ratio and its own."""
    fast = taken(*((f"GET http://{n}/", 0.0, 1.0) for n in range(15)), seconds=1.0)
    slow = taken(("GET http://a/", 0.0, 1.0), seconds=2.0)
    slowest = taken(seconds=3.0)
    (whole,) = [one for one in operations.WHOLE if one.step == "create"]
    sides = {"networker": [fast], "Octavia": [slow], "networker, by the bus": [slowest]}
    sides["by hand"] = [fast]
    ours, theirs, bus, hand = operations.compared(whole, sides)
    assert (ours.asked, ours.verdict) == ((15, 1), "TOO MANY")
    assert (theirs.ratio, theirs.verdict) == (0.5, "OK")
    assert (bus.ratio, bus.verdict) == (1.5, "")
    assert (hand.ratio, hand.verdict) == (0.5, "")


def test_many_amphorae_may_not_take_more_waves():
    """Plugging eight is held to the waves of plugging one."""
    one = taken(("POST http://a/", 0.0, 1.0))
    chain = taken(("POST http://a/", 0.0, 1.0), ("POST http://b/", 1.0, 2.0))
    found = {what: {"networker": [one]} for what in operations.PLUGS}
    assert [row.verdict for row in operations.plugged(found)] == ["OK", "OK"]
    found[operations.PLUGS[1]] = {"networker": [chain]}
    assert [row.verdict for row in operations.plugged(found)] == ["OK", "TOO MANY"]


def test_a_step_is_read_as_it_was_ordered():
    """What crosses the pipe to a process that drives a cloud is whole."""
    step = Step(
        "an-lb", [Server("an-amphora", "a-server", "10.0.0.1")], "plug", {"n": 1}
    )
    assert Step.read(json.dumps(dataclasses.asdict(step))) == step
    answer = taken(("GET http://a/", 0.0, 1.0))
    assert Taken.read(json.dumps(dataclasses.asdict(answer)).encode()) == answer


def test_a_worker_may_not_grow():
    """More memory than a little, or any thread more, misses a limit; of ours only."""
    few = {"MB": 60.0, "threads": 36.0, "connections": 2.0}
    many = {"MB": 70.0, "threads": 37.0, "connections": 2.0}
    verdicts = [row.verdict for row in memory.rows("x", (1, 2), [few, many], 80.0)]
    assert verdicts == ["OK", "TOO BIG", "TOO MANY", "OK"]
    assert not any(row.verdict for row in memory.rows("x", (1, 2), [few, many], None))


def test_networker_is_measured_beside_the_same_queues():
    """The first of each group is networker, and stock queues are those of its calls."""
    for name, (ours, *others) in pairs.groups().items():
        durable = ours.options.get("networker", {}).get("calls") == "durable"
        (stock,) = [one for one in others if one.name == "oslo.messaging"]
        rabbit = stock.options.get("oslo_messaging_rabbit", {})
        assert ours.name == "networker"
        assert durable == bool(rabbit.get("amqp_durable_queues")) == (name != "default")


def test_a_failure_shows_how_it_ended():
    """The last words of a process are in the table, since they say what happened."""
    row = failure(RuntimeError("a process has ended: " + "x" * 1000 + "the reason"))
    assert (row.verdict, row.note.endswith("the reason")) == ("FAILED", True)
