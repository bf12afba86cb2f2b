# SPDX-License-Identifier: Apache-2.0
"""Which calls meet: every mutator with itself and with its inverse, and calls of the same
load balancer that a controller may make at once."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from networker import exceptions
from networker.drivers import NetworkDriver, naming
from networker.models import (
    VIP,
    Amphora,
    Delta,
    FixedIP,
    Interface,
    Listener,
    LoadBalancer,
)
from networker.testing.contract.world import MEMBER, new_id
from tests.faults import amphorae, deltas, ports, servers, vips
from tests.faults.bench import Bench
from tests.faults.scenarios import SCENES
from tests.faults.scene import Call, Scene, plugged, removal
from tests.interleavings.meetings import Meeting, Pair, copies, with_inverse


def plug_vip_moved(bench: Bench) -> Scene:
    """The VIP was moved to another subnet of its network after it was plugged."""
    lb, vip = plugged(bench)
    lb.vip = VIP(
        load_balancer_id=lb.id,
        port_id=vip.port_id,
        network_id=vip.network_id,
        subnet_id=bench.world.vip_subnet6_id,
        octavia_owned=True,
    )
    moved = bench.allocated(lb)
    return Scene(
        lambda driver: driver.plug_vip(lb, moved),
        removal(lb),
        exceptions.PlugVIPException,
    )


def unplug_member_on_vip_net(bench: Bench) -> Scene:
    """A server has a VRRP port and a member port on the VIP's network."""
    lb, vip = plugged(bench)
    server, network = lb.amphorae[0].compute_id or "", vip.network_id or ""
    bench.driver.plug_network(server, network)
    remove = removal(lb)

    def inverse(driver: NetworkDriver) -> None:
        remove(driver)
        _unplug(driver, server, network)

    return Scene(
        lambda driver: driver.unplug_network(server, network),
        inverse,
        exceptions.UnplugNetworkException,
        undone=False,
    )


def _unplug(driver: NetworkDriver, server: str, network: str) -> None:
    try:
        driver.unplug_network(server, network)
    except exceptions.NetworkException:
        return


def allocate_without_subnet(bench: Bench) -> Scene:
    """The VIP's network has no subnet: nothing can be allocated, and nothing stays."""
    network_id = bench.make_network(f"empty-{new_id()}")
    lb = bench.world.load_balancer(amphorae=0)
    lb.vip = VIP(load_balancer_id=lb.id, network_id=network_id)

    def refused(driver: NetworkDriver) -> str:
        try:
            driver.allocate_vip(lb)
        except exceptions.AllocateVIPException:
            return "refused"
        return "allocated"

    return Scene(refused, lambda _: None, exceptions.AllocateVIPException)


def update_vip_many(bench: Bench) -> Scene:
    """Thirty listeners are new."""
    lb, _ = plugged(bench)
    lb.listeners = [*lb.listeners, *(_listener(8000 + n) for n in range(30))]
    return Scene(
        lambda driver: driver.update_vip(lb), removal(lb), exceptions.PlugVIPException
    )


def _listener(port: int) -> Listener:
    return Listener(id=new_id(), protocol="HTTP", protocol_port=port)


#: What the issues of the past asked for, besides the scenes of the rollback matrix.
MORE = (
    plug_vip_moved,
    unplug_member_on_vip_net,
    allocate_without_subnet,
    update_vip_many,
)
#: Methods of several requests, of which three copies are tried.
THREE = (
    vips.allocate,
    vips.plug_vip,
    vips.plug_vip_no_amphora,
    vips.unplug_vip,
    vips.deallocate,
    vips.update_vip_both,
    servers.plug_network,
    servers.failover_preparation,
    amphorae.update_vip_sg,
    amphorae.plug_aap_port,
    ports.create_port,
    ports.plug_fixed_ip,
    deltas.apply_delta,
)
#: What is called with its inverse at the same time.
UNDONE = (
    vips.allocate,
    vips.plug_vip,
    vips.plug_vip_reused_port,
    vips.plug_vip_users_port,
    vips.update_vip_adding,
    servers.plug_network,
    servers.failover_preparation,
    amphorae.update_vip_sg,
    amphorae.plug_aap_port,
    ports.create_port,
    ports.plug_port,
    ports.plug_fixed_ip,
    deltas.apply_delta,
    deltas.apply_delta_both,
)


