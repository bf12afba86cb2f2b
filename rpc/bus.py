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

    def call(
        self,
        context: Context,
        method: str,
        wire: dict[str, Any],
        timeout: float,
        pool_timeout: float | None = None,
    ) -> Any:
        """Send a request and return the answer.

        :param context: gets the deadline
        :param wire: encoded arguments
        :param timeout: seconds for all of it
        :param pool_timeout: seconds without any worker; None for what is configured
        :raises InvalidRequest: it is too large
        :raises BusError: there was none
        """
        context.deadline = time.time() + timeout
        request = self.request(context, method, wire, timeout, pool_timeout)
        return self._caller.deliver(request)

    async def call_async(
        self,
        context: Context,
        method: str,
        wire: dict[str, Any],
        timeout: float,
        pool_timeout: float | None = None,
    ) -> Any:
        """Do the same, and wait as a coroutine; cancelled, it sends nothing any more."""
        context.deadline = time.time() + timeout
        request = self.request(context, method, wire, timeout, pool_timeout)
        return await self._caller.deliver_async(request)

    def cast(
        self, context: Context, method: str, wire: dict[str, Any], timeout: float
    ) -> None:
        """Hand a request to the broker; `timeout` bounds that, not the execution.

        :raises InvalidRequest: it is too large
        :raises BusError: the broker has not confirmed it
        """
        context.awaited = False
        self._caller.deliver(self.request(context, method, wire, timeout))

    async def cast_async(
        self, context: Context, method: str, wire: dict[str, Any], timeout: float
    ) -> None:
        """Do the same, and wait as a coroutine."""
        context.awaited = False
        request = self.request(context, method, wire, timeout)
        await self._caller.deliver_async(request)

    def close(self) -> None:
        """End the requests that are under way; those made afterwards are refused."""
        self._caller.close()
        self._transport.cleanup()

    def request(
        self,
        context: Context,
        method: str,
        wire: dict[str, Any],
        timeout: float,
        pool_timeout: float | None = None,
    ) -> Request:
        """Return what is sent.

        :raises InvalidRequest: it is too large
        """
        codec.check_request(method, [wire, context.to_wire()], self._most)
        end = time.monotonic() + timeout
        where = self.topic, timeout, end, pool_timeout
        return Request(context, method, wire, *where)
