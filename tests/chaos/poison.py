# SPDX-License-Identifier: Apache-2.0
"""Experiment: a request that kills its worker every time."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import uuid

import pytest
from kombu.connection import Connection
from kombu.entity import Queue
from oslo_config import cfg

from networker.drivers import naming
from networker.drivers.sandbox.driver import SandboxDriver
from networker.models import VIP, LoadBalancer
from networker.testing import processes
from tests.chaos.bench import Sandboxed, Setup, opened, until
from tests.chaos.kills import LATENCY
from tests.chaos.load import Load, tally
from tests.chaos.results import Result

ROOT = pathlib.Path(__file__).parents[2]
#: The name of the load balancer that is poison.
POISON = "poison"
#: Deliveries until a request is put aside: the first one and five more.
_DELIVERIES = 10


class PoisonDriver(SandboxDriver):
    """A sandbox that some requests kill, as long as a file beside it exists.

    Each time a line is added to that file.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        self._marker = marker_of(conf)

    def allocate_vip(self, load_balancer: LoadBalancer) -> VIP:
        """Reserve the virtual IP of a load balancer, unless that is poison."""
        if load_balancer.name == POISON and self._marker.exists():
            with self._marker.open("a") as marker:
                marker.write(f"{os.getpid()}\n")
            os.kill(os.getpid(), signal.SIGKILL)
        return super().allocate_vip(load_balancer)


def marker_of(conf: cfg.ConfigOpts) -> pathlib.Path:
    return pathlib.Path(conf.sandbox.database).with_suffix(".poison")


def poison(setup: Setup, *, callers: int = 32, masters: int = 3) -> Result:
    """Send a cast that kills every worker that runs it, and replay it once mended."""
    bench = Sandboxed(
        setup, "poison", latency=LATENCY, networker={"driver": "chaos-poison"}
    )
    marker = marker_of(bench.conf)
    marker.touch()
    with pytest.MonkeyPatch.context() as environment:
        plugin = installed(setup.directory / "plugin")
        environment.setenv("PYTHONPATH", f"{plugin}{os.pathsep}{ROOT}")
        with opened(bench, masters):
            return _poisoned(bench, setup, marker, callers)


def _poisoned(
    bench: Sandboxed, setup: Setup, marker: pathlib.Path, callers: int
) -> Result:
    load = Load(bench, setup.seed, callers, pause=0.2)
    network_id = next(n.id for n in bench.sandbox.networks() if n.name == "vip-net")
    lb = LoadBalancer(id=str(uuid.uuid4()), name=POISON, vip=VIP(network_id=network_id))
    with load.running():
        setup.say("poisoned")
        bench.connect().cast.allocate_vip(lb)
        until(lambda: _dead(bench), "the request to be put aside")
        setup.say("put aside")
    counted = tally(load)
    result = counted.fill(Result())
    result.note("slowest call", counted.slowest, "s")
    # A delivery counts although its worker died before it was that request's turn.
    result.at_most("runs", len(marker.read_text().splitlines()), _DELIVERIES)
    result.exactly("put aside", _dead(bench), 1)
    marker.unlink()
    replay(bench)
    name = naming.vip_port(lb.id or "")
    until(lambda: bench.sandbox.ports(name=name), "the replayed request's effect")
    result.exactly("done by the replay", len(bench.sandbox.ports(name=name)), 1)
    return result.exactly("put aside afterwards", _dead(bench), 0)


def _dead(bench: Sandboxed) -> int:
    """Return how many requests are put aside."""
    queue = Queue(f"{bench.topic}.dead")
    with Connection(bench.node.url.replace("rabbit:", "amqp:")) as connection:
        declared = queue(connection.default_channel).queue_declare(passive=True)
        return int(declared.message_count)


def replay(bench: Sandboxed) -> None:
    """Do what an operator would."""
    subprocess.run(
        [
            processes.BIN / "networker",
            "dead",
            "replay",
            "--all",
            "--config-file",
            bench.config,
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )


def installed(directory: pathlib.Path) -> pathlib.Path:
    """Make the driver known as an installed package would; return its directory."""
    info = directory / "chaos_poison-0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: chaos-poison\nVersion: 0\n"
    )
    (info / "entry_points.txt").write_text(
        f"[networker.drivers]\nchaos-poison = {__name__}:PoisonDriver\n"
    )
    return directory
