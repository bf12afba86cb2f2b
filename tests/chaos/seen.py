# SPDX-License-Identifier: Apache-2.0
"""Experiment: how soon an operator sees what is wrong, and where.

Three workers under two hosts' names. For each cause these watches run at the same time:
what ``networker status`` and ``networker top`` show, the page of ``networker console``, the
metric of the endpoint for which there is an alert, that alert of a Prometheus, and what
``rabbitmqctl`` alone shows.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import pathlib
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent import futures

import psutil
import pytest
from prometheus_client import parser

from networker import exceptions, listening
from networker.cli.topview import Rates
from networker.inquiry import Pool
from networker.models import VIP, LoadBalancer
from networker.reports import PoolState
from networker.testing import processes, rabbitmq
from tests import prometheus
from tests.chaos import poison
from tests.chaos.bench import Sandboxed, Setup, opened, until
from tests.chaos.results import Result
from tests.chaos.tcpproxy import TcpProxy
from tests.chaos.webpage import OpenPage, opened_page

#: Seconds of a round trip of the sandbox: calls are to run when something happens.
_LATENCY = 2.0
#: Seconds between looks.
_EVERY = 0.2
#: Where it has to be seen, and within how many seconds.
_OURS, _SOON = ("status", "console"), 15.0
#: What is raised for each cause.
_ALERTS = {
    "kill": "NetworkerRedeliveries",
    "stop": "NetworkerHangs",
    "cut": "NetworkerNotReady",
    "poison": "NetworkerDeadLetters",
    "alarm": "NetworkerNobodyListens",
    "reload": "NetworkerReloadRefused",
}
#: What has to have been seen before it grows.
_COUNTED = "networker_redeliveries_total"
#: Seconds that an alert may take: a rule waits for up to two minutes.
_ALERTED = 240.0
_HOSTS = ("net-1", "net-2")

Watch = Callable[[], object]


class _Hosts(Sandboxed):
    """Two masters with hosts' names and endpoints of their own, the second behind a proxy.

    :param proxy: between the second master and the broker
    """

    def __init__(self, setup: Setup, proxy: TcpProxy) -> None:
        super().__init__(
            setup, "seen", latency=_LATENCY, networker={"driver": "chaos-poison"}
        )
        self._common = self._settings
        self._urls = (
            setup.node.url,
            setup.node.url.replace(f":{setup.node.port}", f":{proxy.port}"),
        )
        self.addresses = [f"127.0.0.1:{rabbitmq.free_port()}" for _ in _HOSTS]

    def start(self) -> processes.Workers:
        """Start the master of the next host."""
        number = len(self.masters)
        own: dict[str, dict[str, object]] = {
            "DEFAULT": {"transport_url": self._urls[number]},
            "networker": {
                "host": _HOSTS[number],
                "listen": self.addresses[number],
                "workers": 2 - number,
            },
        }
        self._settings = {
            group: {**values, **own.get(group, {})}
            for group, values in self._common.items()
        }
        return super().start()

    def metric(self, name: str, host: int = 0) -> float | None:
        """Return the sum of a metric's samples; None if nobody tells it."""
        try:
            text = listening.ask(self.addresses[host], "/metrics").text
        except OSError:
            return None
        return sum(
            sample.value
            for family in parser.text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        )

    def listed(self) -> tuple[int, int]:
        """Return what rabbitmqctl lists: who consumes from the topic, and dead letters."""
        text = self.node.control("list_queues", "name", "consumers", "messages")
        rows = {row[0]: row for row in map(str.split, text.splitlines()) if row}
        topic, dead = rows.get(self.topic), rows.get(f"{self.topic}.dead")
        return int(topic[1]) if topic else 0, int(dead[2]) if dead else 0


class _Eyes:
    """Looks as ``networker status`` and ``networker top`` do."""

    def __init__(self, pool: Pool) -> None:
        self._pool, self._rates = pool, Rates()

    def look(self) -> PoolState | None:
        """Ask once; None if the broker is away."""
        try:
            state = self._pool.ask(policies=False)
        except exceptions.BusUnavailable:
            return None
        self._rates.add(state)
        return state

    def says(self, text: str) -> bool:
        """Tell whether something that is not well has a text in it."""
        state = self.look()
        lines = [*(state.unwell if state else ()), *self._rates.gone()]
        return any(text in line for line in lines)

    def well(self) -> bool:
        """Tell whether all three workers serve, and nothing else is wrong."""
        state = self.look()
        return state is not None and len(state.workers) == 3 and not state.unwell


@dataclasses.dataclass(frozen=True)
class _Cause:
    """Something that goes wrong.

    :param harm: does it
    :param watches: by where it is to be seen
    :param heal: mends it
    :param within: seconds that the watches have
    """

    name: str
    harm: Callable[[], object]
    watches: dict[str, Watch]
    heal: Callable[[], object] = lambda: None
    within: float = 30.0


