# SPDX-License-Identifier: Apache-2.0
"""Scenes of single ports."""

from __future__ import annotations

import contextlib

from networker import exceptions
from networker.drivers import NetworkDriver
from networker.models import Amphora, FixedIP
from networker.testing.contract.world import MEMBER, new_id
from tests.faults.bench import Bench
from tests.faults.scene import Call, Scene


def _deletion(name: str) -> Call:
    def delete(driver: NetworkDriver) -> None:
        with contextlib.suppress(exceptions.PortNotFound):
            driver.delete_port(driver.get_port_by_name(name).id or "")

    return delete


def _group(bench: Bench) -> str:
    group_id = bench.world.make_group(f"users-{new_id()}")
    bench.empty = bench.cloud.save()
    return group_id


def _create(bench: Bench, name: str) -> Scene:
    network, group_id = bench.world.member_network_ids[0], _group(bench)
    policy = bench.world.qos_policy_id
    subnet = FixedIP(subnet_id=bench.world.member_subnet_ids[1])

    def create(driver: NetworkDriver) -> object:
        return driver.create_port(
            network,
            name,
            fixed_ips=[subnet],
            secondary_ips=["198.51.100.250"],
            security_group_ids=[group_id],
            qos_policy_id=policy,
        )

    return Scene(create, _deletion(name), exceptions.CreatePortException)


def create_port(bench: Bench) -> Scene:
    """A port in a group of the user's."""
    return _create(bench, MEMBER + new_id())


def create_port_again(bench: Bench) -> Scene:
    """A port of that name is there, without group, policy and pairs."""
    name = MEMBER + new_id()
    subnet = FixedIP(subnet_id=bench.world.member_subnet_ids[1])
    scene = _create(bench, name)
    bench.driver.create_port(
        bench.world.member_network_ids[0], name, fixed_ips=[subnet]
    )
    return scene


def plug_port(bench: Bench) -> Scene:
    """A server gets a port that is there."""
    network, server = bench.world.member_network_ids[0], bench.world.servers[0]
    port = bench.driver.create_port(network, MEMBER + new_id())
    amphora = Amphora(compute_id=server.compute_id)

    def inverse(driver: NetworkDriver) -> None:
        driver.unplug_network(server.compute_id, network)
        driver.delete_port(port.id or "")

    return Scene(
        lambda driver: driver.plug_port(amphora, port),
        inverse,
        exceptions.PlugNetworkException,
    )


def plug_fixed_ip(bench: Bench) -> Scene:
    """A port gets an address on a second subnet."""
    network, (first, second) = (
        bench.world.member_network_ids[0],
        bench.world.member_subnet_ids,
    )
    wanted = [FixedIP(subnet_id=first)]
    port_id = bench.driver.create_port(network, fixed_ips=wanted).id or ""
    return Scene(
        lambda driver: driver.plug_fixed_ip(port_id, second),
        lambda driver: driver.delete_port(port_id),
        exceptions.NetworkException,
    )


def unplug_fixed_ip(bench: Bench) -> Scene:
    """A port has addresses on two subnets, and loses one."""
    network = bench.world.member_network_ids[0]
    wanted = [FixedIP(subnet_id=one) for one in bench.world.member_subnet_ids]
    port_id = bench.driver.create_port(network, fixed_ips=wanted).id or ""
    return Scene(
        lambda driver: driver.unplug_fixed_ip(port_id, wanted[1].subnet_id or ""),
        lambda driver: driver.delete_port(port_id),
        exceptions.NetworkException,
        undone=False,
    )
