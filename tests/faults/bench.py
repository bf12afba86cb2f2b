# SPDX-License-Identifier: Apache-2.0
"""Fake clouds with a driver each, on which calls are made to fail."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator

import pytest
import yaml

from networker.drivers.neutron.driver import NeutronDriver
from networker.models import VIP, LoadBalancer
from networker.testing import kit
from tests.contract.worlds import CloudWorld
from tests.fakecloud import FakeCloud, networks
from tests.fakecloud.state import DEMO, State
from tests.faults.picture import picture
from tests.faults.wire import Wire

#: Seconds that a request may take: shorter than some pauses, so that not all are repeated.
PATIENCE = 0.4


class Bench:
    """One cloud, and drivers on it.

    :param name: of the cloud in clouds.yaml
    """

    def __init__(self, cloud: FakeCloud, name: str) -> None:
        self.cloud = cloud
        self.name = name
        self.world = CloudWorld(name)
        self._drivers: list[NeutronDriver] = []
        self.driver, self.wire = self.another()
        self.bare = self.empty = cloud.save()

    def another(
        self, engine: str = "serial", patience: float = PATIENCE
    ) -> tuple[NeutronDriver, Wire]:
        """Return another driver on the same cloud, and its wire."""
        conf = kit.configuration(pathlib.Path(os.devnull))
        conf.set_override("engine", engine, "taskflow")
        driver = NeutronDriver(conf)
        for option, value in {
            "cloud": self.name,
            "request_timeout": patience,
            "poll_interval": 0.05,
        }.items():
            conf.set_override(option, value, "neutron")
        self._drivers.append(driver)
        return driver, Wire.of(driver, self.cloud)

    def picture(self) -> str:
        """Return what exists now."""
        return picture(self.cloud.save())

    def restore(self, saved: State) -> None:
        """Let exactly that exist which was saved, and all drivers be well."""
        self.wire.begin()
        self.cloud.restore(saved)

    def allocated(self, lb: LoadBalancer) -> VIP:
        """Allocate a load balancer's VIP."""
        lb.vip = self.driver.allocate_vip(lb)
        return lb.vip

    def make_network(self, name: str) -> str:
        """Make a user's network without a subnet, which stays; return its id."""
        made = networks.network(name, DEMO)
        self.cloud.state.networks[made["id"]] = made
        return str(made["id"])

    def close(self) -> None:
        """Close all drivers."""
        for driver in self._drivers:
            driver.close()


@contextlib.contextmanager
def benches(directory: pathlib.Path, count: int) -> Iterator[list[Bench]]:
    """Run some clouds at the same time."""
    with contextlib.ExitStack() as stack:
        clouds = [stack.enter_context(FakeCloud(0.0)) for _ in range(count)]
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        named = {
            name.replace("fake", f"fake-{n}"): known
            for n, cloud in enumerate(clouds)
            for name, known in cloud.clouds()["clouds"].items()
        }
        path = directory / "clouds.yaml"
        path.write_text(yaml.safe_dump({"clouds": named}))
        environment.setenv("OS_CLIENT_CONFIG_FILE", str(path))
        made = [Bench(cloud, f"fake-{n}") for n, cloud in enumerate(clouds)]
        for bench in made:
            stack.callback(bench.close)
        yield made
