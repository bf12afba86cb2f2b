# SPDX-License-Identifier: Apache-2.0
"""The processes of a contestant, and what a call between them costs."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import select
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import psutil

from networker.rpc import codec, contract
from networker.testing import processes, rabbitmq
from tests.bench import driver
from tests.bench.conditions import Setup
from tests.bench.ends.lives import Step
from tests.bench.ends.loop import Done, Order

ROOT = pathlib.Path(__file__).parents[2]
#: The interpreters of the virtual environments that have the peers, and Octavia.
PEERS = pathlib.Path(sys.prefix) / "peers" / "bin" / "python"
OCTAVIA = pathlib.Path(sys.prefix) / "octavia" / "bin" / "python"
_INTERPRETERS = {
    "networker_end": pathlib.Path(sys.executable),
    "oslo_end": pathlib.Path(sys.executable),
    "drivers_end": pathlib.Path(sys.executable),
    "hand_end": pathlib.Path(sys.executable),
    "octavia_end": OCTAVIA,
}
#: Threads of a worker.
THREADS = 16
_START = 60.0
#: Seconds that an answer may take besides the order itself.
_PATIENCE = 120.0


class End:
    """A process of :mod:`tests.bench.ends`.

    :param module: its name there
    :param role: what it has to be
    :param settings: its file of settings; its log is written beside it
    """

    def __init__(self, module: str, role: str, settings: pathlib.Path) -> None:
        self._log = settings.with_name(f"{role}-{uuid.uuid4().hex[:4]}.log")
        name = f"tests.bench.ends.{module}"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [_INTERPRETERS.get(module, PEERS), "-m", name, role, settings],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
            )
        self.listen(_START)

    def send(self, order: Order | Step) -> None:
        """Give an order."""
        assert self.process.stdin
        text = json.dumps(dataclasses.asdict(order))
        self.process.stdin.write(f"{text}\n".encode())

    def answer(self, order: Order) -> Done:
        """Wait until an order that was given is carried out.

        :raises RuntimeError: the process has ended, or hangs
        """
        seconds = order.seconds if order.calls == sys.maxsize else order.calls / 20
        return Done(**json.loads(self.listen(seconds + _PATIENCE)))

    def tree(self) -> list[psutil.Process]:
        """Return the process and those that it has started."""
        return tree(self.process.pid)

    def close(self) -> None:
        """End it, with those that it has started."""
        started = self.tree()
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
        for process in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()

    def listen(self, timeout: float) -> bytes:
        """Return the next line that it says.

        :raises RuntimeError: the process has ended, or hangs
        """
        assert self.process.stdout
        line = b""
        if select.select([self.process.stdout], [], [], timeout)[0]:
            line = self.process.stdout.readline()
        if not line:
            what = "has ended" if self.process.poll() is not None else "says nothing"
            log = self._log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self._log.parent.name}: a process {what}: {log}")
        return line


@dataclasses.dataclass(frozen=True)
class Cost:
    """What calls cost: how fast they were, and the processor time of one in ms."""

    done: Done
    broker: float
    worker: float
    client: float

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.done.calls / self.done.seconds


@dataclasses.dataclass(frozen=True)
class Contestant:
    """Something that can carry calls.

    :param name: for people
    :param module: of :mod:`tests.bench.ends`
    :param options: of its configuration, by group, for those that read one
    :param client: the role of its client, for those that have several kinds
    """

    name: str
    module: str
    options: processes.Settings = dataclasses.field(default_factory=dict)
    client: str = "client"

    @contextlib.contextmanager
    def running(self, setup: Setup, **changes: Any) -> Iterator[Running]:
        """Start a worker and a client for the block.

        :param changes: of what :func:`settings` writes
        """
        file = settings(setup, self.name, self.options, **changes)
        with contextlib.ExitStack() as stack:
            ends = {}
            for role in ("worker", self.client):
                ends[role] = End(self.module, role, file)
                stack.callback(ends[role].close)
            yield Running(self.name, setup.node, ends["worker"], ends[self.client])


@dataclasses.dataclass(frozen=True)
class Running:
    """A contestant with its processes."""

    name: str
    node: rabbitmq.Node
    worker: End
    client: End

    def measure(self, order: Order) -> Cost:
        """Make calls, and return what they cost."""
        ends = (tree(self.node.pid or 0), self.worker.tree(), self.client.tree())
        before = [spent(end) for end in ends]
        self.client.send(order)
        done = self.client.answer(order)
        costs = [
            1000 * (spent(end) - begin) / done.calls
            for end, begin in zip(ends, before, strict=True)
        ]
        return Cost(done, *costs)

    def warmed(self, callers: int) -> Self:
        """Make the first calls, which open the connections."""
        order = Order(callers, seconds=1.0)
        self.client.send(order)
        self.client.answer(order)
        return self


def settings(
    setup: Setup, name: str, options: processes.Settings, **changes: Any
) -> pathlib.Path:
    """Write the files that tell ends what to do, into a new directory.

    :param name: of the contestant
    :param options: of its configuration, by group
    :param changes: of :class:`tests.bench.ends.loop.Settings`
    :returns: the file of settings
    """
    unique = f"{''.join(filter(str.isalnum, name))}-{uuid.uuid4().hex[:8]}"
    directory = setup.directory / unique
    directory.mkdir()
    groups: dict[str, Mapping[str, object]] = {
        "DEFAULT": {"transport_url": setup.node.url},
        "networker": {"topic": unique, "exchange": unique, "threads": THREADS},
    }
    for group, values in options.items():
        groups[group] = {**groups.get(group, {}), **values}
    lb, vip = driver.balancer(driver.Values(setup.seed))
    told = {
        "url": setup.node.url.replace("rabbit:", "amqp:"),
        "name": unique,
        "threads": THREADS,
        "arguments": codec.encode_arguments(
            contract.methods()["plug_vip"], {"load_balancer": lb, "vip": vip}
        ),
        "config": str(processes.write(directory / "bench.conf", groups)),
    }
    path = directory / "settings.json"
    path.write_text(json.dumps(told | changes))
    return path


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and all that it has started, as far as they live."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def spent(ends: Sequence[psutil.Process]) -> float:
    """Return the seconds of processor time that processes have used."""
    total = 0.0
    for process in ends:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total
