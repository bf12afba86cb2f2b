# SPDX-License-Identifier: Apache-2.0
"""Scenes of one amphora at a time, as Octavia calls them."""

from __future__ import annotations

import copy

from networker import exceptions
from networker.drivers import NetworkDriver, naming
from networker.models import VIP, Amphora, FixedIP, Listener, LoadBalancer, Subnet
from networker.testing.contract.world import new_id
from tests.faults.bench import Bench
from tests.faults.scene import Call, Scene, removal


def _secured(bench: Bench) -> tuple[LoadBalancer, VIP]:
    lb = bench.world.load_balancer(amphorae=1)
    vip = bench.allocated(lb)
    bench.driver.update_vip_sg(lb, vip)
    return lb, vip


def update_vip_sg(bench: Bench) -> Scene:
    """The group is new."""
    lb = bench.world.load_balancer(amphorae=0)
    vip = bench.allocated(lb)
    return Scene(
        lambda driver: driver.update_vip_sg(lb, vip),
        removal(lb),
        exceptions.PlugVIPException,
    )


def update_vip_sg_again(bench: Bench) -> Scene:
    """The group has other rules, and the user has taken to a group of their own."""
    own = bench.world.make_group(f"users-{new_id()}")
    bench.empty = bench.cloud.save()
    lb, vip = _secured(bench)
    lb.listeners = [
        *lb.listeners[1:],
        Listener(id=new_id(), protocol="TCP", protocol_port=8080, peer_port=1080),
    ]
    vip.sg_ids = [own]
    return Scene(
        lambda driver: driver.update_vip_sg(lb, vip),
        removal(lb),
        exceptions.PlugVIPException,
    )


def plug_vip(bench: Bench) -> Scene:
    """The group was made just before, and is on the VIP's port."""
    lb = bench.world.load_balancer()
    vip = bench.allocated(lb)
    bench.driver.update_vip_sg(lb, vip)
    return Scene(
        lambda driver: driver.plug_vip(lb, vip),
        removal(lb),
        exceptions.PlugVIPException,
    )


def update_vip_sg_unchanged(bench: Bench) -> Scene:
    """The group is as it should be already."""
    lb, vip = _secured(bench)
    return Scene(
        lambda driver: driver.update_vip_sg(lb, vip),
        removal(lb),
        exceptions.PlugVIPException,
    )


def _gone(lb: LoadBalancer, vip: VIP, amphora: Amphora, subnet: Subnet) -> Call:
    known = copy.deepcopy(amphora)

    def remove(driver: NetworkDriver) -> None:
        driver.unplug_aap_port(vip, known, subnet)
        driver.deallocate_vip(VIP(load_balancer_id=lb.id))

    return remove


def _plug(bench: Bench, lb: LoadBalancer, vip: VIP) -> Scene:
    (amphora,) = lb.amphorae
    subnet = Subnet(id=vip.subnet_id, network_id=vip.network_id)
    return Scene(
        lambda driver: driver.plug_aap_port(lb, vip, amphora, subnet),
        _gone(lb, vip, amphora, subnet),
        exceptions.PlugVIPException,
    )


def plug_aap_port(bench: Bench) -> Scene:
    """The VRRP port is new, and gets a group of the user's besides."""
    own = bench.world.make_group(f"users-{new_id()}")
    bench.empty = bench.cloud.save()
    lb, vip = _secured(bench)
    vip.sg_ids = [own]
    return _plug(bench, lb, vip)


def plug_aap_port_made(bench: Bench) -> Scene:
    """The VRRP port was made by create_port, and has neither group nor pairs."""
    lb, vip = _secured(bench)
    bench.driver.create_port(
        vip.network_id or "",
        naming.vrrp_port(lb.amphorae[0].id or ""),
        fixed_ips=[FixedIP(subnet_id=vip.subnet_id)],
    )
    return _plug(bench, lb, vip)


def unplug_aap_port(bench: Bench) -> Scene:
    """The VIP is plugged into one amphora."""
    lb, vip = _secured(bench)
    scene = _plug(bench, lb, vip)
    amphora = scene.call(bench.driver)
    subnet = Subnet(id=vip.subnet_id, network_id=vip.network_id)
    return Scene(
        lambda driver: driver.unplug_aap_port(vip, amphora, subnet),
        scene.inverse,
        exceptions.UnplugVIPException,
        undone=False,
    )
