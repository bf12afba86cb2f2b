# SPDX-License-Identifier: Apache-2.0
"""A situation in which a method is called."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

from networker import exceptions
from networker.drivers import NetworkDriver
from networker.models import VIP, LoadBalancer
from tests.faults.bench import Bench

Call = Callable[[NetworkDriver], Any]


@dataclasses.dataclass
class Scene:
    """A situation in which a method is called.

    :param call: the call
    :param inverse: takes back what it did, and what was there before it
    :param failure: the class of its exceptions, besides NotFound
    :param undone: whether a call that fails leaves everything as it was; where things are
        removed it does not, but what is left is removed by the next call
    """

    call: Call
    inverse: Call
    failure: type[exceptions.NetworkException]
    undone: bool = True


#: Makes a scene, and what has to be there before it.
Maker = Callable[[Bench], Scene]


def removal(lb: LoadBalancer) -> Call:
    """Return what removes everything of a load balancer.

    It knows what was known before the call: a caller who failed knows no more.
    """
    known = copy.deepcopy(lb)

    def remove(driver: NetworkDriver) -> None:
        vip = known.vip or VIP()
        driver.unplug_vip(known, vip)
        driver.deallocate_vip(VIP(load_balancer_id=known.id, port_id=vip.port_id))

    return remove


def plugged(bench: Bench) -> tuple[LoadBalancer, VIP]:
    """Return a load balancer that is plugged into two amphorae."""
    lb = bench.world.load_balancer()
    vip = bench.allocated(lb)
    lb.amphorae = bench.driver.plug_vip(lb, vip)
    return lb, vip
