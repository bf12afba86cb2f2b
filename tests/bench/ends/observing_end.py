# SPDX-License-Identifier: Apache-2.0
"""What it costs a worker to be observed: the same requests, dispatched with and without.

Its arguments are how many requests, and in how many rounds; it prints, as JSON, the
milliseconds of processor time of one request of each round.
"""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split

import functools
import json
import logging
import pathlib
import sys
import tempfile
import time

from networker import conf as options
from networker.context import Context
from networker.metrics import Recorder
from networker.notes import Notes, SharedNotes
from networker.observer import Observer
from networker.rpc import codec, contract
from networker.rpc.dispatcher import Dispatcher
from networker.rpc.tokens import Tokens
from tests.bench import driver


def main() -> None:
    """Measure, in turn."""
    calls, rounds = map(int, sys.argv[1:])
    logging.getLogger().addHandler(logging.NullHandler())
    conf, shared = options.load([]), SharedNotes(1, 4)
    with tempfile.TemporaryDirectory() as directory:
        observers: dict[str, Observer | None] = {
            "unobserved": None,
            "noted": Notes(shared.claim()),
            "listen": Recorder(pathlib.Path(directory), SharedNotes(1, 4).claim()),
        }
        sides = {
            name: functools.partial(
                _seconds, Dispatcher(driver.Echo(), Tokens(conf), observer=each), calls
            )
            for name, each in observers.items()
        }
        found: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(rounds):
            for name, side in sides.items():
                found[name].append(1000 * side() / calls)
    print(json.dumps(found))


def _seconds(dispatcher: Dispatcher, calls: int) -> float:
    method = contract.methods()["plug_vip"]
    lb, vip = driver.balancer(driver.Values(1))
    wire = codec.encode_arguments(method, {"load_balancer": lb, "vip": vip})
    context = Context(caller="here", request_id="req-1")
    context.sent = time.time()
    told = context.to_wire()
    began = time.thread_time()
    for _ in range(calls):
        dispatcher.handle(method, told, wire)
    return time.thread_time() - began


main()
