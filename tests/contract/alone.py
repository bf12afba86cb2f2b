# SPDX-License-Identifier: Apache-2.0
"""A sandbox as an author's world is: ``--networker-world=tests.contract.alone:Sandbox``."""

from __future__ import annotations

import pathlib
import tempfile

import yaml

from networker.drivers import NetworkDriver
from networker.drivers.sandbox.driver import SandboxDriver
from networker.drivers.sandbox.topology import PACKAGED
from networker.testing import kit
from networker.testing.contract.world import SMALL
from tests.contract.worlds import SandboxWorld


def write_topology(path: pathlib.Path) -> pathlib.Path:
    """Write the packaged topology with a network that is soon exhausted."""
    topology = yaml.safe_load(PACKAGED.read_text())
    topology["networks"].append({"name": "small-net", "project": "demo"})
    small = {"name": "small-subnet", "network": "small-net", "cidr": SMALL}
    topology["subnets"].append({**small, "gateway_ip": None})
    path.write_text(yaml.safe_dump(topology))
    return path


class Sandbox(SandboxWorld):
    """A sandbox in a directory of its own."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory()
        home = pathlib.Path(self._directory.name)
        topology = write_topology(home / "topology.yaml")
        conf = kit.configuration(home / "sandbox.sqlite", topology=topology)
        self._driver = SandboxDriver(conf)
        super().__init__(self._driver)

    def driver(self) -> NetworkDriver:
        return self._driver

    def close(self) -> None:
        self._directory.cleanup()