def _both(
    first: Call, second: Call, inverse: Call, *, atomic: bool, undone: bool = True
) -> Meeting:
    calls = [first, second]
    return Meeting(calls, inverse, undone=undone, atomic=atomic, same=False)


def _copy(lb: LoadBalancer) -> LoadBalancer:
    return copy.deepcopy(lb)


def plug_vip_and_update_vip(bench: Bench) -> Meeting:
    """Two amphorae are new, and so is a listener."""
    lb, vip = plugged(bench)
    more = _copy(lb)
    more.amphorae = [*more.amphorae, _amphora(bench, lb, 2)]
    more.listeners = [*lb.listeners, _listener(8080)]
    return _both(
        lambda driver: driver.plug_vip(more, vip),
        lambda driver: driver.update_vip(more),
        removal(more),
        atomic=True,
    )


def _amphora(bench: Bench, lb: LoadBalancer, number: int) -> Amphora:
    server = bench.world.servers[number]
    return Amphora(
        id=new_id(),
        load_balancer_id=lb.id,
        compute_id=server.compute_id,
        lb_network_ip=server.lb_network_ip,
        status=lb.amphorae[0].status,
    )


def plug_vip_and_update_vip_sg(bench: Bench) -> Meeting:
    """The VIP is allocated, and nothing else is there."""
    lb = bench.world.load_balancer()
    vip = bench.allocated(lb)
    return _both(
        lambda driver: driver.plug_vip(lb, vip),
        lambda driver: driver.update_vip_sg(lb, vip),
        removal(lb),
        atomic=True,
    )


def update_vip_and_update_vip(bench: Bench) -> Meeting:
    """Two listeners come, each by a call of its own that knows only the one."""
    lb, _ = plugged(bench)
    one, other = _copy(lb), _copy(lb)
    one.listeners = [*lb.listeners, _listener(8080)]
    other.listeners = [*lb.listeners, _listener(8081)]
    return _both(
        lambda driver: driver.update_vip(one),
        lambda driver: driver.update_vip(other),
        removal(lb),
        atomic=False,
    )


def apply_delta_and_plug_vip(bench: Bench) -> Meeting:
    """Members' networks and the VIP are plugged into the same servers."""
    lb = bench.world.load_balancer()
    vip = bench.allocated(lb)
    network, subnet = bench.world.member_network_ids[0], bench.world.member_subnet_ids
    nic = Interface(network_id=network, fixed_ips=[FixedIP(subnet_id=subnet[0])])
    adding = [Delta(compute_id=a.compute_id, add_nics=[nic]) for a in lb.amphorae]
    remove = removal(lb)

    def inverse(driver: NetworkDriver) -> None:
        remove(driver)
        for one in adding:
            _unplug(driver, one.compute_id or "", network)

    return _both(
        lambda driver: driver.apply_delta(adding),
        lambda driver: driver.plug_vip(lb, vip),
        inverse,
        atomic=True,
    )


def apply_delta_and_plug_vip_on_its_net(bench: Bench) -> Meeting:
    """The member's network is the VIP's."""
    lb = bench.world.load_balancer(amphorae=1)
    vip = bench.allocated(lb)
    network = vip.network_id or ""
    nic = Interface(network_id=network)
    server = lb.amphorae[0].compute_id or ""
    adding = [Delta(compute_id=server, add_nics=[nic])]
    remove = removal(lb)

    def inverse(driver: NetworkDriver) -> None:
        remove(driver)
        _unplug(driver, server, network)

    return _both(
        lambda driver: driver.apply_delta(adding),
        lambda driver: driver.plug_vip(lb, vip),
        inverse,
        atomic=False,
    )


