# SPDX-License-Identifier: Apache-2.0
"""``networker status``: whether the bus carries requests, and somebody takes them."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.show import ShowOne
from oslo_config import cfg

from networker import exceptions
from networker.cli.base import Operation
from networker.rpc.rabbitmq import broker, policies
from networker.rpc.rabbitmq.messaging_driver import driver_of
from networker.rpc.rabbitmq.queues import calls_name, dead_name, outcomes_name
from networker.rpc.transport import open_transport
from networker.service import Refused


class Status(Operation, ShowOne):
    """Show whether workers listen, and what waits in the queues.

    `waiting` are requests that no worker has taken yet, `workers` the processes that
    listen, `dead` the requests that nobody could serve (see `networker dead list`), and
    `outcomes` those of casts that no controller has taken yet, if workers publish them.
    `alarm` is why the broker takes no messages, such as a lack of memory or disk.

    Where [networker] management_url is given, policies of the broker that break a promise
    are shown too.

    The exit code is 0 if all is well, 1 if no worker listens, there are dead letters, their
    queue is missing, a policy breaks a promise or the broker has an alarm, 2 if the
    configuration has to be mended, and 3 if the broker cannot be reached.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return a parser whose help ends with an example."""
        parser = super().get_parser(prog_name)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.epilog = "example:\n  networker status -f value -c workers"
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; say what is not well."""
        self._unwell: list[str] = []
        code = super().run(parsed_args)
        for text in self._unwell:
            self.app.stderr.write(f"networker: {text}\n")
        return 1 if self._unwell else code

    def take_action(self, _: argparse.Namespace) -> Any:
        """Return what the broker tells."""
        conf = self.configuration()
        try:
            transport = open_transport(conf)
        except ValueError as error:
            raise Refused(str(error)) from error
        if not broker.uses_rabbit(transport):
            raise Refused(
                "transport_url: only RabbitMQ can be asked, and this one is in memory"
            )
        topic = conf.networker.topic
        names = (topic, calls_name(topic), dead_name(topic), outcomes_name(topic))
        with broker.connected(transport) as found:
            counts = [broker.count(found, name) or (None, None) for name in names]
            server = found.connection.connection.server_properties
        (waiting, workers), (calls, _none), (dead, _none), (outcomes, _none) = counts
        alarm = broker.alarm(transport)
        if alarm:
            self._unwell.append(f"the broker takes no messages: {alarm}")
        self._judge(conf, transport, waiting, workers, dead)
        fields = {
            "broker": broker.location(transport),
            "version": f"{server.get('product')} {server.get('version')}",
            "alarm": alarm,
            "topic": topic,
            "waiting": None if waiting is None else waiting + (calls or 0),
            "workers": workers or 0,
            "dead": dead or 0,
            "outcomes": outcomes,
        }
        return list(fields), list(fields.values())

    def _judge(
        self,
        conf: cfg.ConfigOpts,
        transport: Any,
        waiting: int | None,
        workers: int | None,
        dead: int | None,
    ) -> None:
        """Note what is not well; counts are None for a queue that is not there."""
        topic = conf.networker.topic
        if not workers:
            self._unwell.append(
                f"no worker listens to {conf.networker.exchange}/{topic}"
            )
        if dead:
            self._unwell.append(f"{dead} dead letters: see `networker dead list`")
        if driver_of(transport) and dead is None and waiting is not None:
            self._unwell.append(
                f"the queue {dead_name(topic)} is missing: nothing can be put aside until "
                "a worker has declared it again"
            )
        try:
            self._unwell += policies.complaints(conf, transport)
        except exceptions.BusUnavailable as error:
            self._unwell.append(str(error))
