# SPDX-License-Identifier: Apache-2.0
"""Every method that changes something, in the situations that make a difference."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

from networker import exceptions
from networker.drivers import NetworkDriver
from networker.models import VIP, Listener, LoadBalancer, Port
from tests.contract.world import new_id
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


def _removal(lb: LoadBalancer) -> Call:
    # As it was before the call, since a caller who failed knows no more.
    known = copy.deepcopy(lb)

    def remove(driver: NetworkDriver) -> None:
        vip = known.vip or VIP()
        driver.unplug_vip(known, vip)
        driver.deallocate_vip(VIP(load_balancer_id=known.id, port_id=vip.port_id))

    return remove


def allocate(bench: Bench) -> Scene:
    """A VIP's port is made."""
    lb = bench.world.load_balancer()
    return Scene(
        lambda driver: driver.allocate_vip(lb),
        lambda driver: driver.deallocate_vip(VIP(load_balancer_id=lb.id)),
        exceptions.AllocateVIPException,
    )


def allocate_moved(bench: Bench) -> Scene:
    """A VIP's port is given another address."""
    lb = bench.world.load_balancer()
    vip = bench.allocated(lb)
    vip.subnet_id, vip.ip_address = bench.world.vip_subnet6_id, None
    return Scene(
        lambda driver: driver.allocate_vip(lb),
        lambda driver: driver.deallocate_vip(VIP(load_balancer_id=lb.id)),
        exceptions.AllocateVIPException,
    )


def _plug(bench: Bench, lb: LoadBalancer, vip: VIP) -> Scene:
    return Scene(
        lambda driver: driver.plug_vip(lb, vip),
        _removal(lb),
        exceptions.PlugVIPException,
    )


def plug_vip(bench: Bench) -> Scene:
    """Two amphorae, and everything new."""
    lb = bench.world.load_balancer()
    return _plug(bench, lb, bench.allocated(lb))


def plug_vip_no_amphora(bench: Bench) -> Scene:
    """Only the security group and the VIP's port."""
    lb = bench.world.load_balancer(amphorae=0)
    return _plug(bench, lb, bench.allocated(lb))


def plug_vip_again(bench: Bench) -> Scene:
    """One amphora and other listeners are plugged already."""
    lb = bench.world.load_balancer()
    vip = bench.allocated(lb)
    first = copy.deepcopy(lb)
    first.amphorae, first.listeners = first.amphorae[:1], first.listeners[:1]
    bench.driver.plug_vip(first, vip)
    lb.listeners = [*lb.listeners[1:], _listener(8080)]
    return _plug(bench, lb, vip)


def _users_port(bench: Bench, groups: list[str]) -> Port:
    port = bench.world.stranger(bench.world.vip_network_id)
    changes = {"security_groups": groups, "description": "the user's own words"}
    bench.driver._cloud.ports.update(port.id or "", changes)
    bench.empty = bench.cloud.save()
    return port


def plug_vip_users_port(bench: Bench) -> Scene:
    """The VIP's port and a security group are the user's."""
    group = bench.world.make_group(f"users-{new_id()}")
    port = _users_port(bench, [group])
    lb = bench.world.load_balancer()
    lb.vip = VIP(port_id=port.id)
    vip = bench.allocated(lb)
    vip.sg_ids = [group]
    return _plug(bench, lb, vip)


def plug_vip_reused_port(bench: Bench) -> Scene:
    """An amphora has a port on the VIP's network already."""
    lb = bench.world.load_balancer()
    server = lb.amphorae[0].compute_id or ""
    bench.driver.plug_network(server, bench.world.vip_network_id)
    vip = bench.allocated(lb)
    scene = _plug(bench, lb, vip)
    removal = _removal(lb)

    def inverse(driver: NetworkDriver) -> None:
        driver.unplug_network(server, bench.world.vip_network_id)
        removal(driver)

    scene.inverse = inverse
    return scene


def _plugged(bench: Bench) -> tuple[LoadBalancer, VIP]:
    lb = bench.world.load_balancer()
    vip = bench.allocated(lb)
    lb.amphorae = bench.driver.plug_vip(lb, vip)
    return lb, vip


def unplug_vip(bench: Bench) -> Scene:
    """Two amphorae are plugged."""
    lb, vip = _plugged(bench)
    return Scene(
        lambda driver: driver.unplug_vip(lb, vip),
        _removal(lb),
        exceptions.UnplugVIPException,
        undone=False,
    )