def seen(setup: Setup, *, causes: tuple[str, ...] = (), alerts: bool = True) -> Result:
    """Let each thing happen, and measure after how many seconds it is seen where.

    :param causes: names of those that shall happen; all if there are none
    :param alerts: whether to wait for the alerts as well, where Prometheus is installed
    """
    result, program = Result(), prometheus.program("prometheus") if alerts else None
    with (
        pytest.MonkeyPatch.context() as environment,
        TcpProxy(setup.node.port) as proxy,
    ):
        plugin = poison.installed(setup.directory / "plugin")
        environment.setenv("PYTHONPATH", f"{plugin}{os.pathsep}{poison.ROOT}")
        bench = _Hosts(setup, proxy)
        with (
            opened(bench, len(_HOSTS)),
            Pool(bench.conf) as pool,
            opened_page(bench) as page,
            contextlib.ExitStack() as stack,
        ):
            eyes, server = _Eyes(pool), None
            marks: list[tuple[float, str]] = []
            if program:
                directory = setup.directory / "prometheus"
                server = prometheus.Prometheus(program, directory, bench.addresses)
                stack.enter_context(server)
            for cause in _causes(bench, eyes, page, proxy):
                if not causes or cause.name in causes:
                    until(
                        lambda: _is_well(bench, eyes, page),
                        "all to be well",
                        timeout=120,
                    )
                    if server:
                        until(
                            functools.partial(server.knows, _COUNTED),
                            "Prometheus to look",
                        )
                        cause.watches["alert"] = functools.partial(
                            _is_raised, server, _ALERTS[cause.name]
                        )
                    with _busy(bench, eyes):
                        marks.append((time.time(), cause.name))
                        try:
                            _watch(setup, cause, result)
                        finally:
                            cause.heal()
            until(eyes.well, "all to be well", timeout=120)
            if server and setup.pictures:
                _draw(server, setup.pictures, marks)
            elif alerts and not server:
                result.remarks.append("Prometheus is not installed: no alerts")
    return result


def _draw(
    server: prometheus.Prometheus,
    directory: pathlib.Path,
    marks: list[tuple[float, str]],
) -> None:
    from tests.chaos import dashboard  # needs what only `make bench` installs

    dashboard.draw(server, directory / "dashboard.png", time.time(), marks)


def _is_well(bench: _Hosts, eyes: _Eyes, page: OpenPage) -> bool:
    """Tell whether nothing is left of what went wrong before, in the broker's lists too."""
    return eyes.well() and page.well() and bench.listed() == (3, 0)


def _is_raised(server: prometheus.Prometheus, alert: str) -> bool:
    return alert in server.firing()


def _causes(
    bench: _Hosts, eyes: _Eyes, page: OpenPage, proxy: TcpProxy
) -> Iterator[_Cause]:
    yield _kill(bench, eyes, page)
    yield _stop(bench, eyes, page)
    yield _Cause(
        "cut",
        proxy.stall,
        {
            "status": lambda: eyes.says("do not answer") or eyes.says("is gone"),
            "console": lambda: page.says("do not answer"),
            "metric": lambda: bench.metric("networker_workers_subscribed", 1) == 0,
            "rabbitmqctl": lambda: bench.listed()[0] < 3,
        },
        proxy.resume,
        within=60.0,
    )
    yield _poison(bench, eyes, page)
    yield _Cause(
        "alarm",
        lambda: _set_limit(bench, "{absolute, 1000}"),
        {
            "status": lambda: eyes.says("takes no messages"),
            "console": lambda: page.says("takes no messages"),
            "metric": lambda: bench.metric("networker_workers_subscribed") == 0,
            "rabbitmqctl": lambda: (
                "memory" in bench.node.control("eval", "rabbit_alarm:get_alarms().")
            ),
        },
        lambda: _set_limit(bench, "0.4"),
    )
    yield _reload(bench, eyes, page)


def _set_limit(bench: _Hosts, limit: str) -> None:
    """Set the broker's limit of memory, without the seconds that rabbitmqctl takes."""
    call = f"vm_memory_monitor:set_vm_memory_high_watermark({limit})"
    bench.node.control("eval", f"{call}.")


def _redeliveries(bench: _Hosts) -> float:
    name = "networker_redeliveries_total"
    return sum(bench.metric(name, host) or 0.0 for host in range(len(_HOSTS)))


