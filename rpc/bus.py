# SPDX-License-Identifier: Apache-2.0
"""The caller's end of the bus, which keeps its deadlines."""

from __future__ import annotations

import contextlib
import functools
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import oslo_messaging
import tenacity
from oslo_config import cfg

from networker import exceptions
from networker.context import Context
from networker.rpc import broker, contract, rabbit
from networker.rpc.answers import LOST, RETURNED, Answers
from networker.rpc.queues import calls_name
from networker.rpc.request import Request
from networker.rpc.senders import Senders
from networker.rpc.transport import open_transport, target
from networker.rpc.watch import Watch

#: Requests that may be stuck in oslo.messaging before new ones are refused.
_MOST_STUCK = 64
#: How often oslo.messaging connects anew for a request, before it is our turn: it would
#: go on for ever by itself.
_RETRIES = 2
#: What a request ended with: a value, or what oslo.messaging raised.
_Answer = tuple[Any, BaseException | None]


class _Lost(exceptions.CallTimeout):
    """The broker was restarted, and may have lost the request or the answer."""


class Bus:
    """The caller's end of the bus: sends requests and waits for answers.

    oslo.messaging may block for ever while the broker is away. Here every request ends
    by its deadline: it is sent from a thread of its own, which is left behind if it is
    stuck. Once the broker is back it may still send the request, and a worker refuses
    it then, because the deadline travels with a call.

    A request that did not reach the broker is sent again until its time is up, if the
    broker was reached before: then it is being restarted, and the URL is right. So is a
    call that was there when the broker was restarted, since calls need not be durable;
    it is the same operation, which has its effects once.

    :param conf: a configuration on which :func:`networker.conf.register` was called
    :raises ValueError: its transport_url is wrong
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._transport = open_transport(conf)
        self._topic = f"{conf.networker.exchange}/{conf.networker.topic}"
        driver = self._transport._driver
        self._driver = driver if isinstance(driver, rabbit.Driver) else None
        transient = self._driver is not None and self._driver.transient
        self._calls = calls_name(conf.networker.topic) if transient else None
        #: Where calls go: workers that keep calls elsewhere have not declared the first.
        self._queues = [*filter(None, [self._calls]), conf.networker.topic]
        self._client = oslo_messaging.get_rpc_client(
            self._transport, target(conf, namespace=contract.NAMESPACE)
        )
        self._watch: Watch | None = None
        if broker.uses_rabbit(self._transport):
            count = functools.partial(
                broker.listeners, self._transport, conf.networker.topic
            )
            self._watch = Watch(count, conf.networker.pool_timeout)
        self._reached = self._seen = self._closed = False
        self._stuck: list[threading.Event] = []
        self._senders = Senders()
        self._lock = threading.Lock()

    def call(
        self, context: Context, method: str, wire: dict[str, Any], timeout: float
    ) -> Any:
        """Send a request and return the answer.

        :param context: gets the deadline
        :param wire: encoded arguments
        :param timeout: seconds for all of it
        :raises BusError: there was none
        """
        context.deadline = time.time() + timeout
        version = contract.methods()[method].operation.version(wire)

        def send(left: float) -> Any:
            # A little less than is left, so that the more precise error comes first.
            prepared = self._prepare(version, timeout=left - min(0.1, left / 10))
            context.sent = time.time()
            if self._calls:
                # Workers that keep calls elsewhere have not declared it.
                with contextlib.suppress(oslo_messaging.MessageUndeliverable):
                    calls = prepared.prepare(topic=self._calls)
                    return calls.call(context.to_wire(), method, **wire)
            return prepared.call(context.to_wire(), method, **wire)

        def message() -> dict[str, Any]:
            context.sent = time.time()
            named = {f"_context_{key}": v for key, v in context.to_wire().items()}
            called = {"namespace": contract.NAMESPACE, "version": version}
            return {"method": method, "args": wire, **called, **named}

        end = time.monotonic() + timeout
        return self._repeat(
            Request(
                method, self._topic, send, timeout, end, version, self._watch, message
            )
        )

    def cast(
        self, context: Context, method: str, wire: dict[str, Any], timeout: float
    ) -> None:
        """Hand a request to the broker; `timeout` bounds that, not the execution.

        :raises BusError: the broker has not confirmed it
        """
        context.awaited = False
        version = contract.methods()[method].operation.version(wire)

        def send(_left: float) -> None:
            context.sent = time.time()
            self._prepare(version).cast(context.to_wire(), method, **wire)

        end = time.monotonic() + timeout
        self._repeat(Request(method, self._topic, send, timeout, end, version))

    def close(self) -> None:
        """Close the connections; requests that are made afterwards are refused."""
        self._closed = True
        self._transport.cleanup()

    def _prepare(self, version: str, timeout: float | None = None) -> Any:
        return self._client.prepare(
            version=version,
            timeout=timeout,
            retry=_RETRIES,
            transport_options=oslo_messaging.TransportOptions(at_least_once=True),
        )

    def _repeat(self, request: Request) -> Any:
        try:
            return self._until_it_passes(request)
        except _Lost as lost:
            raise request.timed_out(str(lost)) from None

    def _until_it_passes(self, request: Request) -> Any:
        # Most requests need no second attempt, nor what it costs to be ready for one.
        try:
            return self._try(request)
        except exceptions.BusError as error:
            if not self._passes(error):
                raise
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._passes),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=0.5),
            stop=tenacity.stop_before_delay(request.left()),
            reraise=True,
        )
        return attempts(self._try, request)

    def _passes(self, error: BaseException) -> bool:
        """Tell whether a restart of the broker would explain an error."""
        if isinstance(error, _Lost):
            return not self._closed
        return (
            isinstance(error, exceptions.BusUnavailable)
            and not error.refused
            and not isinstance(error.__cause__, oslo_messaging.MessageUndeliverable)
            and self._reached
            and not self._closed
        )

    def _try(self, request: Request) -> Any:
        self._refuse_if_useless(request.method)
        if self._watch and not self._seen:
            patience = min(request.left(), broker.PATIENCE)
            with broker.look(self._transport, patience):
                self._seen = True
        answers = self._driver.answers if self._driver else None
        if request.message and answers and answers.up:
            value, error = self._ask(request, request.message, answers)
        else:
            value, error = self._send(request)
        if error is not None:
            failure = request.failed(error)
            if isinstance(failure, exceptions.BusUnavailable):
                self._seen = False
            raise failure from error
        self._seen = self._reached = True
        if value == LOST:
            text = f"{request.method}: the broker was restarted, and no answer came"
            raise _Lost(text, method=request.method, timeout=request.timeout)
        return value

    def _ask(
        self, request: Request, message: Callable[[], Any], answers: Answers
    ) -> _Answer:
        """Send a call over the connection on which its answer will come."""
        for name in self._queues:
            msg_id, waiting = answers.call(name, message())
            try:
                value, error = answers.read(self._wait(request, waiting))
            except exceptions.CallTimeout:
                self._seen = False
                raise
            finally:
                answers.unlisten(msg_id)
            if value != RETURNED:
                return value, error
        return None, oslo_messaging.MessageUndeliverable(None, "", name, None)

    def _send(self, request: Request) -> _Answer:
        answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()

        ended = threading.Event()

        def run() -> None:
            try:
                answers.put((request.send(request.left()), None))
            except BaseException as error:  # noqa: BLE001 - translated by the caller
                answers.put((None, error))
            ended.set()

        self._senders.run(run)
        try:
            answer: _Answer = self._wait(request, answers)
        except exceptions.CallTimeout:
            self._seen = False
            with self._lock:
                self._stuck.append(ended)
            raise
        return answer

    def _wait(self, request: Request, answers: queue.SimpleQueue[Any]) -> Any:
        watch = request.watch
        since = time.monotonic()
        while True:
            try:
                left = request.left()
                return answers.get(timeout=min(left, watch.interval) if watch else left)
            except queue.Empty:
                if time.monotonic() >= request.end:
                    raise request.timed_out() from None
                if watch and watch.deserted(since):
                    text = f"{request.method}: no worker listens to {self._topic}"
                    raise request.timed_out(text) from None

    def _refuse_if_useless(self, method: str) -> None:
        if self._closed:
            text = f"{method}: this client is closed"
            raise exceptions.BusUnavailable(text, method=method)
        with self._lock:
            self._stuck = [ended for ended in self._stuck if not ended.is_set()]
            stuck = len(self._stuck)
        if stuck >= _MOST_STUCK:
            text = f"{method}: {stuck} earlier requests still wait for the broker"
            raise exceptions.BusUnavailable(text, method=method)
