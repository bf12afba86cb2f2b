# SPDX-License-Identifier: Apache-2.0
"""What the tests use: all of it comes from a fixture `setting`.

A `setting` is an interface to test, and the world behind it. Here it is that of
``--networker-world``; who imports the tests into modules of their own has their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from networker.drivers.base import NetworkDriver, operations
from networker.models import VIP, LoadBalancer
from networker.testing.contract.world import World

Setting = tuple[NetworkDriver, World]
#: Whether a test ended early, because something that it needs is not there.
CUT_SHORT = pytest.StashKey[bool]()


@pytest.fixture
def network(setting: Setting) -> NetworkDriver:
    """The interface under test."""
    return setting[0]


@pytest.fixture
def world(setting: Setting) -> World:
    """The network behind it."""
    return setting[1]


@pytest.fixture(scope="module")
def clean_module(setting: Setting) -> Iterator[None]:
    """See to it that a module leaves nothing."""
    yield
    world = setting[1]
    if not set(operations()) <= set(world.supports):
        world.sweep()  # what a fixture had begun when it found something lacking
    assert world.leftovers() == []


@pytest.fixture
def clean(
    request: pytest.FixtureRequest, world: World, clean_module: None
) -> Iterator[None]:
    """See to it that nothing is left when everything else is torn down.

    On a remote cloud, where that would take long, only the whole module's end is looked at.
    """
    yield
    world.tidy()
    left = [] if world.remote else world.leftovers()
    if left:
        world.sweep()
    assert left == [] or request.node.stash.get(CUT_SHORT, False)


@pytest.fixture
def balancer(
    network: NetworkDriver, world: World, clean: None
) -> Iterator[Callable[..., LoadBalancer]]:
    """Make load balancers, and deallocate them afterwards."""
    made: list[LoadBalancer] = []

    def make(**wanted: Any) -> LoadBalancer:
        made.append(world.load_balancer(**wanted))
        return made[-1]

    yield make
    if "deallocate_vip" in world.supports:
        for lb in made:
            network.deallocate_vip(VIP(load_balancer_id=lb.id))
