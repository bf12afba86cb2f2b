# SPDX-License-Identifier: Apache-2.0
"""Worker processes on a private broker, and a client for them, for one experiment."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import pathlib
import uuid
from collections.abc import Callable, Iterator
from typing import TypeVar

import psutil
import tenacity
import yaml

from networker import rpc
from networker.drivers.sandbox.driver import SandboxDriver
from networker.rpc.rabbitmq.queues import calls_name
from networker.testing import processes, rabbitmq
from tests.trees import workers_of

#: Servers of the experiments' sandbox.
SERVERS = 32
#: The first octets of the addresses on its networks, each a /12.
_NETWORKS = {
    "lb-mgmt": "10.16",
    "vip": "10.32",
    "member-1": "10.48",
    "member-2": "10.64",
}
_START = 60.0
#: What queues hold. One whose leader is just being elected counts as not empty.
_HELD = """
lists:sum([
    case rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, Name)) of
        {ok, Queue} ->
            case amqqueue:get_type(Queue) of
                rabbit_quorum_queue ->
                    Count = fun rabbit_fifo:query_messages_total/1,
                    case ra:leader_query(amqqueue:get_pid(Queue), Count) of
                        {ok, {_, Held}, _} -> Held;
                        _ -> 1
                    end;
                _ -> proplists:get_value(messages, rabbit_amqqueue:info(Queue, [messages]))
            end;
        _ -> 0
    end || Name <- [NAMES]])
