# SPDX-License-Identifier: Apache-2.0
"""Experiment: what operations take on the cloud that OS_CLOUD names."""

from __future__ import annotations

import contextlib
import os
import time

import openstack

from networker import drivers
from networker.testing import processes
from tests.bench.conditions import Setup
from tests.bench.results import Row


def operations(setup: Setup) -> list[Row]:
    """Measure each operation with the neutron driver, without the bus."""
    cloud = os.environ["OS_CLOUD"]
    options = {"networker": {"driver": "neutron"}, "neutron": {"cloud": cloud}}
    file = processes.write(setup.directory / "operations.conf", options)
    taken = []
    with contextlib.closing(drivers.load(processes.configuration(file))) as driver:
        with openstack.connect(cloud=cloud) as connection:
            network_id = next(connection.network.networks()).id
        for number in range(setup.rounds):
            setup.say(f"round {number + 1} of {setup.rounds}")
            began = time.perf_counter()
            driver.get_network(network_id)
            taken.append(1000 * (time.perf_counter() - began))
    return [Row("get_network", "ms", taken)]
