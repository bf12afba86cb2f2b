# SPDX-License-Identifier: Apache-2.0
"""Deliver a caller's requests over RabbitMQ, or say by their deadline why not."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import tenacity
from oslo_config import cfg

from networker import exceptions
from networker._text import printable
from networker._types import known
from networker.rpc import contract
from networker.rpc.rabbitmq import broker
from networker.rpc.rabbitmq.link import Attempt, Ending, Link, Results
from networker.rpc.rabbitmq.supervision import Loss, place
from networker.rpc.request import Request

#: Seconds in which workers declare again a queue that was deleted.
_REMADE = 3.0
#: Seconds in which a queue chooses a new leader, on a machine that has much else to do.
_ELECTED = 15.0
_FOR_EVER = float("inf")


@known
class _Failure(msgspec.Struct):
    """An exception of a worker, as oslo.messaging serializes it."""

    kind: str = msgspec.field(name="class")
    message: str = ""


@known
class _ReplyBody(msgspec.Struct):
    """An answer, as oslo.messaging serializes it."""

    result: Any
    failure: str | None
    ending: Literal[True]


class _MayPass(Exception):
    """A request failed in a way that may pass.

    :param error: what to raise if it does not
    :param duration: seconds for which to try
    """

    def __init__(self, error: exceptions.BusError, duration: float = _FOR_EVER) -> None:
        super().__init__(str(error))
        self.error = error
        self.duration = duration


class WorkerMonitor:
    """Finds out that no worker listens any more, for all requests of a client.

    The broker gives a dead worker's requests to the others, so only when there are none
    is it no use to wait. oslo.messaging's way is a message from the worker for each call
    every few seconds; here the broker is asked, once for all calls.

    :param listeners: counts the workers; may raise BusUnavailable
    :param timeout: seconds without any after which nobody is expected any more
    """

    def __init__(self, listeners: Callable[[], int], timeout: float) -> None:
        self.interval = timeout / 3
        self._listeners = listeners
        self._timeout = timeout
        self._lock = threading.Lock()
        self._counting = False
        self._counted = 0.0
        self._empty_since: float | None = None
        self._others: dict[float, WorkerMonitor] = {}

    def within(self, timeout: float | None) -> WorkerMonitor:
        """Return one for requests with another timeout; None for this one's.

        It looks for itself, as often as its callers need.
        """
        if timeout is None or timeout == self._timeout:
            return self
        return self._others.setdefault(timeout, WorkerMonitor(self._listeners, timeout))

    def nobody_listens(self, since: float) -> bool:
        """Tell whether nobody has listened for long; it asks without waiting for it.

        :param since: when the caller began to wait, by the monotonic clock
        """
        now = time.monotonic()
        with self._lock:
            if now - self._counted > 2 * self.interval:
                self._empty_since = None  # nobody has asked for a while
            if not self._counting and now - self._counted > self.interval / 2:
                self._counting = True
                threading.Thread(
                    target=self._count_them, daemon=True, name="workers"
                ).start()
            empty = self._empty_since
        return empty is not None and now - max(empty, since) >= self._timeout

    def _count_them(self) -> None:
        try:
            empty = self._listeners() == 0
        except exceptions.BusUnavailable:
            empty = False  # whoever waits for the broker has a deadline
        with self._lock:
            self._counted = time.monotonic()
            self._counting = False
            if not empty:
                self._empty_since = None
            elif self._empty_since is None:
                self._empty_since = self._counted


class Caller:
    """Delivers requests on one connection, which is made for the first of them.

    What did not reach the broker is sent again until its time is up, if the broker was
    reached before: then it is being restarted, and the URL is right. So is what may be
    lost, since it is the same operation, which has its effects once.

    It may be used by all threads, from a signal handler, and in forked processes, of which
    each has a connection of its own.

    :param conf: names exchange and topic
    :param transport: oslo.messaging's, for the URL
    """

    def __init__(self, conf: cfg.ConfigOpts, transport: Any) -> None:
        self._transport = transport
        self._driver = transport._driver
        self._late = conf.networker.delivery == "at-least-once"
        self._target = contract.target(conf)
        topic = conf.networker.topic
        self._topic = topic
        count = functools.partial(broker.listeners, transport, topic)
        self._new_monitor = functools.partial(
            WorkerMonitor, count, conf.networker.pool_timeout
        )
        self._closed = self._served = False
        self._left_behind: list[Link | None] = []
        self._start_afresh()
        forked = functools.partial(_forked, weakref.ref(self))
        os.register_at_fork(after_in_child=forked)

    def deliver(self, request: Request) -> Any:
        """Send a request; return the answer, or None when the broker has a cast.

        :raises NetworkException: there is none
        """
        # Most requests need no second attempt, nor what it costs to be ready for one.
        try:
            return self._try(request)
        except _MayPass as first:
            return self._try_until_it_passes(request, first)

    async def deliver_async(self, request: Request) -> Any:
        """Do the same, and wait as a coroutine; cancelled, nothing more is sent.

        :raises NetworkException: there is none
        """
        try:
            return await self._try_async(request)
        except _MayPass as first:
            attempts = tenacity.AsyncRetrying(**_until_it_passes(request))
            try:
                return await attempts(self._try_async, request)
            except _MayPass as last:
                raise last.error from first

    def close(self) -> None:
        """End all requests that are under way, and refuse others."""
        self._closed = True
        with self._lock:
            if self._link:
                self._link.close()

    def _start_afresh(self) -> None:
        # What is shared with the parent process is neither used nor closed.
        self._left_behind.append(getattr(self, "_link", None))
        self._link: Link | None = None
        self._monitor: WorkerMonitor = self._new_monitor()
        # A signal handler may interrupt its own thread.
        self._lock = threading.RLock()

    def _try_until_it_passes(self, request: Request, first: _MayPass) -> Any:
        attempts = tenacity.Retrying(**_until_it_passes(request))
        try:
            return attempts(self._try, request)
        except _MayPass as last:
            raise last.error from first

    def _try(self, request: Request) -> Any:
        link = self._usable(request)
        result: Any = Ending.RETURNED
        for name in self._queues(request, link):
            result = self._ask(request, link, name)
            if result is not Ending.RETURNED:
                break
        return self._concluded(request, result)

    async def _try_async(self, request: Request) -> Any:
        link = self._usable(request)
        result: Any = Ending.RETURNED
        for name in self._queues(request, link):
            result = await self._ask_async(request, link, name)
            if result is not Ending.RETURNED:
                return self._concluded(request, result)
        # It may ask the broker why.
        return await asyncio.to_thread(self._concluded, request, result)

    def _queues(self, request: Request, link: Link) -> list[str]:
        """Return the queues to which a request may go, the best first."""
        if request.context.awaited and link.call_queue and link.call_queue.usable:
            # Workers that keep calls elsewhere have not declared it.
            return [link.call_queue.queue_name, self._topic]
        return [self._topic]

    def _concluded(self, request: Request, result: Any) -> Any:
        """Return the answer that a result has, or raise what it means."""
        if isinstance(result, Loss):
            raise self._unavailable(request, result)
        if isinstance(result, Ending) and result is not Ending.CONFIRMED:
            raise self._ended(request, result)
        self._served = True
        return None if result is Ending.CONFIRMED else _read(request, result)

    def _usable(self, request: Request) -> Link:
        """Return the connection, unless it is certain that it is of no use."""
        if sys.is_finalizing():
            raise request.unavailable("the interpreter is ending")
        link = self._link
        if link is None or link.ended:
            with self._lock:
                if self._closed:
                    raise request.closed()
                if self._link is None or self._link.ended:
                    self._link = self._begin(request)
                link = self._link
        state = link.supervision
        loss = state.loss
        if loss and (loss.refused or not state.reached):
            raise self._unavailable(request, loss)
        return link

    def _begin(self, request: Request) -> Link:
        try:
            return Link(self._driver, self._topic)
        except RuntimeError as error:  # of options that are wrong, or contradict others
            text = f"[oslo_messaging_rabbit]: {error}"
            raise request.unavailable(text, refused=True) from error

    def _ask(self, request: Request, link: Link, name: str) -> Any:
        """Send a request to a queue, and return its result."""
        results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        attempt = _sent(request, link, name, results)
        since = time.monotonic()
        try:
            while True:
                try:
                    return results.get(timeout=self._pause(request))
                except queue.Empty:
                    self._look(request, link, attempt, since)
        finally:
            link.forget(attempt)

    async def _ask_async(self, request: Request, link: Link, name: str) -> Any:
        results = _LoopResults()
        attempt = _sent(request, link, name, results)
        since = time.monotonic()
        try:
            while True:
                try:
                    async with asyncio.timeout(self._pause(request)):
                        return await results.get()
                except TimeoutError:
                    self._look(request, link, attempt, since)
        finally:
            link.forget(attempt)

    def _pause(self, request: Request) -> float:
        """Return the seconds after which to look whether there still is hope."""
        left = request.left()
        if not request.context.awaited:
            return left
        return min(left, self._monitor.within(request.pool_timeout).interval)

    def _look(
        self, request: Request, link: Link, attempt: Attempt, since: float
    ) -> None:
        """Raise if a request's time is up, or nobody listens.

        :param since: when it was sent, by the monotonic clock
        """
        if time.monotonic() >= request.end:
            unsent = link.forget(attempt)
            raise self._too_late(request, link, unsent=unsent) from None
        if not request.context.awaited:
            return
        if self._monitor.within(request.pool_timeout).nobody_listens(since):
            text = f"{request.method}: no worker listens to {request.topic}"
            raise request.timed_out(text) from None

    def _ended(self, request: Request, ending: Ending) -> Exception:
        """Return what to raise for a request that is not answered."""
        if ending is Ending.CLOSED:
            return request.unavailable("this client was closed")
        if ending is Ending.RETURNED:
            if self._served:
                return _MayPass(request.undeliverable(), _REMADE)
            if self._late:
                # Perhaps workers cannot start, because of what is on the broker.
                broker.check(self._transport, self._target)
            return request.undeliverable()
        if ending is Ending.NACKED:
            text = (
                f"the broker did not take the request for {request.topic}: a policy limits "
                "its queue, or the queue has no leader"
            )
            return _MayPass(request.unavailable(text), _ELECTED)
        text = f"{request.method}: the broker was restarted, and no answer came"
        return _MayPass(request.timed_out(text))

    def _unavailable(self, request: Request, loss: Loss) -> exceptions.BusUnavailable:
        what = "refused" if loss.refused else "cannot be reached"
        text = f"the broker {self._place()} {what}: {loss.text}"
        return request.unavailable(text, refused=loss.refused)

    def _too_late(
        self, request: Request, link: Link, *, unsent: bool
    ) -> exceptions.BusError:
        """Return what to raise at the deadline."""
        loss, blocked = link.supervision.loss, link.blocked
        why = "has not answered in time"
        if blocked:
            why = f"takes no messages: {blocked}"
        elif loss:
            why = f"cannot be reached: {loss.text}"
        if unsent:
            text = f"the broker {self._place()} {why}; nothing was sent"
            return request.unavailable(text)
        if blocked or loss:
            return request.timed_out(
                f"{request.method}: no answer within {request.timeout} s; the broker "
                f"{self._place()} {why}"
            )
        return request.timed_out()

    def _place(self) -> str:
        return place(self._driver._url)


class _LoopResults:
    """Takes what another thread puts to the coroutine that waits for it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._results: asyncio.Queue[Any] = asyncio.Queue()

    def put(self, result: Any, /) -> None:
        """Put something, without waiting; for nobody if the loop has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._results.put_nowait, result)

    async def get(self) -> Any:
        """Wait for what is put first."""
        return await self._results.get()


def _sent(request: Request, link: Link, name: str, results: Results) -> Attempt:
    """Begin to send a request to a queue."""
    awaited = request.context.awaited
    return link.send(name, request.message(), results, confirmed=not awaited)


def _until_it_passes(request: Request) -> dict[str, Any]:
    """Return how tenacity shall try a request again: while it may pass, in its time."""
    began = time.monotonic()

    def passes(error: BaseException) -> bool:
        tried = time.monotonic() - began
        return isinstance(error, _MayPass) and tried < error.duration

    return {
        "retry": tenacity.retry_if_exception(passes),
        "wait": tenacity.wait_random_exponential(multiplier=0.1, max=0.5),
        "stop": tenacity.stop_before_delay(request.left()),
        "reraise": True,
    }


def _forked(caller: weakref.ref[Caller]) -> None:
    found = caller()
    if found is not None:
        found._start_afresh()


def _read(request: Request, answer: Any) -> Any:
    """Return the result in an answer of oslo.messaging's form.

    oslo.messaging would make an exception of a class that the answer names, and fail itself
    where it is none.

    :raises NetworkException: it holds a failure, or is no answer
    """
    try:
        reply = msgspec.convert(dict(answer), _ReplyBody)
        if reply.failure is None:
            return reply.result
        failure = msgspec.json.decode(reply.failure, type=_Failure)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        why = printable(str(error), 200)
        text = f"{request.method}: the answer cannot be read: {why}"
        raise exceptions.WorkerError(text, method=request.method) from error
    raise request.refused(printable(failure.kind, 100), printable(failure.message))
