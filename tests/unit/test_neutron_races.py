# SPDX-License-Identifier: Apache-2.0
"""Two changes of one port that Neutron lets pass although only one should.

Neutron compares the revision number that If-Match names before the change, so that of two
PUTs at the same time both can pass. The fake cloud does better, and is made to do as badly.
"""

from __future__ import annotations

import functools
import threading
from concurrent import futures
from typing import Any

import pytest

from networker import exceptions
from networker.drivers import naming
from networker.models import VIP, FixedIP, Subnet
from networker.testing.contract.world import new_id
from tests.fakecloud import addresses, attributes
from tests.faults.bench import benches
from tests.faults.wire import Fault, Wire, response

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


class Overtaken(Wire):
    """Lets a change be made twice at the same time, of which the second is refused.

    :param changed: an attribute that the change names
    :param refusal: what the second one is answered with
    """

    changed = ""
    refusal: Any = None

    def send(self, request, *args, **kwargs):
        if request.method == "PUT" and self.changed in str(request.body):
            refusal, self.refusal = self.refusal, None
            if refusal:
                self._carried(request)
                return response(request, refusal.answer)
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


@pytest.fixture
def third(bench):
    """One more of these."""
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


@pytest.fixture
def overtaken(bench):
    """A driver, and the wire on which another copy of what it does is faster."""
    driver, _ = bench.another()
    return driver, Overtaken.of(driver, bench.cloud)


def test_an_address_pair_that_another_copy_gives_is_no_error(bench, overtaken):
    """Neutron answers the second of two changes as if it named the pair twice."""
    lb = bench.world.load_balancer(amphorae=1)
    vip, (driver, wire) = bench.allocated(lb), overtaken
    bench.driver.plug_network(lb.amphorae[0].compute_id, vip.network_id)
    wire.changed = "allowed_address_pairs"
    wire.refusal = attributes.pair_twice("02:6e:77:00:00:01", vip.ip_address)
    (plugged,) = driver.plug_vip(lb, vip)
    assert wire.refusal is None
    assert bench.world.port(plugged.vrrp_port_id).allowed_addresses == [vip.ip_address]


def test_an_address_that_another_copy_gives_is_no_error(bench, overtaken):
    """A database that shows what others write refuses the address as taken."""
    network, (driver, wire) = bench.world.member_network_ids[0], overtaken
    first, other = bench.world.member_subnet_ids
    port = bench.driver.create_port(network, "users", [FixedIP(subnet_id=first)])
    wire.changed = "10.39.0.201"
    wire.refusal = addresses.in_use("10.39.0.201", other)
    driver.plug_fixed_ip(port.id, other, "10.39.0.201")
    assert wire.refusal is None
    held = [ip.ip_address for ip in bench.world.port(port.id).fixed_ips]
    assert held.count("10.39.0.201") == 1


def test_a_server_that_has_not_the_port_is_not_waited_for(bench):
    """Nova has detached a port that names it again, and would never take that away."""
    server, network = (
        bench.world.servers[0].compute_id,
        bench.world.member_network_ids[0],
    )
    bench.driver.plug_network(server, network)
    state = bench.cloud.state
    (port,) = [one for one in state.ports.values() if one["network_id"] == network]
    state.servers[server].port_ids.remove(port["id"])
    port["device_owner"] = ""
    bench.driver.unplug_network(server, network)
    assert port["id"] not in state.ports


def test_an_address_of_another_port_is_an_error(bench, overtaken):
    """What is refused since somebody else has it stays refused."""
    network, (driver, _) = bench.world.member_network_ids[0], overtaken
    first, other = bench.world.member_subnet_ids
    taken = FixedIP(subnet_id=other, ip_address="10.39.0.201")
    bench.driver.create_port(network, "others", [taken])
    port = bench.driver.create_port(network, "users", [FixedIP(subnet_id=first)])
    with pytest.raises(exceptions.AddressInUse, match=r"10\.39\.0\.201"):
        driver.plug_fixed_ip(port.id, other, "10.39.0.201")
    held = [ip.subnet_id for ip in bench.world.port(port.id).fixed_ips]
    assert held == [first]


