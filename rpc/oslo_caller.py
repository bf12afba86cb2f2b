# SPDX-License-Identifier: Apache-2.0
"""Send requests by oslo.messaging's own client, over transports other than RabbitMQ."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent import futures
from typing import Any

import oslo_messaging
from oslo_config import cfg

from networker import exceptions
from networker.context import Context
from networker.rpc import contract
from networker.rpc.request import OLDER, Request

#: Requests that may be stuck in oslo.messaging before new ones are refused.
_MOST_STUCK = 64


class OsloCaller:
    """Delivers requests in oslo.messaging's own way.

    That may block for ever. So every request is sent from a thread of its own, which is
    left behind if it is stuck at the request's deadline.

    :param conf: names exchange and topic
    :param transport: oslo.messaging's
    :param errors: what oslo.messaging and what it is made of raise where a message is not
        taken
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        transport: Any,
        errors: tuple[type[BaseException], ...],
    ) -> None:
        where = contract.target(conf, namespace=contract.NAMESPACE)
        self._client = oslo_messaging.get_rpc_client(transport, where)
        self._errors = errors
        self._stuck: list[futures.Future[Any]] = []
        self._closed = False

    def deliver(self, request: Request) -> Any:
        """Send a request, and return the answer if one is awaited.

        :raises NetworkException: there is none
        """
        self._refuse_if_useless(request)
        sent: futures.Future[Any] = futures.Future()

        def run() -> None:
            try:
                sent.set_result(self._send(request))
            except BaseException as error:  # noqa: BLE001 - translated by the caller
                sent.set_exception(error)

        threading.Thread(target=run, name="sender", daemon=True).start()
        futures.wait([sent], request.left())
        if not sent.done():
            self._stuck.append(sent)
            raise request.timed_out()
        error = sent.exception()
        if error is not None:
            raise translate(request, error, self._errors) from error
        return sent.result()

    async def deliver_async(self, request: Request) -> Any:
        """Do the same, and wait as a coroutine; a thread does it."""
        return await asyncio.to_thread(self.deliver, request)

    def close(self) -> None:
        """Refuse requests from now on."""
        self._closed = True

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

    def _refuse_if_useless(self, request: Request) -> None:
        if self._closed:
            raise request.closed()
        self._stuck = [sent for sent in self._stuck if not sent.done()]
        if len(self._stuck) >= _MOST_STUCK:
            text = f"{len(self._stuck)} earlier requests still wait for the bus"
            raise request.unavailable(text)


def translate(
    request: Request, error: BaseException, errors: tuple[type[BaseException], ...]
) -> exceptions.NetworkException:
    """Return the interface's error for one with which a request ended.

    :param request: that was sent
    :param error: what oslo.messaging raised, or what a worker did
    :param errors: those that mean that the message was not taken
    """
    kind = getattr(error, "exc_type", type(error).__name__)
    if isinstance(error, oslo_messaging.MessagingTimeout):
        return request.timed_out()
    if isinstance(error, oslo_messaging.MessageUndeliverable):
        return request.undeliverable()
    if isinstance(error, oslo_messaging.RemoteError):
        return request.refused(kind, error.value)
    if isinstance(error, errors) and kind not in OLDER:
        return request.unavailable(f"the bus did not take the request: {error}")
    return request.refused(kind, error)
