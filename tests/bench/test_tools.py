# SPDX-License-Identifier: Apache-2.0
"""The tools of the benchmarks: do they count right, and judge right?"""

from __future__ import annotations

import socket
import threading

import msgspec
import pytest

from networker.rpc import codec, contract
from tests.bench import driver
from tests.bench.ends import loop
from tests.bench.results import Limit, Row, ratios
from tests.bench.tap import Tap


def frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind, 0, 1]) + len(payload).to_bytes(4, "big") + payload + b"\xce"


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