def plug_vip(driver, lb, vip):
    """Plug a VIP into all amphorae."""
    driver.plug_vip(lb, vip)


def plug_aap_port(driver, lb, vip):
    """Plug a VIP into one amphora."""
    subnet = Subnet(id=vip.subnet_id, network_id=vip.network_id)
    driver.plug_aap_port(lb, vip, lb.amphorae[0], subnet)


def fail_meanwhile(plug, well, failing, later=0):
    """Let a call end while another one that began in the midst of it stands still.

    :param plug: makes the call with a driver
    :param well: a driver, and its wire, on which the other call begins
    :param failing: another driver; on its wire the call stands still, and then fails
    :param later: how many requests after that one
    """
    stands, ended = threading.Event(), threading.Event()
    calls: list[futures.Future[None]] = []
    (driver, wire), (other, its_wire) = well, failing

    def begin():
        calls.append(pool.submit(plug, other))
        assert stands.wait(10)

    def stand():
        stands.set()
        assert ended.wait(10)
        number = len(its_wire.sent) + later
        its_wire.fault = Fault(number, "status", 500, lasting=True)

    wire.meanwhile, its_wire.meanwhile = begin, stand
    with futures.ThreadPoolExecutor(1) as pool:
        plug(driver)
        ended.set()
        with pytest.raises(exceptions.PlugVIPException):
            calls[0].result()


@pytest.mark.parametrize("careful", [True, False])
@pytest.mark.parametrize("plug", [plug_vip, plug_aap_port])
def test_a_failing_call_leaves_the_groups_of_a_port_that_another_made(
    bench, second, third, plug, careful
):
    """Who made a port, and finds it with the user's group, relies on that."""
    lb = bench.world.load_balancer(amphorae=1)
    vip = bench.allocated(lb)
    vip.sg_ids = [bench.world.make_group(f"users-{new_id()}")]
    bench.driver.update_vip_sg(lb, vip)
    wire, its_wire = second[1], third[1]
    wire.at, wire.on, wire.careful = "PUT", "ports", careful
    its_wire.at, its_wire.on, its_wire.careful = "POST", "os-interface", True
    fail_meanwhile(lambda driver: plug(driver, lb, vip), second, third)
    (port,) = bench.world.ports(name=naming.vrrp_port(lb.amphorae[0].id))
    group = bench.world.group_ids(naming.vip_device(lb.id))
    assert sorted(port.security_group_ids) == sorted([*group, *vip.sg_ids])


def test_what_another_call_did_to_the_vips_port_is_not_taken_back(bench, second, third):
    """A call that saw so, and fails before it looks again, leaves that port alone."""
    lb = bench.world.load_balancer(amphorae=1)
    port = bench.world.stranger(bench.world.vip_network_id)
    lb.vip = VIP(port_id=port.id)
    vip = bench.allocated(lb)
    vip.sg_ids = [bench.world.make_group(f"users-{new_id()}")]
    for _, wire in (second, third):
        wire.at, wire.on, wire.careful = "PUT", f"ports/{port.id}", True
    plug = functools.partial(plug_vip, lb=lb, vip=vip)
    fail_meanwhile(plug, second, third, later=1)
    held = bench.world.port(port.id).security_group_ids
    group = bench.world.group_ids(naming.vip_device(lb.id))
    assert sorted(held) == sorted([*group, *vip.sg_ids])


def test_a_port_that_goes_while_a_call_relies_on_it_is_missed(bench, second):
    """That all was as it should be does not make up for a port that is not there."""
    lb = bench.world.load_balancer(amphorae=1)
    vip, (driver, wire) = bench.allocated(lb), second
    (amphora,) = bench.driver.plug_vip(lb, vip)
    wire.at, wire.on, wire.careful = "PUT", f"ports/{amphora.vrrp_port_id}", True
    wire.meanwhile = lambda: bench.driver.delete_port(amphora.vrrp_port_id)
    with pytest.raises(exceptions.PortNotFound, match=amphora.vrrp_port_id):
        driver.update_aap_port_sg(lb, amphora, vip)
