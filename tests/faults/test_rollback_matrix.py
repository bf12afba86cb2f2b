# SPDX-License-Identifier: Apache-2.0
"""Every request of every method fails in every way: the call ends done or undone."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator
from concurrent import futures

import pytest

from networker.exceptions import NetworkException
from tests.faults.bench import Bench, benches
from tests.faults.scenarios import PRINCIPAL, SCENES
from tests.faults.scene import Maker
from tests.faults.stage import Stage, difference
from tests.faults.wire import Fault, Kind

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
#: How many cells run at the same time: most of them wait for somebody.
CLOUDS = 4
EVERY = os.environ.get("NETWORKER_FAULTS") == "all"
#: Answers with which a cloud refuses or puts off.
STATUSES = (400, 401, 403, 404, 409, 413, 429, 500, 503)
LOST: tuple[Kind, ...] = ("reset before", "reset after", "timeout after")


def faults(number: int, method: str, *, thorough: bool) -> Iterator[Fault]:
    """Return the faults that a request is to meet.

    Without NETWORKER_FAULTS=all, these cells are left out: a GET changes nothing, so that
    whether it was served makes no difference, and one status of each kind is enough; and
    less important scenes meet only what tries the driver hardest.

    :param thorough: whether the scene is an important one
    """
    every, harmless = EVERY, method == "GET"
    few = (401, 404, 429, 500) if harmless else STATUSES
    for status in STATUSES if every else few if thorough else (409,):
        yield Fault(number, "status", status)
    for status in STATUSES if every else (401, 500) if not harmless else ():
        if every or thorough or status == 500:
            yield Fault(number, "status", status, lasting=True)
    for kind in LOST[:1] if harmless and not every else LOST:
        if every or thorough or kind == "timeout after":
            yield Fault(number, kind)
        if every or (not harmless and kind != "reset before"):
            yield Fault(number, kind, lasting=True)


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Bench]]:
    """Clouds, of which each cell takes one."""
    with benches(tmp_path_factory.mktemp("faults"), CLOUDS) as made:
        yield made


def trouble(stage: Stage, fault: Fault) -> str:
    """Run a scene's call with a fault, and return what is wrong then, if anything."""
    bench = stage.bench
    bench.restore(stage.start)
    bench.wire.begin(fault)
    raised: NetworkException | None = None
    try:
        stage.scene.call(bench.driver)
    except NetworkException as error:
        raised = error
    bench.wire.begin()
    now = bench.picture()
    if raised is None and now != stage.done:
        return f"returned, but:\n{difference(stage.done, now)}"
    if raised is not None and stage.scene.undone and now != stage.before:
        return f"raised {raised!r}, but:\n{difference(stage.before, now)}"
    return (stage.wrong_kind(raised) if raised else "") or stage.afterwards()


def troubles(clouds: list[Bench], make: Maker, *, thorough: bool) -> list[str]:
    """Run all cells of a scene on all clouds, and name those that do not hold."""
    with futures.ThreadPoolExecutor(CLOUDS) as threads:
        stages: queue.Queue[Stage] = queue.Queue()
        made = list(threads.map(lambda bench: Stage(bench, make), clouds))
        for stage in made:
            stages.put(stage)

        def run(fault: Fault) -> str:
            stage = stages.get()
            try:
                found = trouble(stage, fault)
            finally:
                stages.put(stage)
            return f"{fault}: {found}" if found else ""

        lines = enumerate(made[0].requests)
        cells = [f for n, (m, _) in lines for f in faults(n, m, thorough=thorough)]
        return [one for one in threads.map(run, cells) if one]


@pytest.mark.parametrize("make", SCENES, ids=lambda make: make.__name__)
def test_done_or_undone(clouds: list[Bench], make: Maker) -> None:
    """Whatever fails, the call is done or undone, and can be repeated or taken back."""
    found = troubles(clouds, make, thorough=make in PRINCIPAL)
    assert not found, f"{len(found)} cells\n" + "\n\n".join(found[:3])
