# SPDX-License-Identifier: Apache-2.0
"""What all methods of the sandbox driver are made of: one transaction each."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator

from networker import exceptions
from networker.context import require_time, stay_ours
from networker.drivers.base import NetworkDriver
from networker.drivers.sandbox.database import Database
from networker.drivers.sandbox.errors import refused_as
from networker.models import VIP, LoadBalancer


class Transactions(NetworkDriver):
    """The transactions of methods, and the time that a cloud would take for them.

    :param database: the state of the sandbox
    :param latency: seconds that a wave of requests takes
    """

    def __init__(self, database: Database, latency: float) -> None:
        self._database = database
        self._latency = latency

    @contextlib.contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        time.sleep(self._latency)
        with self._database.read() as tx:
            yield tx

    @contextlib.contextmanager
    def _change(
        self,
        waves: int,
        failure: type[exceptions.NetworkException],
        **about: str | None,
    ) -> Iterator[sqlite3.Connection]:
        with self._removal(waves, failure, **about) as tx:
            yield tx
            require_time()

    @contextlib.contextmanager
    def _removal(
        self,
        waves: int,
        failure: type[exceptions.NetworkException],
        **about: str | None,
    ) -> Iterator[sqlite3.Connection]:
        time.sleep(self._latency * waves)
        stay_ours()
        with refused_as(failure, **about), self._database.write() as tx:
            yield tx


def about(load_balancer: LoadBalancer, vip: VIP) -> dict[str, str | None]:
    """Return what errors say of a load balancer's VIP."""
    return {"load_balancer_id": load_balancer.id, "port_id": vip.port_id}
