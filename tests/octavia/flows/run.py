# SPDX-License-Identifier: Apache-2.0
"""One run: all flows with one network driver, and a look at the cloud after each."""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from importlib import metadata

from tests.octavia.flows import database, snapshot
from tests.octavia.flows.cloud import Cloud
from tests.octavia.flows.life import PAIR, SINGLE, Flow, Life
from tests.octavia.flows.report import Report, Result
from tests.octavia.flows.rows import Rows
from tests.octavia.flows.snapshot import Roles, Snapshot

LOG = logging.getLogger(__name__)

LABELS = {wanted.label: wanted for wanted in (SINGLE, PAIR)}
_PACKAGES = ("octavia", "openstacksdk", "oslo.messaging", "taskflow")


class Run:
    """All that happens with one driver.

    :param driver: its name in Octavia's configuration
    :param say: is told what is done
    """

    def __init__(self, cloud: Cloud, driver: str, say: Callable[[str], None]) -> None:
        self.cloud = cloud
        self._say = say
        self._lives: list[Life] = []
        self._amphorae: set[str] = set()
        self.report = Report(driver, {p: metadata.version(p) for p in _PACKAGES})

    def perform(self, labels: list[str]) -> None:
        """Live the lives with these labels, and leave nothing in the cloud."""
        began = time.monotonic()
        database.create()
        database.remember_amphorae(self._amphorae)
        rows = Rows(self.cloud)
        with self._swept():
            for label in labels:
                life = Life(self.cloud, rows, LABELS[label])
                self._lives.append(life)
                for flow in life.flows():
                    self._say(f"{label}: {flow.name}")
                    self.report.results.append(self._result(life, flow))
                self.cloud.delete_user_group(life.id)
            self.report.leftovers = snapshot.settled(self._all, servers=0)
        self.report.seconds = time.monotonic() - began

    @contextlib.contextmanager
    def _swept(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.cloud.sweep(self._ids())

    def _result(self, life: Life, flow: Flow) -> Result:
        began = time.monotonic()
        error = _failure(flow.perform)
        seconds = time.monotonic() - began
        status = life.now.provisioning_status if life.now else "none"
        LOG.info("%s ended %s: %s", flow.name, status, error or "no error")
        live = len(life.live_amphorae())
        return Result(
            life.label,
            flow.name,
            seconds,
            status,
            flow.ends,
            Roles(life.roles()).within(error),
            snapshot.settled(lambda: self._of(life), servers=live),
        )

    def _of(self, life: Life) -> Snapshot:
        roles = {**self.cloud.names(), **life.roles()}
        view = self.cloud.look({life.id, *self._amphorae} - self._earlier(life))
        return snapshot.of(view, Roles(roles))

    def _earlier(self, life: Life) -> set[str]:
        others = [other for other in self._lives if other is not life]
        return {one for other in others for one in other.roles()}

    def _all(self) -> Snapshot:
        roles = self.cloud.names()
        for life in self._lives:
            roles |= {k: f"{life.label} {v}" for k, v in life.roles().items()}
        return snapshot.of(self.cloud.look(self._ids()), Roles(roles))

    def _ids(self) -> set[str]:
        return {life.id for life in self._lives} | self._amphorae


def _failure(perform: Callable[[], None]) -> str:
    # In a thread, as Octavia's workers have it; whatever it raises is a result here.
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        error = executor.submit(perform).exception()
    if error is None:
        return ""
    LOG.error("%s", "".join(traceback.format_exception(error)))
    return f"{type(error).__name__}: {error}"