def allocate_and_deallocate(bench: Bench) -> Meeting:
    """A VIP that is plugged is allocated once more, and deallocated."""
    lb, vip = plugged(bench)
    lb.vip = vip
    return _both(
        lambda driver: driver.allocate_vip(lb),
        lambda driver: driver.deallocate_vip(vip),
        _removal_of_all(lb, vip),
        atomic=False,
    )


def _removal_of_all(lb: LoadBalancer, vip: VIP) -> Call:
    """Return what removes a load balancer whose VIP may have another port now."""
    known = _copy(lb)

    def remove(driver: NetworkDriver) -> None:
        driver.unplug_vip(known, vip)
        driver.deallocate_vip(VIP(load_balancer_id=known.id))

    return remove


def create_port_and_unplug_vip(bench: Bench) -> Meeting:
    """A failover makes a new amphora's port while the old one is unplugged."""
    lb, vip = plugged(bench)
    old = _copy(lb)
    old.amphorae = lb.amphorae[:1]
    name = naming.vrrp_port(new_id())
    subnet = FixedIP(subnet_id=vip.subnet_id)
    pairs, remove = [vip.ip_address or ""], removal(lb)

    def inverse(driver: NetworkDriver) -> None:
        _delete(driver, name)
        remove(driver)

    return _both(
        lambda driver: driver.create_port(
            vip.network_id or "", name, fixed_ips=[subnet], secondary_ips=pairs
        ),
        lambda driver: driver.unplug_vip(old, vip),
        inverse,
        atomic=True,
        undone=False,
    )


def _delete(driver: NetworkDriver, name: str) -> None:
    try:
        driver.delete_port(driver.get_port_by_name(name).id or "")
    except exceptions.PortNotFound:
        return


def plug_fixed_ip_and_unplug_fixed_ip(bench: Bench) -> Meeting:
    """A port gets an address on one subnet, and loses that on another."""
    network, (first, second) = (
        bench.world.member_network_ids[0],
        bench.world.member_subnet_ids,
    )
    wanted = [FixedIP(subnet_id=first)]
    name = MEMBER + new_id()
    port_id = bench.driver.create_port(network, name, fixed_ips=wanted).id or ""
    return _both(
        lambda driver: driver.plug_fixed_ip(port_id, second),
        lambda driver: driver.unplug_fixed_ip(port_id, first),
        lambda driver: driver.delete_port(port_id),
        # The one that writes later writes all addresses: docs/guarantees.
        atomic=False,
        undone=False,
    )


TOGETHER = (
    plug_vip_and_update_vip,
    plug_vip_and_update_vip_sg,
    update_vip_and_update_vip,
    apply_delta_and_plug_vip,
    apply_delta_and_plug_vip_on_its_net,
    allocate_and_deallocate,
    create_port_and_unplug_vip,
    plug_fixed_ip_and_unplug_fixed_ip,
)


def all_pairs() -> Iterator[Pair]:
    """Return everything that meets, one call alone included."""
    for count in (1, 2):
        for make in (*SCENES, *MORE):
            # It fails by itself, so that nothing more can happen to what takes it back.
            yield copies(make, count, calm=make is allocate_without_subnet)
    for make in UNDONE:
        yield with_inverse(make)
    for arrange in TOGETHER:
        yield Pair(arrange.__name__.replace("_and_", " + "), arrange)
    for make in THREE:
        yield copies(make, 3)


def named(name: str) -> Pair:
    """Return the pair of a name.

    :raises LookupError: there is none
    """
    found = [pair for pair in all_pairs() if pair.name == name]
    if not found:
        known = ", ".join(pair.name for pair in all_pairs())
        raise LookupError(f"no pair is called {name!r}; there are {known}")
    return found[0]
