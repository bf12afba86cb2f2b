# SPDX-License-Identifier: Apache-2.0
"""Two changes of one port that Neutron lets pass although only one should.

Neutron compares the revision number that If-Match names before the change, so that of two
PUTs at the same time both can pass. The fake cloud does better, and is made to do as badly.
"""

from __future__ import annotations

import threading
from concurrent import futures
from typing import Any

import pytest

from networker import exceptions
from networker.drivers import naming
from networker.models import FixedIP, Subnet
from tests.contract.world import new_id
from tests.faults.bench import benches
from tests.faults.wire import Fault, Wire

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


class Careless(Wire):
    """Lets something happen before a request, and the first conditional PUT pass then.

    :param at: the request's method
    :param on: in its path
    :param careful: whether that PUT is compared
    """

    at = on = ""
    meanwhile: Any = None
    careful = pending = False

    def send(self, request, *args, **kwargs):
        if self.meanwhile and request.method == self.at and self.on in request.url:
            happen, self.meanwhile = self.meanwhile, None
            happen()
            self.pending = not self.careful
        if "If-Match" in request.headers and self.pending:
            del request.headers["If-Match"]
            self.pending = False
        return super().send(request, *args, **kwargs)


@pytest.fixture
def bench(tmp_path):
    """A cloud with a driver."""
    with benches(tmp_path, 1) as made:
        yield made[0]


@pytest.fixture
def second(bench):
    """Another driver, and the wire on which it is careless."""
    driver, _ = bench.another()
    return driver, Careless.of(driver, bench.cloud)


def test_of_two_groups_the_first_one_on_the_port_is_kept(bench, second):
    """Who took the VIP's port from another call gives it back, and drops its own group."""
    lb = bench.world.load_balancer(amphorae=0)
    vip, (driver, wire) = bench.allocated(lb), second
    first = []
    wire.at = "POST"
    wire.meanwhile = lambda: first.append(bench.driver.update_vip_sg(lb, vip))
    assert [driver.update_vip_sg(lb, vip)] == first
    assert bench.world.group_ids(naming.vip_device(lb.id)) == first
    assert bench.world.port(vip.port_id).security_group_ids == first


def test_an_address_that_another_call_gives_stays(bench, second):
    """Two calls that give a port different addresses at once both succeed."""
    first, other = bench.world.member_subnet_ids
    network, (driver, wire) = bench.world.member_network_ids[0], second
    name = naming.OURS + new_id()
    port = bench.driver.create_port(network, name, [FixedIP(subnet_id=first)])
    wire.at = "PUT"
    wire.meanwhile = lambda: bench.driver.plug_fixed_ip(port.id, other, "10.39.0.201")
    driver.plug_fixed_ip(port.id, other, "10.39.0.202")
    held = {ip.ip_address for ip in bench.world.port(port.id).fixed_ips}
    assert {"10.39.0.201", "10.39.0.202"} < held


def plug_vip(driver, lb, vip):
    """Plug a VIP into all amphorae."""
    driver.plug_vip(lb, vip)


def plug_aap_port(driver, lb, vip):
    """Plug a VIP into one amphora."""
    subnet = Subnet(id=vip.subnet_id, network_id=vip.network_id)
    driver.plug_aap_port(lb, vip, lb.amphorae[0], subnet)


@pytest.mark.parametrize("careful", [True, False])
@pytest.mark.parametrize("plug", [plug_vip, plug_aap_port])
def test_a_failing_call_leaves_the_groups_of_a_port_that_another_made(
    bench, second, plug, careful
):
    """Who made a port, and finds it with the user's group, relies on that."""
    lb = bench.world.load_balancer(amphorae=1)
    vip, (driver, wire) = bench.allocated(lb), second
    vip.sg_ids = [bench.world.make_group(f"users-{new_id()}")]
    bench.driver.update_vip_sg(lb, vip)
    changed, plugged = threading.Event(), threading.Event()

    def fail():
        changed.set()
        assert plugged.wait(10)
        failing.fault = Fault(len(failing.sent), "status", 500, lasting=True)

    def change_first():
        found.append(pool.submit(plug, bench.driver, lb, vip))
        assert changed.wait(10)

    failing = Careless.of(bench.driver, bench.cloud)
    failing.at, failing.on, failing.careful = "POST", "os-interface", True
    failing.meanwhile = fail
    wire.at, wire.on, wire.careful = "PUT", "ports", careful
    wire.meanwhile = change_first
    found: list[futures.Future[None]] = []
    with futures.ThreadPoolExecutor(1) as pool:
        plug(driver, lb, vip)
        plugged.set()
        with pytest.raises(exceptions.PlugVIPException):
            found[0].result()
    (port,) = bench.world.ports(name=naming.vrrp_port(lb.amphorae[0].id))
    group = bench.world.group_ids(naming.vip_device(lb.id))
    assert sorted(port.security_group_ids) == sorted([*group, *vip.sg_ids])
