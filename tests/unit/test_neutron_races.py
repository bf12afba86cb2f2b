# SPDX-License-Identifier: Apache-2.0
"""Two changes of one port that Neutron lets pass although only one should.

Neutron compares the revision number that If-Match names before the change, so that of two
PUTs at the same time both can pass. The fake cloud does better, and is made to do as badly.
"""

from __future__ import annotations

from typing import Any

import pytest

from networker.drivers import naming
from networker.models import FixedIP
from tests.contract.world import new_id
from tests.faults.bench import benches
from tests.faults.wire import Wire

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


class Careless(Wire):
    """Lets something happen before a request, and the first conditional PUT pass then."""

    at = ""
    meanwhile: Any = None
    careful = True

    def send(self, request, *args, **kwargs):
        if self.meanwhile and request.method == self.at:
            happen, self.meanwhile, self.careful = self.meanwhile, None, False
            happen()
        if "If-Match" in request.headers and not self.careful:
            del request.headers["If-Match"]
            self.careful = True
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