"""

AnyBench = TypeVar("AnyBench", bound="Bench")


@dataclasses.dataclass(frozen=True)
class Setup:
    """What every experiment is given.

    :param node: the private broker
    :param directory: for configurations, logs and sandboxes
    :param seed: of all choices
    :param say: shows in a few words what is going on
    :param pictures: where pictures for the documents are to be made; None for none
    """

    node: rabbitmq.Node
    directory: pathlib.Path
    seed: int
    say: Callable[[str], None]
    pictures: pathlib.Path | None = dataclasses.field(default=None, kw_only=True)


def write_topology(path: pathlib.Path, servers: int = SERVERS) -> pathlib.Path:
    """Write a topology for sandboxes with room for as many ports as are wanted."""
    networks = [f"{name}-net" for name in ("lb-mgmt", "vip")]
    networks += [f"member-net-{number}" for number in (1, 2)]
    subnets = [
        {"name": f"{name}-subnet", "network": network, "cidr": f"{octets}.0.0/12"}
        for network, (name, octets) in zip(networks, _NETWORKS.items(), strict=True)
    ]
    v6 = {"name": "vip-subnet6", "network": "vip-net", "cidr": "fd00:20::/64"}
    amphorae = [
        {"name": f"amphora-{number:02}", "networks": ["lb-mgmt-net"]}
        for number in range(servers)
    ]
    contents = {
        "networks": [{"name": name, "project": "demo"} for name in networks],
        "subnets": [*subnets, v6],
        "servers": amphorae,
    }
    path.write_text(yaml.safe_dump(contents))
    return path


class Bench:
    """Masters of worker processes that share one configuration.

    :param directory: its own
    :param settings: the configuration
    """

    def __init__(self, directory: pathlib.Path, settings: processes.Settings) -> None:
        directory.mkdir(parents=True)
        self._directory = directory
        self._settings = settings
        self.config = processes.write(directory / "networker.conf", settings)
        self.conf = processes.configuration(self.config)
        self.masters: list[processes.Workers] = []
        self._known: dict[int, psutil.Process] = {}
        self._numbers = itertools.count()
        self._clients: list[rpc.Client] = []

    @property
    def topic(self) -> str:
        """The topic, which is also the name of the queue."""
        topic: str = self.conf.networker.topic
        return topic

    def connect(self) -> rpc.Client:
        """Return a new client, closed with the bench."""
        self._clients.append(rpc.connect(self.conf))
        return self._clients[-1]

    def start(self) -> processes.Workers:
        """Start one more master, and return without waiting for it."""
        path = self._directory / f"worker-{next(self._numbers)}.conf"
        self.masters.append(processes.Workers(processes.write(path, self._settings)))
        return self.masters[-1]

    def start_all(self, count: int) -> None:
        """Start so many masters, and wait until all of them serve.

        :raises RuntimeError: one has ended; the message has the end of its log
        """
        for master in [self.start() for _ in range(count)]:
            until(functools.partial(_is_decided, master), "a worker to serve")
            if master.process.poll() is not None:
                raise RuntimeError(f"a worker has ended: {master.log[-500:]}")

    def children(self) -> list[psutil.Process]:
        """Return the worker processes that run now, of all masters."""
        return [child for master in self.masters for child in self.children_of(master)]

    def children_of(self, master: processes.Workers) -> list[psutil.Process]:
        """Return the worker processes of one master that run now."""
        found = workers_of(master.process.pid)
        self._known |= {child.pid: child for child in found}
        return found

    def close(self) -> None:
        """End everything that was started here, whatever state it is in."""
        for client in self._clients:
            client.close()
        for child in self.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                child.resume()
        for master in self.masters:
            if master.process.poll() is None:
                master.process.terminate()
        for master in self.masters:
            master.close()
        for child in self._known.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def served(master: processes.Workers) -> int:
    """Return how often a worker process of a master has begun to serve."""
    return master.log.count(" serving ")


def _is_decided(master: processes.Workers) -> bool:
    return served(master) > 0 or master.process.poll() is not None


def drained(node: rabbitmq.Node, topic: str) -> bool:
    """Tell whether a topic's queues have neither messages nor deliveries not ended.

    They are asked themselves: a list has those of a quorum queue as they were up to five
    seconds ago.
    """
    names = ", ".join(f'<<"{name}">>' for name in (topic, calls_name(topic)))
    return int(node.control("eval", _HELD.replace("NAMES", names))) == 0


def until(
    condition: Callable[[], object],
    what: str,
    timeout: float = _START,
    every: float = 0.1,
) -> None:
    """Wait until a condition holds.

    :param what: is waited for, to be named when it does not come
    :raises TimeoutError: it did not within `timeout` seconds
    """
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda held: not held),
        wait=tenacity.wait_fixed(every),
        stop=tenacity.stop_after_delay(timeout),
    )
    try:
        attempts(condition)
    except tenacity.RetryError as error:
        raise TimeoutError(f"waited {timeout:.0f} s for {what}") from error


class Sandboxed(Bench):
    """A bench whose workers drive a sandbox.

    :param setup: of the experiment
    :param name: of the experiment
    :param url: of the broker, if not that of the node itself
    :param latency: seconds that a round trip of the sandbox takes
    :param groups: further options, by group
    """

    def __init__(
        self,
        setup: Setup,
        name: str,
        *,
        url: str = "",
        latency: float = 0.0,
        database: pathlib.Path | None = None,
        **groups: dict[str, object],
    ) -> None:
        unique = f"{name}-{uuid.uuid4().hex[:8]}"
        directory = setup.directory / unique
        topology = write_topology(setup.directory / "topology.yaml")
        settings: dict[str, dict[str, object]] = {
            "DEFAULT": {"transport_url": url or setup.node.url},
            "networker": {
                "driver": "sandbox",
                "workers": 1,
                "threads": 8,
                # Drivers differ in what they declare, so nothing is shared by name.
                "topic": f"chaos-{unique}",
                "exchange": f"chaos-{unique}",
            },
            "sandbox": {
                "database": database or directory / "sandbox.sqlite",
                "topology": topology,
                "latency": latency,
            },
        }
        for group, values in groups.items():
            settings[group] = settings.get(group, {}) | values
        super().__init__(directory, settings)
        self.node = setup.node
        self.sandbox = SandboxDriver(self.conf).backdoor


@contextlib.contextmanager
def opened(bench: AnyBench, masters: int) -> Iterator[AnyBench]:
    """Start the masters of a bench, and close it at the end."""
    try:
        bench.start_all(masters)
        yield bench
    finally:
        bench.close()
