# SPDX-License-Identifier: Apache-2.0
"""Experiment: how long it takes to begin: a worker's first answer, a caller's imports."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent import futures

import oslo_messaging
import tenacity

from networker import exceptions
from networker.testing import processes
from tests.bench.conditions import Setup
from tests.bench.contestants import ROOT, End, settings
from tests.bench.results import Limit, Row, ratios
from tests.chaos.bench import Sandboxed

#: The most seconds to the first answer.
_LIMIT = 2.0
_PATIENCE = 60.0
_CODE = (
    "import time; began = time.perf_counter(); import {}; "
    "print(time.perf_counter() - began)"
)
_MODULES = ("networker.rpc", "oslo_messaging")


def start(setup: Setup) -> list[Row]:
    """Measure both, networker and oslo.messaging in turn."""
    return _answers(setup) + _imports(setup)


def _answers(setup: Setup) -> list[Row]:
    with contextlib.ExitStack() as stack:
        sides = {
            "networker-worker": _networker(setup, stack),
            "stock echo": _stock(setup, stack),
        }
        found: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(setup.rounds + 1):
            setup.say(f"start {number} of {setup.rounds}")
            for name, once in sides.items():
                seconds = once()
                if number:  # the first time, the queues are made
                    found[name].append(seconds)
    ours, stock = found.values()
    return [
        Row("first answer: networker-worker", "s", ours, limit=Limit(most=_LIMIT)),
        Row(
            "first answer: stock echo",
            "s",
            stock,
            against="networker / stock",
            ratios=ratios(ours, stock),
        ),
    ]


def _networker(setup: Setup, stack: contextlib.ExitStack) -> Callable[[], float]:
    bench = Sandboxed(setup, "start", networker={"workers": 2, "threads": 16})
    stack.callback(bench.close)
    client = bench.connect().with_options(timeout=_PATIENCE)
    network_id = bench.sandbox.networks()[0].id or ""

    def once() -> float:
        began = time.monotonic()
        worker = bench.start()
        _retried(exceptions.Retriable, lambda: client.get_network(network_id))
        seconds = time.monotonic() - began
        worker.terminate()
        return seconds

    return once


def _stock(setup: Setup, stack: contextlib.ExitStack) -> Callable[[], float]:
    file = settings(setup, "start", {})
    told = json.loads(file.read_text())
    conf = processes.configuration(file.with_name("bench.conf"))
    transport = oslo_messaging.get_rpc_transport(conf)
    stack.callback(transport.cleanup)
    target = oslo_messaging.Target(exchange=told["name"], topic=told["name"])
    client = oslo_messaging.get_rpc_client(
        transport,
        target,
        timeout=_PATIENCE,
        transport_options=oslo_messaging.TransportOptions(at_least_once=True),
    )

    def call() -> None:
        client.call({}, "plug_vip", **told["arguments"])

    def once() -> float:
        began = time.monotonic()
        with futures.ThreadPoolExecutor(1) as pool:
            starting = pool.submit(End, "oslo_end", "worker", file)
            _retried(oslo_messaging.MessageUndeliverable, call)
            seconds = time.monotonic() - began
            starting.result().close()
        return seconds

    return once


def _retried(kind: type[BaseException], call: Callable[[], object]) -> None:
    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(kind),
        wait=tenacity.wait_fixed(0.02),
        stop=tenacity.stop_after_delay(_PATIENCE),
        reraise=True,
    )(call)


def _imports(setup: Setup) -> list[Row]:
    found: dict[str, list[float]] = {module: [] for module in _MODULES}
    for number in range(setup.rounds + 1):
        setup.say(f"imports {number} of {setup.rounds}")
        for module in _MODULES:
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", _CODE.format(module)],
                cwd=ROOT,
                check=True,
                capture_output=True,
                text=True,
            )
            if number:  # the first time, files are read from the disk
                found[module].append(1000 * float(done.stdout))
    ours, stock = found.values()
    return [
        Row("import networker.rpc", "ms", ours),
        Row(
            "import oslo_messaging",
            "ms",
            stock,
            against="networker / oslo",
            ratios=ratios(ours, stock),
        ),
    ]
