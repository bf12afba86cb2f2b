# SPDX-License-Identifier: Apache-2.0
"""What is known of a pool of workers: the types in which it is told.

Fields that a newer worker sends besides are ignored, and those that an older one does not
send are as if nothing were known. Times are seconds since the epoch by the clock of who
tells them, durations are seconds.
"""

from __future__ import annotations

import bisect
from typing import Any

import msgspec

from networker._types import known

#: Seconds up to which a call counts in each of the numbers of :attr:`Calls.buckets`; the
#: last number counts those that took longer.
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class _Told(msgspec.Struct, kw_only=True, frozen=True):
    """Something that can be told as JSON."""

    def state(self) -> dict[str, Any]:
        """Return it as dictionaries, lists, texts and numbers."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told


class Request(_Told, frozen=True):
    """A request to a service of the cloud.

    :param request: service, HTTP's method and path
    :param seconds: since it was made, or that it took
    :param tries: how often it was made
    :param status: HTTP's, of the last answer; None if there is none yet
    """

    request: str
    seconds: float = 0.0
    tries: int = 0
    status: int | None = None


class Operation(_Told, frozen=True):
    """A call or cast that a worker runs or has run.

    :param caller: host, program and process id of who asked, as it says itself
    :param since: when the worker began with it
    :param seconds: that it runs, or ran
    :param waited: seconds from its sending until it was begun; None if not known
    :param waits_for: the requests to the cloud that are not answered yet
    :param requests: those that are, of an operation that was asked for by its id
    :param outcome: None while it runs; ``ok`` or the name of the error
    :param error: the error's text
    :param worker: host and process id of who runs it
    """

    method: str
    operation_id: str
    request_id: str | None = None
    load_balancer: str | None = None
    caller: str | None = None
    since: float = 0.0
    seconds: float = 0.0
    waited: float | None = None
    waits_for: tuple[Request, ...] = ()
    requests: tuple[Request, ...] = ()
    outcome: str | None = None
    error: str | None = None
    worker: str | None = None

    @property
    def step(self) -> str | None:
        """The oldest request that it waits for."""
        oldest = max(self.waits_for, key=lambda each: each.seconds, default=None)
        return oldest.request if oldest else None


class Calls(_Told, frozen=True):
    """How often a worker has run a method since it began.

    :param errors: how many ended with an error, by its name; `ended` has them, too
    :param seconds: all of them together
    :param buckets: how many took up to each of :data:`BOUNDS`, and longer
    """

    method: str
    ended: int = 0
    errors: dict[str, int] = {}
    seconds: float = 0.0
    buckets: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)

    def quantile(self, share: float) -> float | None:
        """Return the seconds within which a share of the calls ended; None without any.

        It is the bound of a bucket: what took longer counts as the highest one.
        """
        total = sum(self.buckets)
        if not total:
            return None
        counted = 0
        for bound, number in zip((*BOUNDS, BOUNDS[-1]), self.buckets, strict=True):
            counted += number
            if counted >= share * total:
                return float(bound)
        return float(BOUNDS[-1])


def bucket(seconds: float) -> int:
    """Return which of the buckets a duration belongs to."""
    return bisect.bisect_left(BOUNDS, seconds)


class LastError(_Told, frozen=True):
    """How an operation failed.

    :param outcome: the name of the error
    :param when: it failed
    """

    when: float
    outcome: str
    method: str = ""
    operation_id: str = ""
    error: str | None = None


class Warned(_Told, frozen=True):
    """What the parent of workers has to say, such as that it refused a reload."""

    text: str
    when: float


class Worker(_Told, frozen=True):
    """What a worker process tells of itself, or others tell of it.

    :param hangs: why it is thought to hang: it has not answered. Then it is known only
        what it has noted last: `running`, each with the request that was made last
    :param interface: the version of the interface
    :param cloud_name: where its cloud is, if the driver says so
    :param since: when it began
    :param threads: calls that it runs at the same time, and casts besides
    :param bus: why it gets no requests; None if it does
    :param cloud: why the cloud counts as not reachable; None if it is or that is not known
    :param running: the oldest ones; `busy` counts all
    :param longest_wait: the longest that an operation of the last minute had waited for
        a worker; None if there was none
    :param recent: operations that have ended, the latest first, if they were asked for
    """

    host: str
    pid: int
    hangs: str | None = None
    version: str = ""
    interface: str = ""
    oslo_messaging: str = ""
    driver: str = ""
    cloud_name: str | None = None
    since: float = 0.0
    threads: int = 0
    busy: int = 0
    draining: bool = False
    bus: str | None = None
    cloud: str | None = None
    cloud_answered_seconds_ago: float | None = None
    last_error: LastError | None = None
    running: tuple[Operation, ...] = ()
    calls: tuple[Calls, ...] = ()
    longest_wait: float | None = None
    recent: tuple[Operation, ...] = ()
    warning: Warned | None = None
    #: The process ids of the workers beside it, which have the same parent.
    siblings: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Host and process id, as answers name it."""
        return f"{self.host}:{self.pid}"

    @property
    def trouble(self) -> str | None:
        """Why it serves nothing, or soon will not; None if it serves."""
        if self.hangs:
            return f"hangs: {self.hangs}"
        if self.draining:
            return "draining"
        broken = [("broker", self.bus), ("cloud", self.cloud)]
        return "; ".join(f"{what}: {why}" for what, why in broken if why) or None


class Queue(_Told, frozen=True):
    """A queue of the broker.

    :param use: ``casts`` (and calls where these have no queue of their own), ``calls``,
        ``dead`` or ``outcomes``
    :param messages: how many wait; None if there is no such queue
    :param consumers: how many processes take from it
    :param oldest: how long the oldest message has waited; None where nobody can tell
    """

    name: str
    use: str
    messages: int | None = None
    consumers: int | None = None
    oldest: float | None = None


class DeadCause(_Told, frozen=True):
    """Dead letters with the same cause.

    :param reason: RabbitMQ's word: ``delivery_limit`` or ``rejected``
    :param method: None for what is no request
    """

    reason: str | None
    method: str | None
    count: int


class PoolState(_Told, frozen=True):
    """What is known of the pool.

    :param asked_at: when it was asked
    :param broker: hosts, ports and virtual host
    :param version: the broker's product and version
    :param alarm: why the broker takes no messages; then workers cannot be asked
    :param workers: sorted by host and process id
    :param silent: how many processes consume from the queue of which nothing else is
        known: they do not answer, and there is no other one on their host that does
    :param dead: dead letters by cause, if they were looked at
    :param complaints: policies of the broker that break a promise
    :param unwell: what is not well, a line for each
    """

    asked_at: float
    broker: str
    version: str
    exchange: str
    topic: str
    alarm: str | None = None
    workers: tuple[Worker, ...] = ()
    silent: int = 0
    queues: tuple[Queue, ...] = ()
    dead: tuple[DeadCause, ...] = ()
    complaints: tuple[str, ...] = ()
    unwell: tuple[str, ...] = ()

    @property
    def running(self) -> tuple[Operation, ...]:
        """What runs, the oldest first."""
        found = [call for worker in self.workers for call in worker.running]
        return tuple(sorted(found, key=lambda call: -call.seconds))

    def queue(self, use: str) -> Queue | None:
        """Return the queue of a use."""
        return next((queue for queue in self.queues if queue.use == use), None)


known(Worker)
known(PoolState)
