# SPDX-License-Identifier: Apache-2.0
"""What each method of the neutron driver asks of Neutron and Nova, counted.

``docs/requests.json`` has the figures, from which the reference is written. On the fake
cloud they have to be the same; on a real one nothing may cost more. After a change that
is meant, ``NETWORKER_COUNT=write`` lets the fake cloud's run write the file.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

from networker.drivers.base import NetworkDriver
from networker.testing.contract.world import World
from tests.contract import costs
from tests.contract.conftest import Refusing, cloud
from tests.contract.counting import Count

FILE = pathlib.Path(__file__).parents[2] / "docs" / "requests.json"
SETTINGS = ["neutron-fake", pytest.param("neutron", marks=cloud)]
#: Sums over several calls.
WHOLE = {"whole create", "whole delete"}
#: Seconds for which answers are held back, ever longer while more is seen than is known.
HELD = (0.05, 0.2, 0.5)
#: Cases of what was left alone for ten minutes, which only a fake cloud can skip.
OLD = {"unchanged", "unchanged, 2 amphorae", "10 listeners fewer, after 10 minutes"}


@pytest.fixture
def count(network: NetworkDriver, world: World, clean: None) -> Iterator[Count]:
    """Count from an open connection on: the token is no method's."""
    network.get_network(world.vip_network_id)
    yield Count(network, world)
    world.sweep()


def _differ(now: str, known: str) -> bool:
    return sorted(re.split("[:,] ", now)) != sorted(re.split("[:,] ", known))


def _more(now: str, known: str) -> bool:
    """Tell whether one cost has more requests or more waves than the other."""
    figures = [re.findall(r"\d+", cost.split(":")[0]) for cost in (now, known)]
    return any(int(n) > int(k) for n, k in zip(*figures, strict=True))


def _changed(
    count: Count, known: dict[str, dict[str, str]], *, fake: bool
) -> dict[str, list[Any]]:
    """Return what costs something else than is known, or more."""
    return {
        f"{method}: {case}": [now, then, count.asked[f"{method}: {case}"]]
        for method, cases in count.costs.items()
        for case, now in cases.items()
        if (then := known.get(method, {}).get(case, "0 / 0:")) != now
        and (_differ if fake else _more)(now, then)
    }


def _missing(count: Count, known: dict[str, dict[str, str]]) -> set[str]:
    """Return the cases that were not counted."""
    return {
        case
        for method, cases in known.items()
        for case in cases.keys() - count.costs.get(method, {}).keys()
    }


def left_alone(refusing: Refusing, count: Count) -> None:
    """Count what was left alone for ten minutes."""
    network, world, cloud = refusing.driver, refusing.world, refusing.cloud

    def wait() -> None:
        state = cloud.save()
        for one in (
            *state.ports.values(),
            *state.groups.values(),
            *state.rules.values(),
        ):
            one["created_at"] = one["updated_at"] = "2026-01-01T00:00:00Z"
        cloud.restore(state)

    cloud.restore(refusing.saved)
    aged = Count(network, world, count)
    costs.left_alone(aged, wait)
    cloud.restore(refusing.saved)


@pytest.mark.parametrize("setting", SETTINGS, indirect=True)
@pytest.mark.timeout(900)
def test_requests_and_waves_are_those_of_the_reference(count, request):
    """No method asks more of a cloud than the reference says."""
    fake = "fake" in request.node.callspec.id
    write = fake and os.environ.get("NETWORKER_COUNT") == "write"
    known = {} if write else json.loads(FILE.read_text())
    scenes = list(costs.SCENES)
    if fake:
        refusing = request.getfixturevalue("refusing")
        scenes.append(lambda count: left_alone(refusing, count))
    for scene in scenes:
        for held in HELD[1:] if write else HELD:
            # Requests of one wave look like two where the machine is busy elsewhere.
            count.meter.held = held
            scene(count)
            if write or not _changed(count, known, fake=fake):
                break
    if write:
        FILE.write_text(json.dumps(count.costs, indent=1, sort_keys=True) + "\n")
        return
    changed = _changed(count, known, fake=fake)
    assert not changed, json.dumps(changed, indent=1)
    assert _missing(count, known) == (set() if fake else OLD)


def test_every_method_is_counted():
    """The reference has a figure for each method."""
    from networker.drivers.base import operations

    assert json.loads(FILE.read_text()).keys() - WHOLE == operations().keys()


def _waves(cost: str) -> int:
    return int(re.findall(r"\d+", cost)[1])


@pytest.mark.parametrize("method", ["plug_vip", "get_network_configs", "unplug_vip"])
def test_more_amphorae_are_no_more_waves(method):
    """What eight amphorae cost comes at the same time as what one costs."""
    known = json.loads(FILE.read_text())[method]
    waves = {case.partition(",")[0]: _waves(cost) for case, cost in known.items()}
    assert waves["8 amphorae"] == waves["1 amphora"]
