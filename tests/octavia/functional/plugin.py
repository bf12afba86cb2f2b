# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin that makes networker the network driver of Octavia's API tests.

Their setUp chooses Octavia's noop driver; with this plugin the same line chooses
networker. What answers over an in-memory bus is the noop driver again, in this process, so
that tests can replace its methods.

Two things cannot cross a bus and are put on the other side of it:

- Tests that prepare a network by writing into an object that the driver returned write
  into the noop driver's own object.
- A network of the noop driver says of any subnet that it contains it. The list of subnets
  that arrives says so again.
"""

from __future__ import annotations

import types
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from octavia.common import utils
from octavia.network.drivers.noop_driver.driver import NoopManager, NoopNetworkDriver
from octavia.tests.functional.api.v2 import test_load_balancer
from oslo_config import cfg, fixture

from networker import conf as options
from networker.octavia import options as octavia_options
from networker.octavia.driver import NetworkerDriver
from networker.rpc.server import Server
from tests.octavia.functional.backend import backend

CHOSEN = {"transport_url": "fake:/", "topic": f"networker-{uuid.uuid4()}"}


class Config(fixture.Config):
    """Octavia's tests set its options with this, and lose them all after each test."""

    def config(self, **values: Any) -> None:
        if values.get("network_driver") == "network_noop_driver":
            values["network_driver"] = "networker"
            choose(self.conf)
        super().config(**values)


class Everything(list[str]):
    """Subnets of the noop driver's network: those that it named, and any other."""

    def __contains__(self, item: object) -> bool:
        return True


def choose(conf: cfg.ConfigOpts) -> cfg.ConfigOpts:
    """Name the bus, and have every look-up asked for: tests replace what it returns."""
    options.register(conf)
    octavia_options.register(conf)
    conf.set_override("lookup_cache_seconds", 0, "networker_octavia")
    for name, value in CHOSEN.items():
        conf.set_override(name, value, "networker")
    return conf


@pytest.fixture(scope="session", autouse=True)
def networker(request: pytest.FixtureRequest) -> Iterator[None]:
    """Serve the noop driver, and connect before a test replaces parts of oslo.messaging."""
    noop = NoopNetworkDriver()
    # All subnets that it invents are on its latest network; it must not have none.
    noop.get_network(str(uuid.uuid4()))
    served = backend(noop)
    server = Server(choose(options.load(["--config-file", "/dev/null"])), served)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        with Config() as chosen:
            chosen.config(
                network_driver="network_noop_driver", group="controller_worker"
            )
            assert utils.get_network_driver().qos_enabled()
        patch.setattr(fixture, "Config", Config)
        prepared = types.SimpleNamespace(get_network_driver=lambda: noop)
        patch.setattr(test_load_balancer, "utils", prepared)
        patch.setattr(
            NetworkerDriver, "get_network", boundless(NetworkerDriver.get_network)
        )
        yield
    server.stop()
    output: dict[str, Any] = vars(request.config)["workeroutput"]
    output["calls"] = dict(served.calls)


def boundless(read: Any) -> Any:
    """Return a method that reads a network and lets it contain any subnet."""
    own = NoopManager.get_network

    def get_network(*args: Any, **kwargs: Any) -> Any:
        network = read(*args, **kwargs)
        if NoopManager.get_network is own:  # and no test replaced it
            network.subnets = Everything(network.subnets)
        return network

    return get_network
