# SPDX-License-Identifier: Apache-2.0
"""The bus as a client sees it: sends requests, and ends each by its deadline."""

from __future__ import annotations

import time
from typing import Any

from oslo_config import cfg

from networker.context import Context
from networker.rpc import codec, contract, transport
from networker.rpc.request import Request


class Bus:
    """The caller's end of the bus: sends requests and waits for answers.

    oslo.messaging may block for ever while the broker is away. Here every request ends by
    its deadline. Once the broker is back it may still be delivered, and a worker refuses
    it then, because the deadline travels with a call.

    :param conf: a configuration on which :func:`networker.conf.register` was called
    :raises ValueError: its transport_url is wrong
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._transport = transport.open_transport(conf, caller=True)
        #: Where requests go, for people.
        self.topic = contract.address(conf)
        self._caller = transport.caller(conf, self._transport)
        self._most = conf.networker.max_message_size

    def request(
        self,
        context: Context,
        method: str,
        wire: dict[str, Any],
        timeout: float,
        pool_timeout: float | None = None,
    ) -> Request:
        """Return what is sent; of a call, its deadline begins now.

        :param context: gets the deadline, if somebody awaits the answer
        :param wire: encoded arguments
        :param timeout: seconds for all of a call, or until a cast is handed over
        :param pool_timeout: seconds without any worker; None for what is configured
        :raises InvalidRequest: it is too large
        """
        if context.awaited:
            context.deadline = time.time() + timeout
        codec.check_request(method, [wire, context.to_wire()], self._most)
        end = time.monotonic() + timeout
        return Request(context, method, wire, self.topic, timeout, end, pool_timeout)

    def deliver(self, request: Request) -> Any:
        """Send a request; return the answer, or None when the broker has a cast.

        :raises BusError: there is none
        """
        return self._caller.deliver(request)

    async def deliver_async(self, request: Request) -> Any:
        """Do the same, and wait as a coroutine; cancelled, it sends nothing any more."""
        return await self._caller.deliver_async(request)

    def close(self) -> None:
        """End the requests that are under way; those made afterwards are refused."""
        self._caller.close()
        self._transport.cleanup()
