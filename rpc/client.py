# SPDX-License-Identifier: Apache-2.0
"""The client: a NetworkDriver for controllers, whose methods run in a worker."""

from __future__ import annotations

import copy
import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from oslo_config import cfg
from oslo_context import context as oslo_context

from networker import exceptions, traces
from networker._text import printable
from networker.context import Context
from networker.drivers import base
from networker.rpc import codec, contract, tracing, transport
from networker.rpc.bus import Bus
from networker.rpc.casts import Casts
from networker.rpc.request import Request
from networker.rpc.tokens import Tokens
from networker.spans import Exporter, Record

LOG = logging.getLogger(__name__)

#: Seconds that a call can be given: a year.
LONGEST_TIMEOUT = 366 * 86400.0
#: Characters of a worker's name.
_LONGEST = 255


@dataclasses.dataclass(frozen=True)
class Reply:
    """How a call went, for an observer.

    :param method: name of the method
    :param request_id: under which both ends logged it
    :param seconds: from the call to its answer
    :param worker: host and process id of the worker that answered, if one did
    :param error: what was raised, or None
    :param spans: what took how long, where :meth:`Client.with_options` was told to ask for
        it: the call itself, and what the worker that answered has told
    """

    method: str
    request_id: str
    seconds: float
    worker: str
    error: exceptions.NetworkException | None
    spans: Sequence[Record] = ()


@dataclasses.dataclass(frozen=True)
class Options:
    """How a client makes its calls; see :meth:`Client.with_options`."""

    timeout: float
    context: oslo_context.RequestContext | None = None
    observer: Callable[[Reply], None] | None = None
    pool_timeout: float | None = None
    trace: bool = False


class Client(base.NetworkDriver):
    """A :class:`NetworkDriver` whose methods run in a worker.

    It has the same methods, results and errors, and can raise a
    :class:`~networker.exceptions.BusError` besides. Wrong arguments are refused before
    anything is sent. It may be shared by threads; make it after a fork, not before.

    :param bus: the connection, shared with the clients of :meth:`with_options`
    :param tokens: seals users' tokens
    :param settings: how calls are made
    :param exporter: is told of spans; None where nobody is
    """

    def __init__(
        self,
        bus: Bus,
        tokens: Tokens,
        settings: Options,
        exporter: Exporter | None = None,
    ) -> None:
        self._bus = bus
        self.tokens = tokens
        self._options = settings
        self._exporter = exporter

    @property
    def cast(self) -> Casts:
        """The same methods as casts, see :class:`~networker.rpc.Casts`."""
        now, exporter = self._options, self._exporter
        return Casts(self._bus, self.tokens, now.timeout, now.context, exporter)

    def with_options(
        self,
        *,
        timeout: float | None = None,
        context: oslo_context.RequestContext | None = None,
        observer: Callable[[Reply], None] | None = None,
        pool_timeout: float | None = None,
        trace: bool = False,
    ) -> Self:
        """Return a client on the same connection that makes its calls in another way.

        :param timeout: seconds that a call may take, or a cast until it is handed over
        :param context: on whose behalf; its request ids are passed on
        :param observer: called after every call, in the calling thread; not for one
            that is cancelled or interrupted
        :param pool_timeout: seconds without any worker after which a call ends before its
            time, over RabbitMQ; ``[networker] pool_timeout`` where nobody says so. A call
            ends within five thirds of it
        :param trace: whether to ask workers what of a call took how long, for the observer
        :raises ValueError: a call would have no time, or more than `LONGEST_TIMEOUT`
        """
        if timeout is not None and not 0 < timeout <= LONGEST_TIMEOUT:
            text = f"timeout={timeout}: give more than 0 s, and at most"
            raise ValueError(f"{text} {LONGEST_TIMEOUT:.0f}")
        now = self._options
        other = copy.copy(self)
        other._options = Options(
            timeout=now.timeout if timeout is None else timeout,
            context=context or now.context,
            observer=observer or now.observer,
            pool_timeout=now.pool_timeout if pool_timeout is None else pool_timeout,
            trace=trace or now.trace,
        )
        return other

    def close(self) -> None:
        """Close the connection, for all clients that share it."""
        self._bus.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def send(self, method: contract.Method, wire: dict[str, Any]) -> Any:
        """Call a method and return its result; the interface's methods end here.

        :param wire: its arguments as they are sent
        """
        with SentCall(method, self._options, self._exporter, self._bus) as call:
            return call.read(self._bus.deliver(call.request(wire)))

    async def send_async(self, method: contract.Method, wire: dict[str, Any]) -> Any:
        """Do the same, and wait for the answer as a coroutine."""
        with SentCall(method, self._options, self._exporter, self._bus) as call:
            return call.read(await self._bus.deliver_async(call.request(wire)))


