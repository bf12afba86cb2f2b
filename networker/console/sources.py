# SPDX-License-Identifier: Apache-2.0
"""Where the console learns what it shows: the workers and the broker of a topic."""

from __future__ import annotations

import itertools
from typing import Any, Self

from oslo_config import cfg

from networker import exceptions, letters, rpc
from networker.console.watch import State
from networker.drawing import Survey, survey
from networker.inquiry import Pool
from networker.models import LoadBalancer
from networker.rpc.rabbitmq import policies
from networker.rpc.rabbitmq.dead_letters import DeadLetters
from networker.rpc.transport import open_transport

#: Questions to the pool of which one asks for the broker's policies as well.
_SELDOM = 15
#: Dead letters that are shown, the oldest ones.
_LETTERS = 200


class Bus:
    """The pool, the dead letters and the driver behind the topic of a configuration.

    :param conf: a configuration on which :func:`networker.conf.register` was called
    :raises ValueError: the transport's URL is wrong, or is not RabbitMQ's
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._transport = open_transport(conf)
        self._pool = Pool(conf, self._transport)
        self._letters = DeadLetters(conf, open_transport(conf))
        self._asked = itertools.count()
        #: What was said of the broker's policies when it was asked last.
        self._complaints: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def pool(self) -> State:
        """Ask the workers and the broker how they are.

        Dead letters are counted and not looked at: whoever looks takes them for a while.

        :raises BusUnavailable: the broker cannot be asked
        """
        state = self._pool.ask(letters=False, policies=False).state()
        if next(self._asked) % _SELDOM == 0:
            self._complaints = self._complaints_now()
        return {**state, "unwell": [*state["unwell"], *self._complaints]}

    def _complaints_now(self) -> list[str]:
        """Return which policies break a promise, or why they are not known."""
        try:
            return policies.complaints(self._conf, self._transport)
        except exceptions.BusUnavailable as error:
            return [str(error)]

    def letters(self) -> list[dict[str, Any]]:
        """Return the oldest dead letters, without passwords and tokens.

        :raises BusUnavailable: the broker cannot be asked
        """
        found = self._letters.read(_LETTERS)
        return [
            {
                **dict(zip(letters.COLUMNS, letters.row(each), strict=True)),
                "fields": all_,
            }
            for each in found
            for all_ in [letters.fields(each)]
        ]

    def replay(self, letter_id: str) -> int:
        """Send a dead letter to the workers again; return how many have that id.

        :raises NetworkException: there is none, or it is no request
        """
        return len(self._letters.replay({letter_id}))

    def survey(self, load_balancer: LoadBalancer) -> Survey:
        """Ask the workers what a load balancer has.

        :raises NetworkException: they or their network cannot be asked
        """
        with rpc.connect(self._conf) as client:
            return survey(client, load_balancer)
