# SPDX-License-Identifier: Apache-2.0
"""The settings in which the contract suite runs: each driver, over each transport."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from networker import drivers, rpc
from networker.drivers import NetworkDriver
from networker.models import VIP, LoadBalancer
from networker.rpc.server import Server
from networker.testing import processes
from networker.testing.rabbitmq import Node
from tests.contract.world import World
from tests.contract.worlds import CloudWorld, SandboxWorld
from tests.fakecloud import FakeCloud

Setting = tuple[NetworkDriver, World]
CLOUD = os.environ.get("OS_CLOUD", "")
cloud = pytest.mark.cloud
SETTINGS = [
    "sandbox",
    "sandbox-fake",
    "sandbox-rabbit",
    "neutron-fake",
    pytest.param("neutron", marks=cloud),
    pytest.param("neutron-rabbit", marks=cloud),
]


def _configured(
    directory: pathlib.Path, kind: str, bus: str, cloud: str
) -> pathlib.Path:
    return processes.write(
        directory / "networker.conf",
        {
            "DEFAULT": {"transport_url": bus},
            "networker": {
                "driver": kind,
                "workers": 2,
                "threads": 4,
                "topic": f"contract-{kind}",
            },
            "sandbox": {"database": directory / "sandbox.sqlite"},
            "neutron": {"cloud": cloud, "poll_interval": 0.1},
        },
    )


@contextlib.contextmanager
def _running(
    kind: str, how: str, directory: pathlib.Path, url: str, cloud: str = CLOUD
) -> Iterator[Setting]:
    config = _configured(directory, kind, url, cloud)
    conf = processes.configuration(config)
    with contextlib.ExitStack() as stack:
        driver: Any = drivers.load(conf)
        stack.callback(driver.close)
        world: World = CloudWorld(cloud) if kind == "neutron" else SandboxWorld(driver)
        world.sweep()
        stack.callback(world.sweep)
        network: NetworkDriver = driver
        if how == "fake":
            server = Server(conf, driver)
            server.start()
            stack.callback(server.stop)
            network = stack.enter_context(rpc.connect(conf))
        elif how == "rabbit":
            network = stack.enter_context(processes.serving(config))[1]
        yield network, world


@contextlib.contextmanager
def _on_fake_cloud(directory: pathlib.Path) -> Iterator[Setting]:
    """Run the neutron driver on a cloud that lives as long as the setting."""
    with FakeCloud() as cloud, pytest.MonkeyPatch.context() as environment:
        clouds = cloud.write_clouds(directory / "clouds.yaml")
        environment.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
        with _running("neutron", "", directory, "fake:/", "fake") as running:
            yield running


@pytest.fixture(scope="session", params=SETTINGS)
def setting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Setting]:
    """An interface to test, and the world behind it."""
    if request.param == "neutron-fake":
        with _on_fake_cloud(tmp_path_factory.mktemp("neutron-fake")) as running:
            yield running
        return
    kind, _, how = request.param.partition("-")
    if kind == "neutron" and not CLOUD:
        pytest.fail("OS_CLOUD does not name the cloud to test on")
    node: Node | None = request.getfixturevalue("broker") if how == "rabbit" else None
    directory = tmp_path_factory.mktemp(request.param)
    with _running(kind, how, directory, node.url if node else "fake:/") as running:
        yield running


@pytest.fixture
def network(setting: Setting) -> NetworkDriver:
    """The interface under test."""
    return setting[0]


@pytest.fixture
def world(setting: Setting) -> World:
    """The network behind it."""
    return setting[1]


@pytest.fixture
def clean(world: World) -> Iterator[None]:
    """See to it that nothing is left when everything else is torn down."""
    yield
    for port in world.strangers():
        world.delete_port(port.id or "")
    assert world.leftovers() == []


@pytest.fixture
def balancer(
    network: NetworkDriver, world: World, clean: None
) -> Iterator[Callable[..., LoadBalancer]]:
    """Make load balancers, and deallocate them afterwards."""
    made: list[LoadBalancer] = []

    def make(**wanted: Any) -> LoadBalancer:
        made.append(world.load_balancer(**wanted))
        return made[-1]

    yield make
    for lb in made:
        network.deallocate_vip(VIP(load_balancer_id=lb.id))