class SentCall:
    """A call, from its begin until it is reported at the end of the context.

    :param exporter: is told of its span; None where nobody is
    :param bus: that carries it
    """

    def __init__(
        self,
        method: contract.Method,
        settings: Options,
        exporter: Exporter | None,
        bus: Bus,
    ) -> None:
        self._method, self._options, self._bus = method, settings, bus
        self._context = context = Context.of_caller(settings.context)
        context.wants_spans = settings.trace
        self._trace = tracing.send(exporter, method.name, context, bus.topic)
        self._began = time.monotonic()
        self._worker = ""
        self._told: list[Record] = []

    def request(self, wire: dict[str, Any]) -> Request:
        """Return what is sent.

        :param wire: its arguments as they are sent
        :raises InvalidRequest: it is too large
        """
        now = self._options
        about = self._context, self._method.name, wire
        return self._bus.request(*about, now.timeout, now.pool_timeout)

    def read(self, wire: Any) -> Any:
        """Return the result that an answer has, or raise its error."""
        self._told = tracing.told(self._context, wire)
        answer = codec.decode_answer(self._method, wire)
        self._worker = printable(answer.worker, _LONGEST)
        if answer.error is not None:
            raise codec.decode_error(answer.error)
        return codec.decode_result(self._method, answer.result)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: object, error: BaseException | None, _traceback: object
    ) -> None:
        seconds = time.monotonic() - self._began
        told = tracing.sent(self._trace, self._context, error) + self._told
        failure = error if isinstance(error, exceptions.NetworkException) else None
        if error is not failure:
            # Cancelled, or interrupted: how it ends is not known.
            LOG.debug("%s: given up after %.3f s", self._method.name, seconds)
            return
        request_id, worker = self._context.request_id or "", self._worker
        reply = Reply(self._method.name, request_id, seconds, worker, failure, told)
        LOG.debug(
            "%s: %s in %.3f s from %s (%s)",
            reply.method,
            type(reply.error).__name__ if reply.error else "ok",
            reply.seconds,
            reply.worker or "no worker",
            reply.request_id,
        )
        if self._options.observer:
            self._options.observer(reply)


def check(conf: cfg.ConfigOpts) -> tuple[dict[str, str], list[str]]:
    """Find out whether calls could be made with a configuration.

    :param conf: a configuration on which :func:`networker.conf.register` was called
    :returns: what was found, by name, and what is not as it should be
    :raises BusUnavailable: the broker does not let us do what a caller does, or cannot
        be reached; see `refused`
    :raises ValueError: the transport_url or the keys of users' tokens are wrong, or
        OpenTelemetry is not installed and spans are to be told
    """
    Tokens(conf)
    traces.of_caller(conf)
    opened = transport.open_transport(conf, caller=True)
    facts = transport.describe(conf, opened)
    keys = len(conf.networker.user_token_keys)
    forwarded = conf.networker.forward_user_tokens
    facts["users' tokens"] = f"sealed, {keys} keys" if forwarded else "not sent"
    found, lacking = transport.caller_facts(conf, opened)
    return facts | found, lacking