def unplug_vip_reused_port(bench: Bench) -> Scene:
    """An amphora had its port before the VIP was plugged."""
    lb = bench.world.load_balancer()
    server = lb.amphorae[0].compute_id or ""
    bench.driver.plug_network(server, bench.world.vip_network_id)
    vip = bench.allocated(lb)
    lb.amphorae = bench.driver.plug_vip(lb, vip)
    removal = _removal(lb)

    def inverse(driver: NetworkDriver) -> None:
        removal(driver)
        driver.unplug_network(server, bench.world.vip_network_id)

    failure = exceptions.UnplugVIPException
    return Scene(lambda d: d.unplug_vip(lb, vip), inverse, failure, undone=False)


def deallocate(bench: Bench) -> Scene:
    """The VIP is plugged into two amphorae."""
    lb, vip = _plugged(bench)
    return Scene(
        lambda driver: driver.deallocate_vip(vip),
        _removal(lb),
        exceptions.DeallocateVIPException,
        undone=False,
    )


def deallocate_users_port(bench: Bench) -> Scene:
    """The VIP's port is the user's, and stays."""
    port = _users_port(bench, [])
    lb = bench.world.load_balancer()
    lb.vip = VIP(port_id=port.id)
    vip = bench.allocated(lb)
    lb.amphorae = bench.driver.plug_vip(lb, vip)
    return Scene(
        lambda driver: driver.deallocate_vip(vip),
        _removal(lb),
        exceptions.DeallocateVIPException,
        undone=False,
    )


def _update(bench: Bench, *new: Listener, keep: bool = False) -> Scene:
    lb, _ = _plugged(bench)
    lb.listeners = [*(lb.listeners if keep else ()), *new]
    return Scene(
        lambda driver: driver.update_vip(lb), _removal(lb), exceptions.PlugVIPException
    )


def _listener(port: int) -> Listener:
    return Listener(id=new_id(), protocol="HTTP", protocol_port=port)


def update_vip_adding(bench: Bench) -> Scene:
    """Two listeners are new."""
    return _update(bench, _listener(8080), _listener(8081), keep=True)


def update_vip_removing(bench: Bench) -> Scene:
    """All listeners are gone."""
    return _update(bench)


def update_vip_both(bench: Bench) -> Scene:
    """All listeners are replaced."""
    return _update(bench, _listener(8080), _listener(8081))


def plug_network(bench: Bench) -> Scene:
    """A server gets a port on a member network."""
    server, network = bench.world.servers[0], bench.world.member_network_ids[0]
    return Scene(
        lambda driver: driver.plug_network(server.compute_id, network),
        lambda driver: driver.unplug_network(server.compute_id, network),
        exceptions.PlugNetworkException,
    )


def unplug_network(bench: Bench) -> Scene:
    """A server loses its port on a member network."""
    scene = plug_network(bench)
    scene.call(bench.driver)
    failure = exceptions.UnplugNetworkException
    return Scene(scene.inverse, scene.inverse, failure, undone=False)


def failover_preparation(bench: Bench) -> Scene:
    """A server has a VRRP port and two member ports."""
    lb, _ = _plugged(bench)
    amphora = lb.amphorae[0]
    server = amphora.compute_id or ""
    for network in bench.world.member_network_ids:
        bench.driver.plug_network(server, network)
    removal = _removal(lb)

    def inverse(driver: NetworkDriver) -> None:
        for network in bench.world.member_network_ids:
            driver.unplug_network(server, network)
        removal(driver)

    return Scene(
        lambda driver: driver.failover_preparation(amphora),
        inverse,
        exceptions.NetworkException,
    )


Maker = Callable[[Bench], Scene]
#: One or two for each method.
PRINCIPAL: tuple[Maker, ...] = (
    allocate,
    plug_vip,
    plug_vip_again,
    unplug_vip,
    deallocate,
    update_vip_both,
    plug_network,
    unplug_network,
    failover_preparation,
)
SCENES: tuple[Maker, ...] = (
    *PRINCIPAL,
    allocate_moved,
    plug_vip_no_amphora,
    plug_vip_users_port,
    plug_vip_reused_port,
    unplug_vip_reused_port,
    deallocate_users_port,
    update_vip_adding,
    update_vip_removing,
)
#: What removes things takes nothing back.
REMOVALS: tuple[Maker, ...] = (
    unplug_vip,
    unplug_vip_reused_port,
    deallocate,
    deallocate_users_port,
    unplug_network,
)