def _kill(bench: _Hosts, eyes: _Eyes, page: OpenPage) -> _Cause:
    before, killed = [0.0], [0]

    def harm() -> None:
        before[0] = _redeliveries(bench)
        victim = bench.children_of(bench.masters[0])[0]
        killed[0] = victim.pid
        victim.kill()

    return _Cause(
        "kill",
        harm,
        {
            "status": lambda: eyes.says("is gone"),
            "console": lambda: killed[0] not in page.pids(),
            "metric": lambda: _redeliveries(bench) > before[0],
            "rabbitmqctl": lambda: bench.listed()[0] < 3,
        },
    )


def _stop(bench: _Hosts, eyes: _Eyes, page: OpenPage) -> _Cause:
    victims: list[psutil.Process] = []

    def harm() -> None:
        victims[:] = bench.children_of(bench.masters[0])[:1]
        victims[0].suspend()

    return _Cause(
        "stop",
        harm,
        {
            "status": lambda: eyes.says("hangs"),
            "console": lambda: page.says("hangs"),
            "metric": lambda: bench.metric("networker_workers_hanging") == 1,
            "rabbitmqctl": lambda: bench.listed()[0] < 3,
        },
        lambda: victims[0].resume(),
        within=60.0,
    )


def _poison(bench: _Hosts, eyes: _Eyes, page: OpenPage) -> _Cause:
    marker, before = poison.marker_of(bench.conf), [0.0]
    network_id = next(n.id for n in bench.sandbox.networks() if n.name == "vip-net")
    vip = VIP(network_id=network_id)
    lb = LoadBalancer(id=str(uuid.uuid4()), name=poison.POISON, vip=vip)

    def harm() -> None:
        before[0] = _redeliveries(bench)
        marker.touch()
        bench.connect().cast.allocate_vip(lb)

    def heal() -> None:
        marker.unlink()
        poison.replay(bench)

    return _Cause(
        "poison",
        harm,
        {
            "status": lambda: eyes.says("dead letters"),
            "console": lambda: page.says("dead letters"),
            "metric": lambda: _redeliveries(bench) > before[0],
            "rabbitmqctl": lambda: bench.listed()[1] > 0,
        },
        heal,
        within=120.0,
    )


def _reload(bench: _Hosts, eyes: _Eyes, page: OpenPage) -> _Cause:
    master = bench.masters[0]
    config = master.log_path.with_suffix(".conf")
    right = config.read_text()

    def hang_up() -> None:
        master.process.send_signal(signal.SIGHUP)

    def harm() -> None:
        config.write_text(right.replace("chaos-poison", "nothing"))
        hang_up()

    def heal() -> None:
        config.write_text(right)
        hang_up()

    # The broker knows nothing of it.
    watches: dict[str, Watch] = {
        "status": lambda: eyes.says("reload refused"),
        "console": lambda: page.says("reload refused"),
        "metric": lambda: bench.metric("networker_reload_refused") == 1,
    }
    return _Cause("reload", harm, watches, heal)


@contextlib.contextmanager
def _busy(bench: _Hosts, eyes: _Eyes) -> Iterator[None]:
    """Have calls running on all workers, all the time."""
    network, ended = bench.connect().with_options(timeout=120), threading.Event()

    def ask() -> None:
        while not ended.is_set():
            with contextlib.suppress(exceptions.NetworkException):
                network.get_port(str(uuid.uuid4()))
            ended.wait(_EVERY)

    def busy() -> bool:
        state = eyes.look()
        return state is not None and all(each.running for each in state.workers)

    with futures.ThreadPoolExecutor(9) as pool:
        asked = [pool.submit(ask) for _ in range(9)]
        try:
            until(busy, "calls on all workers")
            yield
        finally:
            ended.set()
        for each in asked:
            each.result()


def _watch(setup: Setup, cause: _Cause, result: Result) -> None:
    """Do harm, and note when it is seen."""
    with futures.ThreadPoolExecutor(len(cause.watches)) as pool:
        began = time.monotonic()
        cause.harm()
        setup.say(cause.name)
        found = {
            where: pool.submit(
                _until_seen,
                watch,
                began,
                _ALERTED if where == "alert" else cause.within,
            )
            for where, watch in cause.watches.items()
        }
        for where, future in found.items():
            took, name = future.result(), f"{cause.name}: {where}"
            if took is None:
                result.remarks.append(f"{name} not in time")
            elif where in _OURS and cause.name not in {"poison", "reload"}:
                result.at_most(name, took, _SOON, "s")
            else:
                result.note(name, took, "s")
        for where in _OURS + (("alert",) if "alert" in found else ()):
            missed = int(found[where].result() is None)
            result.exactly(f"{cause.name}: not seen by {where}", missed, 0)


def _until_seen(watch: Watch, began: float, within: float) -> float | None:
    with contextlib.suppress(TimeoutError):
        until(watch, "it to be seen", timeout=within, every=_EVERY)
        return time.monotonic() - began
    return None
