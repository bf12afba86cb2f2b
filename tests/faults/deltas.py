# SPDX-License-Identifier: Apache-2.0
"""Scenes of several servers whose plugging changes at once."""

from __future__ import annotations

from networker import exceptions
from networker.drivers import NetworkDriver
from networker.models import Delta, FixedIP, Interface, SubnetOfPort
from tests.faults.bench import Bench
from tests.faults.scene import Call, Scene


def _apply(*deltas: Delta) -> Call:
    return lambda driver: driver.apply_delta(list(deltas))


def _adding(bench: Bench, network: int = 0, subnet: int | None = 0) -> list[Delta]:
    """Return deltas by which two servers get a port on a member network."""
    network_id = bench.world.member_network_ids[network]
    subnet_ids = bench.world.member_subnet_ids
    places = [] if subnet is None else [FixedIP(subnet_id=subnet_ids[subnet])]
    nic = Interface(network_id=network_id, fixed_ips=places)
    servers = bench.world.servers[:2]
    return [Delta(compute_id=one.compute_id, add_nics=[nic]) for one in servers]


def _inverse(*deltas: Delta) -> Call:
    """Return what takes all ports of deltas away, one by one."""

    def unplug(driver: NetworkDriver) -> None:
        for delta in deltas:
            for nic in (*delta.add_nics, *delta.delete_nics):
                driver.unplug_network(delta.compute_id or "", nic.network_id or "")

    return unplug


def apply_delta(bench: Bench) -> Scene:
    """Two servers get a port each on a member network."""
    deltas = _adding(bench)
    failure = exceptions.PlugNetworkException
    return Scene(_apply(*deltas), _inverse(*deltas), failure)


def apply_delta_again(bench: Bench) -> Scene:
    """They have the ports, on another subnet, of which one was released meanwhile."""
    bench.driver.apply_delta(_adding(bench, subnet=1))
    return apply_delta(bench)


def apply_delta_addresses(bench: Bench) -> Scene:
    """A server's port gets an address on a subnet, and loses the one on another."""
    delta = _adding(bench)[0]
    (nic,) = bench.driver.apply_delta([delta])
    first, second = bench.world.member_subnet_ids
    place = {"network_id": nic.network_id, "port_id": nic.port_id}
    moving = Delta(
        compute_id=delta.compute_id,
        add_subnets=[SubnetOfPort(subnet_id=second, **place)],
        delete_subnets=[SubnetOfPort(subnet_id=first, **place)],
    )
    return Scene(_apply(moving), _inverse(delta), exceptions.NetworkException)


def apply_delta_removing(bench: Bench) -> Scene:
    """Two servers lose their ports on a member network."""
    deltas = _adding(bench)
    bench.driver.apply_delta(deltas)
    removing = [
        Delta(compute_id=delta.compute_id, delete_nics=delta.add_nics)
        for delta in deltas
    ]
    failure = exceptions.UnplugNetworkException
    return Scene(_apply(*removing), _inverse(*deltas), failure, undone=False)


def apply_delta_both(bench: Bench) -> Scene:
    """Two servers move from one member network to another."""
    old, new = _adding(bench, 1, None), _adding(bench, 0)
    bench.driver.apply_delta(old)
    moving = [
        Delta(
            compute_id=gone.compute_id,
            add_nics=come.add_nics,
            delete_nics=gone.add_nics,
        )
        for gone, come in zip(old, new, strict=True)
    ]
    failure = exceptions.NetworkException
    return Scene(_apply(*moving), _inverse(*moving), failure, undone=False)
