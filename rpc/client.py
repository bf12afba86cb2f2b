# SPDX-License-Identifier: Apache-2.0
"""The client: a NetworkDriver for controllers, whose methods run in a worker."""

from __future__ import annotations

import copy
import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from oslo_config import cfg
from oslo_context import context as oslo_context

from networker import _eventlet, exceptions, strict, traces
from networker import conf as options
from networker._text import printable
from networker.context import Context
from networker.drivers import base
from networker.rpc import codec, contract, tracing, transport
from networker.rpc.bus import Bus
from networker.rpc.tokens import Tokens
from networker.spans import Exporter, Record

LOG = logging.getLogger(__name__)

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
        self._tokens = tokens
        self._options = settings
        self._exporter = exporter

    @property
    def cast(self) -> Any:
        """The same methods as casts.

        Each sends its request, waits for no answer, and returns the id of the operation
        as soon as the broker has it. How it ended is told under that id, see
        :func:`networker.rpc.outcomes`.
        """
        return _CASTS(self._bus, self._tokens, self._options, self._exporter)

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
        :param observer: called after every call, in the calling thread
        :param pool_timeout: seconds without any worker after which a call ends before its
            time, over RabbitMQ; ``[networker] pool_timeout`` where nobody says so. A call
            ends within five thirds of it
        :param trace: whether to ask workers what of a call took how long, for the observer
        """
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

    def _call(self, method: contract.Method, wire: dict[str, Any]) -> Any:
        context = Context.of_caller(self._options.context)
        context.wants_spans = self._options.trace
        trace = tracing.send(self._exporter, method.name, context, self._bus.topic)
        began = time.monotonic()
        worker, failure, told = "", None, []
        try:
            wire = self._bus.call(
                context,
                method.name,
                wire,
                self._options.timeout,
                self._options.pool_timeout,
            )
            told = tracing.told(context, wire)
            answer = codec.decode_answer(method, wire)
            worker = printable(answer.worker, _LONGEST)
            if answer.error is not None:
                raise codec.decode_error(answer.error)
            return codec.decode_result(method, answer.result)
        except exceptions.NetworkException as error:
            failure = error
            raise
        finally:
            seconds = time.monotonic() - began
            request_id = context.request_id or ""
            told = tracing.sent(trace, context, failure) + told
            self._report(Reply(method.name, request_id, seconds, worker, failure, told))

    def _report(self, reply: Reply) -> None:
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


class Casts(base.NetworkDriver):
    """The methods of the interface as casts."""

    def __init__(
        self, bus: Bus, tokens: Tokens, settings: Options, exporter: Exporter | None
    ) -> None:
        self._bus = bus
        self._tokens = tokens
        self._options = settings
        self._exporter = exporter

    def _cast(self, method: contract.Method, wire: dict[str, Any]) -> str:
        context = Context.of_caller(self._options.context)
        context.awaited = False
        trace = tracing.send(self._exporter, method.name, context, self._bus.topic)
        failure = None
        try:
            self._bus.cast(context, method.name, wire, self._options.timeout)
        except exceptions.NetworkException as error:
            failure = error
            raise
        finally:
            tracing.sent(trace, context, failure)
        LOG.debug("%s: cast (%s)", method.name, context.operation_id)
        return context.operation_id


def _remote(
    method: contract.Method, send: Callable[[Any, contract.Method, Any], Any]
) -> Callable[..., Any]:
    declared = getattr(base.NetworkDriver, method.name)

    @functools.wraps(declared)
    def remote(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = method.signature.bind(*args, **kwargs).arguments
        wire = self._tokens.seal(method, codec.encode_arguments(method, bound))
        return send(self, method, wire)

    vars(remote).pop("__isabstractmethod__", None)
    return remote


def _derive(parent: type, send: Callable[..., Any]) -> Any:
    methods = contract.methods()
    made = {name: _remote(method, send) for name, method in methods.items()}
    return type(parent.__name__, (parent,), {"__doc__": parent.__doc__, **made})


_CLIENT = _derive(Client, Client._call)
_CASTS = _derive(Casts, Casts._cast)


def connect(conf: cfg.ConfigOpts) -> Client:
    """Return a client for the workers that a configuration names.

    Nothing is connected until the first call.

    :param conf: with ``[DEFAULT] transport_url`` and ``[networker]``; options that are
        not registered yet are
    :raises ValueError: the transport_url is malformed or names an unknown transport,
        users' tokens are to be forwarded without sound keys, spans are to be told and
        OpenTelemetry is not installed, or eventlet has patched this process
    """
    _eventlet.refuse()
    options.register(conf)
    strict.tell_caller(conf)
    tokens, settings = Tokens(conf), Options(conf.networker.call_timeout)
    client: Client = _CLIENT(Bus(conf), tokens, settings, traces.of_caller(conf))
    return client


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
