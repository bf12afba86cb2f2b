# SPDX-License-Identifier: Apache-2.0
"""One method relies on what another one has just made, which then fails and undoes it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from networker.context import Context
from networker.drivers import NetworkDriver, naming, rules
from networker.exceptions import NetworkException
from networker.models import VIP, Listener, LoadBalancer, Subnet
from tests.faults.bench import Bench, benches
from tests.faults.wire import Fault

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

Call = Callable[[NetworkDriver, LoadBalancer, VIP], Any]


def plug_vip(driver: NetworkDriver, lb: LoadBalancer, vip: VIP) -> None:
    """Plug all amphorae."""
    driver.plug_vip(lb, vip)


def update_vip_sg(driver: NetworkDriver, lb: LoadBalancer, vip: VIP) -> None:
    """Make the group."""
    driver.update_vip_sg(lb, vip)


def update_vip(driver: NetworkDriver, lb: LoadBalancer, vip: VIP) -> None:
    """Bring the rules in line, where all are there."""
    driver.update_vip(lb)


def update_vip_more(driver: NetworkDriver, lb: LoadBalancer, vip: VIP) -> None:
    """Bring the rules in line, where one has to be added."""
    lb.listeners = [*lb.listeners, Listener(protocol="TCP", protocol_port=9000)]
    driver.update_vip(lb)


def update_vip_fewer(driver: NetworkDriver, lb: LoadBalancer, vip: VIP) -> None:
    """Bring the rules in line, where one has to go."""
    lb.listeners = lb.listeners[:1]
    driver.update_vip(lb)


def plug_aap_port(driver: NetworkDriver, lb: LoadBalancer, vip: VIP) -> None:
    """Plug one amphora."""
    subnet = Subnet(id=vip.subnet_id, network_id=vip.network_id)
    driver.plug_aap_port(lb, vip, lb.amphorae[0], subnet)


PAIRS: list[tuple[Call, Call]] = [
    *(
        (update_vip_sg, adopter)
        for adopter in (
            plug_vip,
            update_vip_sg,
            update_vip,
            update_vip_more,
            update_vip_fewer,
            plug_aap_port,
        )
    ),
    (plug_vip, update_vip_sg),
]
#: What an adopter promises besides the group: rules, ports, and the VIP's port in it. Of
#: two that want different rules, the later one has its way.
RULES: set[Call] = {plug_vip, update_vip_sg, update_vip}
PLUGS: dict[Call, int] = {plug_vip: 2, plug_aap_port: 1}
SETS: set[Call] = {plug_vip, update_vip_sg}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A cloud with a driver."""
    with benches(tmp_path_factory.mktemp("adoption"), 1) as made:
        yield made[0]


class Adoption:
    """A maker that is overtaken by an adopter before one of its requests."""

    def __init__(self, bench: Bench, maker: Call, adopter: Call) -> None:
        bench.restore(bench.bare)
        self.bench, self.maker, self.adopter = bench, maker, adopter
        self.driver, self.wire = bench.another("serial")
        self.lb = bench.world.load_balancer()
        self.vip = bench.allocated(self.lb)
        self.start = bench.cloud.save()
        maker(self.driver, self.lb, self.vip)
        self.requests = len(self.wire.sent)

    def run(self, number: int, fault: Fault | None) -> LoadBalancer | None:
        """Let the maker fail, at one request or by being late at the last one.

        :param number: the request before which the adopter runs
        :returns: what the adopter was given, None if it did not succeed
        """
        self.bench.restore(self.start)
        context = Context(deadline=time.time() + 60)
        given = self.bench.world.load_balancer()
        for name in ("id", "amphorae", "listeners", "vip"):
            setattr(given, name, getattr(self.lb, name))
        done: list[LoadBalancer] = []

        def overtake() -> None:
            if len(self.wire.sent) == number and not done:
                done.append(given)
                with contextlib.suppress(NetworkException):
                    self.adopter(self.bench.driver, given, self.vip)
                    done.append(given)

        def pass_away() -> None:
            if fault is None and len(self.wire.sent) >= self.requests:
                context.deadline = time.time() - 1

        self.wire.begin(fault)
        self.wire.before_each, self.wire.after_each = overtake, pass_away
        with context.entered(), contextlib.suppress(NetworkException):
            self.maker(self.driver, self.lb, self.vip)
        self.wire.begin()
        return given if len(done) == 2 else None

    def trouble(self, lb: LoadBalancer) -> str:
        """Say what of the adopter's result is not there any more, if anything."""
        world, name = self.bench.world, naming.vip_device(lb.id or "")
        found = world.group_ids(name)
        if len(found) != 1:
            return f"groups: {found}"
        wanted = rules.wanted(lb, self.vip)
        if self.adopter in RULES and world.rules(name) != wanted:
            return f"rules: {world.rules(name)}"
        holders = [world.port(self.vip.port_id)] if self.adopter in SETS else []
        names = [naming.vrrp_port(one.id or "") for one in lb.amphorae]
        many = PLUGS.get(self.adopter, 0)
        ports = [port for one in names[:many] for port in world.ports(name=one)]
        if len(ports) != many or not all(port.device_id for port in ports):
            return f"ports: {ports}"
        outside = [
            port
            for port in (*holders, *ports)
            if found != (port and port.security_group_ids)
        ]
        return f"not in the group: {outside}" if outside else ""


@pytest.mark.parametrize(("maker", "adopter"), PAIRS, ids=lambda call: call.__name__)
def test_what_was_adopted_stays(bench, maker, adopter):
    """Whatever the maker takes back, the other method's result is intact."""
    adoption = Adoption(bench, maker, adopter)
    cells: list[tuple[int, Fault | None]] = [
        (number, Fault(number, "status", 500, lasting=True))
        for number in range(1, adoption.requests)
    ]
    # What is late is undone by some requests more.
    cells += [(number, None) for number in range(1, adoption.requests + 6)]
    found, adopted = [], 0
    for number, fault in cells:
        lb = adoption.run(number, fault)
        adopted += lb is not None
        trouble = adoption.trouble(lb) if lb else ""
        if trouble:
            found.append(f"before request {number}, {fault}: {trouble}")
    assert adopted
    assert not found, f"{len(found)} cells\n" + "\n\n".join(found)
