# SPDX-License-Identifier: Apache-2.0
"""Scenes of a VIP: allocated, plugged, ruled, unplugged, deallocated."""

from __future__ import annotations

import copy

from networker import exceptions
from networker.drivers import NetworkDriver
from networker.models import VIP, Listener, LoadBalancer, Port
from networker.testing.contract.world import new_id
from tests.faults.bench import Bench
from tests.faults.scene import Scene, plugged, removal


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
        removal(lb),
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
    bench.driver.cloud.ports.update(port.id or "", changes)
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
    remove = removal(lb)

    def inverse(driver: NetworkDriver) -> None:
        driver.unplug_network(server, bench.world.vip_network_id)
        remove(driver)

    scene.inverse = inverse
    return scene


def plug_vip_moved(bench: Bench) -> Scene:
    """The amphorae have no address on the subnet to which the VIP was moved."""
    lb, vip = plugged(bench)
    vip.subnet_id, vip.ip_address = bench.world.vip_subnet6_id, None
    return _plug(bench, lb, bench.allocated(lb))


def unplug_vip(bench: Bench) -> Scene:
    """Two amphorae are plugged."""
    lb, vip = plugged(bench)
    return Scene(
        lambda driver: driver.unplug_vip(lb, vip),
        removal(lb),
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
    remove = removal(lb)

    def inverse(driver: NetworkDriver) -> None:
        remove(driver)
        driver.unplug_network(server, bench.world.vip_network_id)

    failure = exceptions.UnplugVIPException
    return Scene(lambda d: d.unplug_vip(lb, vip), inverse, failure, undone=False)


def deallocate(bench: Bench) -> Scene:
    """The VIP is plugged into two amphorae."""
    lb, vip = plugged(bench)
    return Scene(
        lambda driver: driver.deallocate_vip(vip),
        removal(lb),
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
        removal(lb),
        exceptions.DeallocateVIPException,
        undone=False,
    )


def _update(bench: Bench, *new: Listener, keep: bool = False) -> Scene:
    lb, _ = plugged(bench)
    lb.listeners = [*(lb.listeners if keep else ()), *new]
    return Scene(
        lambda driver: driver.update_vip(lb), removal(lb), exceptions.PlugVIPException
    )


def _listener(port: int) -> Listener:
    return Listener(id=new_id(), protocol="HTTP", protocol_port=port)


def update_vip_adding(bench: Bench) -> Scene:
    """Two listeners are new."""
    return _update(bench, _listener(8080), _listener(8081), keep=True)


def update_vip_many(bench: Bench) -> Scene:
    """More listeners are new than there are rules in one request."""
    return _update(bench, *map(_listener, range(8000, 8120)), keep=True)


def update_vip_removing(bench: Bench) -> Scene:
    """All listeners are gone."""
    return _update(bench)


def update_vip_both(bench: Bench) -> Scene:
    """All listeners are replaced."""
    return _update(bench, _listener(8080), _listener(8081))
