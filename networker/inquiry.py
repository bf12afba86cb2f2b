# SPDX-License-Identifier: Apache-2.0
"""Ask the broker and all workers how the pool is.

Workers are asked at once, and have a part of a second to answer. One that does not hangs,
if a worker beside it knows of it: that tells what it has noted last. Of a host whose
workers all hang it is only known that somebody consumes from the queue and does not answer.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import msgspec
from oslo_config import cfg

from networker import exceptions
from networker._text import printable
from networker.reporter import Question
from networker.reports import DeadCause, Operation, PoolState, Queue, Worker
from networker.rpc import contract
from networker.rpc.rabbitmq import broker, policies
from networker.rpc.rabbitmq.asker import Alarmed, Asker
from networker.rpc.rabbitmq.dead_letters import DeadLetters, Letter
from networker.rpc.rabbitmq.messaging_driver import driver_of
from networker.rpc.rabbitmq.queues import calls_name, dead_name, outcomes_name
from networker.rpc.transport import open_transport

#: The part of the time after which workers that have not answered count as hanging.
_PATIENCE = 0.6
#: Dead letters that are looked at; each is taken from the queue and put back.
_LETTERS = 1000
#: Operations of an id that one worker tells.
_FOUND = 50

#: How often it is asked whether processes are silent: one that begins or ends just now
#: can be counted and not answer yet.
_CONFIRMED = 2

Answers = list[dict[str, Any]]


class _Told(NamedTuple):
    """What came of asking the workers.

    :param silent: how many others there are
    :param alarm: why the broker takes no messages
    :param failed: why else they could not be asked
    """

    workers: list[Worker]
    silent: int = 0
    alarm: str | None = None
    failed: tuple[str, ...] = ()


class Pool:
    """The workers of the topic that a configuration names, and their queues.

    A connection is kept from the first question until :meth:`close`, or the end of the
    block. One thread at a time can ask.

    :param conf: a configuration on which :func:`networker.conf.register` was called
    :param transport: oslo.messaging's, for the configuration's URL; made if None
    :raises ValueError: the URL is wrong, or is not RabbitMQ's
    """

    def __init__(self, conf: cfg.ConfigOpts, transport: Any = None) -> None:
        self._conf = conf
        self._transport = transport or open_transport(conf)
        if not broker.uses_rabbit(self._transport):
            raise ValueError(
                "transport_url: only RabbitMQ can be asked, and this one is in memory"
            )
        self._topic: str = conf.networker.topic
        self._asker = Asker(self._transport, self._topic)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next question opens another one."""
        self._asker.close()

    def ask(
        self,
        within: float = 1.0,
        *,
        recent: int = 0,
        letters: bool = True,
        policies: bool = True,
    ) -> PoolState:
        """Ask, and return what there is to know.

        :param within: seconds that workers have to answer
        :param recent: how many of the operations that have ended each worker is to tell
        :param letters: whether to look at dead letters, which are out of the queue for
            that time, to tell their causes
        :param policies: whether to ask [networker] management_url for policies
        :raises BusUnavailable: the broker cannot be asked; see `refused`
        """
        asked_at = time.time()
        version, queues, told = self._asked(within, Question(recent=recent))
        waits = [w.longest_wait for w in told.workers if w.longest_wait is not None]
        complaints, failed = self._complaints() if policies else ((), ())
        state = PoolState(
            asked_at=asked_at,
            broker=broker.location(self._transport),
            version=version,
            exchange=self._conf.networker.exchange,
            topic=self._topic,
            alarm=told.alarm,
            workers=tuple(told.workers),
            silent=told.silent,
            queues=tuple(_with_age(queue, waits) for queue in queues),
            dead=self._causes() if letters else (),
            complaints=complaints,
        )
        unwell = _unwell(self._conf, self._transport, state)
        return msgspec.structs.replace(
            state, unwell=(*unwell, *told.failed, *complaints, *failed)
        )

    def operation(self, wanted: str, within: float = 1.0) -> list[Operation]:
        """Return what workers know of an operation, what runs first.

        One can be known several times, as it is run again when its worker has died.

        :param wanted: its id, or the id of the request that it belongs to
        :param within: seconds that workers have to answer
        :raises BusUnavailable: the broker, or its workers, cannot be asked
        """
        question = Question(recent=_FOUND, operation=wanted)
        _, _, told = self._asked(within, question)
        if told.alarm:
            text = f"the workers cannot be asked: {told.alarm}"
            raise exceptions.BusUnavailable(text)
        if told.failed:
            raise exceptions.BusUnavailable(told.failed[0], refused=True)
        running = [call for worker in told.workers for call in worker.running]
        ended = [call for worker in told.workers for call in worker.recent]
        ended.sort(key=lambda call: -call.since)
        # What hanging workers have noted was not asked for by the id.
        meant = [c for c in running if wanted in {c.operation_id, c.request_id}]
        return [*meant, *ended]

    def letters(self, wanted: str) -> list[Letter]:
        """Return the dead letters of an operation.

        :param wanted: its id, or the id of the request that it belongs to
        :raises BusUnavailable: the broker cannot be asked
        """
        found = DeadLetters(self._conf, self._transport).read()
        return [
            each
            for each in found
            if wanted in {each.id, each.context.get("request_id")}
        ]

    def _asked(
        self, within: float, question: Question
    ) -> tuple[str, list[Queue], _Told]:
        """Return the broker's version, the queues, and what workers tell."""
        for _ in range(_CONFIRMED):
            version, queues = self._queues()
            told = self._workers(queues[0].consumers or 0, within, question)
            if not told.silent:
                break
        return version, queues, told

    def _queues(self) -> tuple[str, list[Queue]]:
        topic = self._topic
        uses = {
            topic: "casts",
            calls_name(topic): "calls",
            dead_name(topic): "dead",
            outcomes_name(topic): "outcomes",
        }
        version, counts = self._asker.counts(uses)
        found = []
        for name, use in uses.items():
            messages, consumers = counts[name] or (None, None)
            found.append(
                Queue(name=name, use=use, messages=messages, consumers=consumers)
            )
        return version, found

    def _workers(self, consumers: int, within: float, question: Question) -> _Told:
        end = time.monotonic() + within
        try:
            told = self._asker.ask(question, _all_of(consumers), within * _PATIENCE)
            workers = _decoded(told)
            left = max(end - time.monotonic(), within * (1 - _PATIENCE) / 2)
            workers += self._hanging(workers, within, left)
        except Alarmed as error:
            return _Told([], alarm=str(error))
        except exceptions.BusUnavailable as error:
            if not error.refused:
                raise
            return _Told([], failed=(f"the workers cannot be asked: {error}",))
        serving = sum(not worker.draining for worker in workers)
        workers.sort(key=lambda worker: (worker.host, worker.pid))
        return _Told(workers, max(0, consumers - serving))

    def _hanging(
        self, workers: Sequence[Worker], within: float, left: float
    ) -> list[Worker]:
        """Ask those beside workers that do not answer what these have noted."""
        answered = {(worker.host, worker.pid) for worker in workers}
        found: dict[tuple[str, int], Worker] = {}
        for worker in workers:
            missing = [
                pid
                for pid in worker.siblings
                if (worker.host, pid) not in answered | found.keys()
            ]
            if missing:
                question = Question(by=worker.name, others=missing)
                told = self._asker.ask(question, bool, left)
                for each in told:
                    found |= _noted(each, within)
        return list(found.values())

    def _causes(self) -> tuple[DeadCause, ...]:
        try:
            letters = DeadLetters(self._conf, self._transport).read(_LETTERS)
        except exceptions.BusUnavailable:  # the user may not read them
            return ()
        counted = collections.Counter((each.reason, each.method) for each in letters)
        return tuple(
            DeadCause(reason=reason, method=method, count=count)
            for (reason, method), count in counted.most_common()
        )

    def _complaints(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        try:
            return tuple(policies.complaints(self._conf, self._transport)), ()
        except exceptions.BusUnavailable as error:
            return (), (str(error),)


def _all_of(consumers: int) -> Callable[[Answers], bool]:
    """Return a function that tells whether all workers have answered.

    :param consumers: how many there are at least
    """

    def enough(told: Answers) -> bool:
        here = {(each.get("host"), each.get("pid")) for each in told}
        known = {
            (each.get("host"), pid)
            for each in told
            for pid in each.get("siblings") or ()
        }
        return len(told) >= consumers and known <= here

    return enough


def _decoded(told: Answers) -> list[Worker]:
    """Return what workers have told; of what is no such thing, nothing."""
    found = []
    for each in told:
        try:
            worker = msgspec.convert(_printable(each), Worker)
        except msgspec.ValidationError:
            continue
        found.append(_signed(worker))
    return found


def _printable(value: Any) -> Any:
    """Return a value whose texts, which others have sent, do nothing to a terminal."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {_printable(key): _printable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_printable(each) for each in value]
    return value


def _signed(worker: Worker) -> Worker:
    """Return a worker whose operations say that they are its."""
    return msgspec.structs.replace(
        worker,
        running=tuple(_of(worker, call) for call in worker.running),
        recent=tuple(_of(worker, call) for call in worker.recent),
    )


def _of(worker: Worker, call: Operation) -> Operation:
    return msgspec.structs.replace(call, worker=worker.name)


def _noted(told: dict[str, Any], within: float) -> dict[tuple[str, int], Worker]:
    """Return the workers of which another one tells what they have noted."""
    now, found = time.time(), {}
    text = f"it did not answer within {within:g} s"
    for each in told.get("others") or ():
        running = [
            {**call, "seconds": max(0.0, now - call["since"])}
            for call in each.get("running") or ()
        ]
        facts = {"host": told.get("host"), "hangs": text, "busy": len(running)}
        for worker in _decoded([{**each, **facts, "running": running}]):
            found[worker.host, worker.pid] = worker
    return found


def _with_age(queue: Queue, waits: Sequence[float]) -> Queue:
    """Return a queue with the age of its oldest message, as far as it is known.

    AMQP does not tell it without taking the message, which counts as a delivery. Workers
    know how long what they began lately had waited.
    """
    if queue.use not in {"casts", "calls"} or queue.messages is None:
        return queue
    oldest = max(waits, default=None) if queue.messages else 0.0
    return msgspec.structs.replace(queue, oldest=oldest)


def _unwell(conf: cfg.ConfigOpts, transport: Any, state: PoolState) -> list[str]:
    """Return what is not well, a line for each."""
    casts, dead = state.queue("casts"), state.queue("dead")
    lines = []
    if state.alarm:
        lines.append(f"the broker takes no messages: {state.alarm}")
    if not (casts and casts.consumers):
        lines.append(f"no worker listens to {contract.address(conf)}")
    if dead and dead.messages:
        lines.append(f"{dead.messages} dead letters: see `networker dead list`")
    missing = dead is not None and dead.messages is None
    if driver_of(transport) and missing and casts and casts.messages is not None:
        lines.append(
            f"the queue {dead.name if dead else ''} is missing: nothing can be put aside "
            "until a worker has declared it again"
        )
    lines += [
        f"worker {worker.name}: {worker.trouble}"
        for worker in state.workers
        if worker.trouble and not worker.draining
    ]
    warned = {(w.host, w.warning.text) for w in state.workers if w.warning}
    lines += [f"{host}: {text}" for host, text in sorted(warned)]
    if state.silent:
        lines.append(
            f"{state.silent} processes take requests and do not answer: they hang, or "
            "run an older release"
        )
    return lines
