# SPDX-License-Identifier: Apache-2.0
"""Scenes of servers on member networks."""

from __future__ import annotations

from networker import exceptions
from networker.drivers import NetworkDriver
from tests.faults.bench import Bench
from tests.faults.scene import Scene, plugged, removal


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
    lb, _ = plugged(bench)
    amphora = lb.amphorae[0]
    server = amphora.compute_id or ""
    for network in bench.world.member_network_ids:
        bench.driver.plug_network(server, network)
    remove = removal(lb)

    def inverse(driver: NetworkDriver) -> None:
        for network in bench.world.member_network_ids:
            driver.unplug_network(server, network)
        remove(driver)

    return Scene(
        lambda driver: driver.failover_preparation(amphora),
        inverse,
        exceptions.NetworkException,
    )
