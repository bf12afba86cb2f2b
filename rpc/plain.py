# SPDX-License-Identifier: Apache-2.0
"""Requests over transports other than RabbitMQ, sent by oslo.messaging itself."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

import oslo_messaging
from oslo_config import cfg

from networker import exceptions
from networker.context import Context
from networker.rpc import contract
from networker.rpc.request import Request
from networker.rpc.senders import Senders
from networker.rpc.transport import target

#: Requests that may be stuck in oslo.messaging before new ones are refused.
_MOST_STUCK = 64


class Plain:
    """Sends requests in oslo.messaging's own way.

    That may block for ever. So every request is sent from a thread of its own, which is
    left behind if it is stuck at the request's deadline.

    :param conf: names exchange and topic
    :param transport: oslo.messaging's
    """

    def __init__(self, conf: cfg.ConfigOpts, transport: Any) -> None:
        where = target(conf, namespace=contract.NAMESPACE)
        self._client = oslo_messaging.get_rpc_client(transport, where)
        self._stuck: list[threading.Event] = []
        self._senders = Senders()

    def deliver(self, request: Request) -> Any:
        """Send a request, and return the answer if one is awaited.

        :raises NetworkException: there is none
        """
        self._refuse_if_useless(request.method)
        results: queue.SimpleQueue[tuple[Any, BaseException | None]] = (
            queue.SimpleQueue()
        )
        ended = threading.Event()

        def run() -> None:
            try:
                results.put((self._send(request), None))
            except BaseException as error:  # noqa: BLE001 - translated by the caller
                results.put((None, error))
            ended.set()

        self._senders.run(run)
        try:
            value, error = results.get(timeout=request.left())
        except queue.Empty:
            self._stuck.append(ended)
            raise request.timed_out() from None
        if error is not None:
            raise request.failed(error) from error
        return value

    def _send(self, request: Request) -> Any:
        context: Context = request.context
        left = request.left()
        prepared = self._client.prepare(
            version=request.version,
            # A little less than is left, so that the more precise error comes first.
            timeout=left - min(0.1, left / 10) if context.awaited else None,
            retry=0,
            transport_options=oslo_messaging.TransportOptions(at_least_once=True),
        )
        context.sent = time.time()
        send = prepared.call if context.awaited else prepared.cast
        return send(context.to_wire(), request.method, **request.wire)

    def close(self) -> None:
        """Do nothing: there is nothing but the transport."""

    def _refuse_if_useless(self, method: str) -> None:
        self._stuck = [ended for ended in self._stuck if not ended.is_set()]
        if len(self._stuck) >= _MOST_STUCK:
            text = (
                f"{method}: {len(self._stuck)} earlier requests still wait for the bus"
            )
            raise exceptions.BusUnavailable(text, method=method)
