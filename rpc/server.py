# SPDX-License-Identifier: Apache-2.0
"""The worker's server: takes requests from the topic and runs them in threads."""

from __future__ import annotations

import socket

import oslo_messaging
from oslo_config import cfg

from networker.drivers import base
from networker.observer import Observer
from networker.rpc import contract, transport
from networker.rpc.dispatcher import Dispatcher
from networker.rpc.outcomes import OutcomePublisher
from networker.rpc.tokens import Tokens
from networker.spans import Exporter


class Server:
    """Serves a driver on the bus.

    :param conf: a configuration on which :func:`networker.conf.register` was called
    :param driver: what answers
    :param observer: is told what happens; None where nobody is
    :param exporter: is told of spans; None where only callers that ask for them are
    :raises ValueError: the transport_url is wrong, or users' tokens are to be forwarded
        without sound keys
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        driver: base.NetworkDriver,
        observer: Observer | None = None,
        exporter: Exporter | None = None,
    ) -> None:
        self._conf = conf
        self._threads = conf.networker.threads
        tokens = Tokens(conf)
        self._transport = transport.open_transport(conf)
        # The host's name and no process id: with the stock driver, the queue
        # <topic>.<server> outlives us.
        self._target = contract.target(conf, server=socket.gethostname())
        self._outcomes = OutcomePublisher(conf) if conf.networker.notify else None
        publish = self._outcomes.publish if self._outcomes else None
        most = conf.networker.max_message_size
        self._server = oslo_messaging.get_rpc_server(
            self._transport,
            self._target,
            [Dispatcher(driver, tokens, publish, most, observer, exporter).endpoint()],
            access_policy=oslo_messaging.ExplicitRPCAccessPolicy,
            server_cls=transport.server_class(self._transport),
        )
        if observer:
            transport.observe(self._server, observer)

    def probe(self) -> None:
        """Find out whether the broker lets us in, and whether its queues are sound.

        :raises BusUnavailable: it does not, or they are not; see `refused`
        """
        transport.check(self._transport, self._target)
        if self._outcomes:
            self._outcomes.check()

    def describe(self) -> dict[str, str]:
        """Return, by name, where requests come from, as the broker tells.

        :raises BusUnavailable: the broker cannot be asked
        """
        return transport.describe(self._conf, self._transport)

    def rights(self) -> dict[str, str]:
        """Return, by name, what the broker's user may do with callers' queues.

        :raises BusUnavailable: it may not do what a worker does; see `refused`
        """
        return transport.worker_rights(self._conf, self._transport)

    def trouble(self) -> str | None:
        """Return why no requests come; None if they would."""
        return transport.trouble(self._server)

    def dead_letters(self) -> int | None:
        """Return how many dead letters there are; None if it is not known."""
        return transport.dead_letters(self._server)

    def start(self) -> None:
        """Begin to take requests."""
        # The broker gives us so many of each queue: none waits here for a thread.
        size = self._threads * transport.queues(self._transport)
        self._server.start(override_pool_size=size)

    def stop(self) -> None:
        """Take no more requests, finish and answer those begun, and disconnect."""
        if self._outcomes:
            self._outcomes.hurry()
        self._server.stop()
        self._server.wait()
        self._transport.cleanup()
        if self._outcomes:
            self._outcomes.close()
