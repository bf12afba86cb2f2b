# SPDX-License-Identifier: Apache-2.0
"""The dispatcher: calls the driver's method for a request, and always returns an answer."""

from __future__ import annotations

import itertools
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

import oslo_messaging

from networker import exceptions
from networker._text import printable
from networker.conf import MAX_MESSAGE_SIZE
from networker.context import Context
from networker.drivers import base
from networker.observer import Call, Observer, count
from networker.rpc import codec, contract, tracing
from networker.rpc.tokens import Tokens
from networker.spans import Exporter, active

LOG = logging.getLogger(__name__)

#: Seconds by which a caller's clock may be ahead before it is worth a line in the log.
_SKEW = 1.0

#: Characters of an error's text in the log.
_LONGEST = 1000
_DONE = "%(method)s operation=%(operation_id)s caller=%(caller)s %(seconds).3f s %(outcome)s"
_FAILED = f"{_DONE}: %(error)s"

#: Tells how a cast ended: context, method, encoded answer, seconds that it ran.
Publish = Callable[[Context, str, dict[str, Any], float], None]


class Dispatcher:
    """Calls a driver for requests from the bus.

    :param driver: what answers; it is called from many threads
    :param tokens: opens users' tokens
    :param publish: tells how a cast ended; None to tell nobody
    :param most: bytes that an answer may have
    :param observer: is told of calls while they run; None where nobody is
    :param exporter: is told of their spans; None where only who asks for them is
    """

    def __init__(
        self,
        driver: base.NetworkDriver,
        tokens: Tokens,
        publish: Publish | None = None,
        most: int = MAX_MESSAGE_SIZE,
        observer: Observer | None = None,
        exporter: Exporter | None = None,
    ) -> None:
        self._driver = driver
        self._tokens = tokens
        self._publish = publish
        self._most = most
        self._observer = observer
        self._exporter = exporter
        self._worker = codec.this_worker()
        self._late = itertools.count(1)

    def endpoint(self) -> Any:
        """Return an object for oslo.messaging with the interface's methods alone.

        The driver itself would offer every public attribute to the bus.
        """
        members = {name: self._exposed(m) for name, m in contract.methods().items()}
        target = oslo_messaging.Target(
            namespace=contract.NAMESPACE, version=base.INTERFACE_VERSION
        )
        return type("Endpoint", (), {"target": target, **members})()

    def _exposed(self, method: contract.Method) -> Callable[..., dict[str, Any]]:
        def serve(_: object, context: Any, /, **wire: Any) -> dict[str, Any]:
            return self.handle(method, context, wire)

        exposed: Callable[..., dict[str, Any]] = oslo_messaging.expose(serve)
        return exposed

    def handle(
        self, method: contract.Method, wire_context: Any, wire: dict[str, Any]
    ) -> dict[str, Any]:
        """Run one request and return the encoded answer, whatever happens."""
        context = Context.from_wire(wire_context)
        context.lease = _lease(wire_context)
        context.arrived()
        trace = tracing.process(self._exporter, method.name, context, self._worker)
        if self._observer or trace:
            context.call = Call(self._observer or Observer(), method.name, context)
            context.call.observer.begun(context.call)
        began = time.monotonic()
        kind: type[exceptions.NetworkException] | None = None
        with context.entered(), active(context.span):
            try:
                answer = codec.encode_answer(self._run(method, context, wire))
                self._refuse_large(method, context, answer)
                outcome, text = "ok", None
            except exceptions.NetworkException as error:
                answer, kind = self._failed(error), type(error)
                outcome, text = type(error).__name__, str(error)
            except BaseException as error:  # noqa: BLE001 - a caller waits for an answer
                answer, kind = (
                    self._broken(method, context, error),
                    exceptions.WorkerError,
                )
                outcome, text = "broken", type(error).__name__
            seconds = time.monotonic() - began
            _log(method, context, seconds, outcome, text)
            if context.call:
                context.call.error = context.call.error or text
                context.call.observer.ended(context.call, kind, seconds)
            tracing.answered(trace, context, kind, answer, self._most)
            if self._publish and not context.awaited:
                self._publish(context, method.name, answer, seconds)
        return answer

    def _run(
        self, method: contract.Method, context: Context, wire: dict[str, Any]
    ) -> codec.Answer:
        age = context.age()
        if age is not None and age < -_SKEW:
            LOG.warning("the caller's clock is %.1f s ahead of this one", -age)
        if context.expired():
            text = f"{method.name}: came too late, and was not started"
            if age is not None:
                text += f"; by {self._worker}'s clock it was {age:.1f} s old"
            LOG.warning("%s; requests too late so far: %d", text, next(self._late))
            count("late")
            raise exceptions.CallTimeout(text, method=method.name, maybe_executed=False)
        # No name for what was opened: tools that log a failure's variables would see it.
        arguments = codec.decode_arguments(method, self._tokens.open(method, wire))
        if context.call:
            context.call.about(arguments)
        if context.span and context.call and context.call.load_balancer:
            name = "networker.load_balancer.id"
            context.span.attributes[name] = context.call.load_balancer
        result = getattr(self._driver, method.name)(**arguments)
        return codec.Answer(worker=self._worker, result=result)

    def _refuse_large(
        self, method: contract.Method, context: Context, answer: dict[str, Any]
    ) -> None:
        """Raise WorkerError for an answer that cannot be sent; what was done stays."""
        size = codec.excess(answer, self._most)
        if not size:
            return
        text = (
            f"{method.name}: the answer has {size} bytes, and [networker] "
            f"max_message_size lets {self._most} through"
        )
        LOG.error("%s (operation %s)", text, context.operation_id)
        done = "it was done, and can be looked up" if method.operation.mutates else ""
        text = f"{text}; {done or 'ask for less at once'}"
        raise exceptions.WorkerError(text, method=method.name, worker=self._worker)

    def _failed(self, error: exceptions.NetworkException) -> dict[str, Any]:
        answer = codec.Answer(worker=self._worker, error=codec.encode_error(error))
        wire = codec.encode_answer(answer)
        if codec.excess(wire, self._most):
            short = codec.Answer(
                worker=self._worker, error=codec.encode_short_error(error)
            )
            wire = codec.encode_answer(short)
        return wire

    def _broken(
        self, method: contract.Method, context: Context, error: BaseException
    ) -> dict[str, Any]:
        error_id = uuid.uuid4().hex
        if context.call:
            context.call.error = f"{type(error).__name__}: error {error_id}"
        LOG.error("%s failed: error %s", method.name, error_id, exc_info=error)
        return self._failed(
            exceptions.WorkerError(
                method=method.name, worker=self._worker, error_id=error_id
            )
        )


def _log(
    method: contract.Method,
    context: Context,
    seconds: float,
    outcome: str,
    error: str | None,
) -> None:
    """Log a call: as one line, and as fields where the log has such.

    The request id is not among them: oslo.log shows the context's with every line.
    """
    fields = {
        "method": method.name,
        "operation_id": context.operation_id,
        "caller": context.caller,
        "seconds": seconds,
        "outcome": outcome,
        "error": error and printable(error, _LONGEST),
    }
    LOG.info(_FAILED if error else _DONE, fields, extra={"extra": fields})


def _lease(wire_context: Any) -> Callable[[], bool] | None:
    """Return the function that asks the broker whether the request is still this worker's.

    A listener puts it into the context, and JSON cannot.
    """
    lease = wire_context.get("lease") if isinstance(wire_context, dict) else None
    return lease if callable(lease) else None
