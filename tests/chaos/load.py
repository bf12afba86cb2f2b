# SPDX-License-Identifier: Apache-2.0
"""Many callers at once, and the count of what became of their calls and casts.

Every operation has a purpose of its own, so that the state of the sandbox tells
afterwards whether it took place not at all, once, or more often.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import ipaddress
import random
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from networker import exceptions, rpc
from networker.drivers import naming
from networker.models import VIP, LoadBalancer, Port
from tests.chaos.bench import Sandboxed, drained, until
from tests.chaos.results import Result

_MEMBER = ipaddress.ip_address("10.48.0.0")
#: Operations of one load, at most.
_MOST = 200_000


@dataclasses.dataclass
class Sent:
    """One operation as its caller saw it; times are of :func:`time.monotonic`."""

    number: int
    awaited: bool
    purpose: str
    began: float
    ended: float = 0.0
    port_id: str = ""
    error: exceptions.NetworkException | None = None


@dataclasses.dataclass
class Load:
    """Callers that make calls and casts in turn, on servers and networks of a sandbox.

    :param bench: where they are sent
    :param callers: threads
    :param seed: of ids and pauses
    :param timeout: seconds that a call may take
    :param pause: seconds between two operations of a caller, on average
    """

    bench: Sandboxed
    seed: int
    callers: int = 32
    timeout: float = 60.0
    pause: float = 0.0
    sent: list[Sent] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        networks = {n.name: n.id or "" for n in self.bench.sandbox.networks()}
        self._vip_net, self._member_net = networks["vip-net"], networks["member-net-1"]
        self._servers = sorted(self.bench.sandbox.servers().values())
        self._before = {port.id for port in self.bench.sandbox.ports()}
        self._client = self.bench.connect().with_options(timeout=self.timeout)
        self._ids = uuid.UUID(int=random.Random(self.seed).getrandbits(128))
        self._lock = threading.Lock()
        self._next = 0
        self._stop = threading.Event()
        self._going = threading.Event()
        self._going.set()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Begin no operation while the context lasts."""
        self._going.clear()
        try:
            yield
        finally:
            self._going.set()

    @contextlib.contextmanager
    def running(self, at_least: int = 0) -> Iterator[None]:
        """Send while the context lasts, and then on until `at_least` were sent."""
        threads = [
            threading.Thread(target=self._caller, args=(number, at_least))
            for number in range(self.callers)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def first_after(self, moment: float) -> float | None:
        """Return how many seconds after a moment the next call succeeded, if one did."""
        with self._lock:
            ends = [s.ended for s in self.sent if s.awaited and s.error is None]
        return min((end - moment for end in ends if end > moment), default=None)

    def slowest(self, began: float, ended: float) -> float:
        """Return the seconds of the slowest call that ended between two moments."""
        with self._lock:
            calls = [s for s in self.sent if s.awaited and began < s.ended <= ended]
        return max((call.ended - call.began for call in calls), default=0.0)

    def more(self, count: int) -> None:
        """Wait until so many more operations have succeeded."""
        wanted = self._succeeded() + count
        until(lambda: self._succeeded() >= wanted, f"{count} operations to succeed")

    def _succeeded(self) -> int:
        with self._lock:
            return sum(sent.error is None for sent in self.sent)

    def _caller(self, number: int, at_least: int) -> None:
        rng = random.Random(f"{self.seed}-{number}")
        while (taken := self._take(at_least)) is not None:
            self._going.wait()
            sent = self._send(taken)
            with self._lock:
                self.sent.append(sent)
            if self.pause:
                self._stop.wait(rng.uniform(0, 2 * self.pause))

    def _take(self, at_least: int) -> int | None:
        with self._lock:
            if self._next >= (at_least if self._stop.is_set() else _MOST):
                return None
            self._next += 1
            return self._next - 1

    def _send(self, number: int) -> Sent:
        awaited = number % 2 == 0
        network: Any = self._client if awaited else self._client.cast
        sent = Sent(number, awaited, "", time.monotonic())
        try:
            answer = self._allocate(sent, network) if number % 4 < 2 else None
            if number % 4 >= 2:
                answer = self._plug(sent, network)
            sent.port_id = answer.port_id or "" if awaited and answer else ""
        except exceptions.NetworkException as error:
            sent.error = error
        sent.ended = time.monotonic()
        return sent

    def _allocate(self, sent: Sent, network: rpc.Client) -> Any:
        lb_id = str(uuid.uuid5(self._ids, str(sent.number)))
        sent.purpose = naming.vip_port(lb_id)
        return network.allocate_vip(
            LoadBalancer(id=lb_id, vip=VIP(network_id=self._vip_net))
        )

    def _plug(self, sent: Sent, network: rpc.Client) -> Any:
        server = self._servers[sent.number % len(self._servers)]
        address = str(_MEMBER + 16 + sent.number)
        sent.purpose = f"{server} {address}"
        return network.plug_network(server, self._member_net, address)

    def effects(self) -> dict[str, list[str]]:
        """Return the ids of the ports that were made, by purpose."""
        found = collections.defaultdict(list)
        for port in self.bench.sandbox.ports():
            if port.id not in self._before:
                found[_purpose(port)].append(port.id or "")
        return found

    def settle(self, timeout: float = 60.0) -> None:
        """Wait until all that was confirmed is done, or nothing is left to be done."""
        wanted = {sent.purpose for sent in self.sent if sent.error is None}
        seen = [-1, -2]

        def done() -> bool:
            made = self.effects().keys()
            seen.append(len(made))
            return wanted <= made or (
                drained(self.bench.node, self.bench.topic) and seen[-1] == seen[-3]
            )

        with contextlib.suppress(TimeoutError):  # what is missing then is lost
            until(done, "the queue to be empty", timeout, every=1.0)


def _purpose(port: Port) -> str:
    if port.name == naming.member_port(port.device_id or ""):
        return f"{port.device_id} {port.fixed_ips[0].ip_address}"
    return port.name or ""


@dataclasses.dataclass(frozen=True)
class Tally:
    """What became of a load's operations.

    :param errors: operations that raised
    :param late: calls that ended more than a second after their timeout
    :param lost: operations that were confirmed or answered, and had no effect
    :param doubled: effects that are there more than once, or that nobody asked for
    :param wrong: answers that name a port that is not the one there is
    :param slowest: seconds of the slowest call
    :param kinds: how often which error was raised
    """

    calls: int
    casts: int
    errors: int
    late: int
    lost: int
    doubled: int
    wrong: int
    slowest: float
    kinds: collections.Counter[str]

    def fill(self, result: Result, *, errors: int | None = 0) -> Result:
        """Add the figures that every experiment under load shows.

        :param errors: how many there may be; any number if None
        """
        result.note("calls", self.calls).note("casts", self.casts)
        if errors is None:
            result.note("errors", self.errors)
        else:
            result.at_most("errors", self.errors, errors)
        result.exactly("lost", self.lost, 0).exactly("doubled", self.doubled, 0)
        result.exactly("wrong answers", self.wrong, 0)
        result.remarks += [f"{n} x {kind}" for kind, n in self.kinds.most_common(5)]
        return result


def tally(load: Load) -> Tally:
    """Count, after the load has settled."""
    load.settle()
    made = load.effects()
    asked = {sent.purpose for sent in load.sent}
    confirmed = [sent for sent in load.sent if sent.error is None]
    calls = [sent for sent in load.sent if sent.awaited]
    failed = [sent.error for sent in load.sent if sent.error]
    extra = sum(len(ids) - 1 for ids in made.values())
    strays = sum(purpose not in asked for purpose in made)
    return Tally(
        calls=len(calls),
        casts=len(load.sent) - len(calls),
        errors=len(failed),
        late=sum(s.ended - s.began > load.timeout + 1 for s in load.sent),
        lost=sum(sent.purpose not in made for sent in confirmed),
        doubled=extra + strays,
        wrong=sum(
            bool(s.port_id) and [s.port_id] != made.get(s.purpose) for s in calls
        ),
        slowest=max((sent.ended - sent.began for sent in calls), default=0.0),
        kinds=collections.Counter(type(error).__name__ for error in failed),
    )
