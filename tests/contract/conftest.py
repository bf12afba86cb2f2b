# SPDX-License-Identifier: Apache-2.0
"""The settings in which the contract suite runs: each driver, over each transport."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet

from networker import drivers, rpc
from networker.drivers import NetworkDriver
from networker.rpc.server import Server
from networker.testing import processes
from networker.testing.contract.fixtures import (
    Setting,
    balancer,
    clean,
    clean_module,
    network,
    world,
)
from networker.testing.contract.world import World
from networker.testing.rabbitmq import Node
from tests.contract.alone import write_topology
from tests.contract.worlds import CLOUD_USER, CloudWorld, SandboxWorld
from tests.fakecloud import FakeCloud
from tests.fakecloud.state import State

__all__ = ["balancer", "clean", "clean_module", "network", "world"]

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
    directory: pathlib.Path, kind: str, bus: str, cloud: str, **patience: float
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
                "forward_user_tokens": True,
                "user_token_keys": Fernet.generate_key().decode(),
            },
            "sandbox": {
                "database": directory / "sandbox.sqlite",
                "topology": write_topology(directory / "topology.yaml"),
            },
            "neutron": {"cloud": cloud, "poll_interval": 0.1, **patience},
        },
    )


@contextlib.contextmanager
def _running(
    name: str,
    directory: pathlib.Path,
    url: str,
    cloud: str,
    user: str,
    **patience: float,
) -> Iterator[Setting]:
    kind, _, how = name.partition("-")
    config = _configured(directory, kind, url, cloud, **patience)
    conf = processes.configuration(config)
    with contextlib.ExitStack() as stack:
        driver: Any = drivers.load(conf)
        stack.callback(driver.close)
        driver.check()
        world = CloudWorld(cloud, user) if kind == "neutron" else SandboxWorld(driver)
        world.remote = kind == "neutron" and cloud == CLOUD
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
def _on_fake_cloud(
    cloud: FakeCloud, directory: pathlib.Path, **patience: float
) -> Iterator[Setting]:
    """Run the neutron driver on a fake cloud."""
    clouds = cloud.write_clouds(directory / "clouds.yaml")
    with contextlib.ExitStack() as stack:
        # What has connected needs the environment no more; other settings need theirs.
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
            running = _running(
                "neutron",
                directory,
                url="fake:/",
                cloud="fake",
                user="fake-demo",
                **patience,
            )
            setting = stack.enter_context(running)
        yield setting


class Settings:
    """Settings that are begun when they are first wanted, and then kept.

    :param node: the RabbitMQ node of those on RabbitMQ
    """

    def __init__(
        self, directories: pytest.TempPathFactory, node: Node | None = None
    ) -> None:
        self._directories = directories
        self._url = node.url if node else "fake:/"
        self._known: dict[str, Setting] = {}
        self._stack = contextlib.ExitStack()

    def __getitem__(self, name: str) -> Setting:
        if name not in self._known:
            directory = self._directories.mktemp(name)
            self._known[name] = self._stack.enter_context(self._begun(name, directory))
        return self._known[name]

    def _begun(
        self, name: str, directory: pathlib.Path
    ) -> contextlib.AbstractContextManager[Setting]:
        if name == "neutron-fake":
            return _on_fake_cloud(self._stack.enter_context(FakeCloud()), directory)
        if name.startswith("neutron") and not CLOUD:
            pytest.fail("OS_CLOUD does not name the cloud to test on")
        return _running(name, directory, self._url, CLOUD, CLOUD_USER)

    def close(self) -> None:
        """End them all."""
        self._stack.close()


@pytest.fixture(scope="package")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings without RabbitMQ."""
    with contextlib.closing(Settings(tmp_path_factory)) as settings:
        yield settings


@pytest.fixture(scope="package")
def rabbit_settings(
    tmp_path_factory: pytest.TempPathFactory, broker: Node
) -> Iterator[Settings]:
    """The settings on RabbitMQ."""
    with contextlib.closing(Settings(tmp_path_factory, broker)) as settings:
        yield settings


@pytest.fixture(scope="package", params=SETTINGS)
def setting(request: pytest.FixtureRequest) -> Setting:
    """An interface to test, and the world behind it."""
    rabbit = request.param.endswith("-rabbit")
    held = request.getfixturevalue("rabbit_settings" if rabbit else "settings")
    setting: Setting = held[request.param]
    return setting


@dataclasses.dataclass
class Refusing:
    """A cloud that can be made to refuse, and a driver on it that is not patient."""

    cloud: FakeCloud
    driver: NetworkDriver
    world: World
    saved: State


@pytest.fixture(scope="package")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refusing]:
    """A setting of its own for tests that let a cloud refuse."""
    patience = {"poll_interval": 0.05, "detach_timeout": 1.0}
    with FakeCloud() as cloud:
        directory = tmp_path_factory.mktemp("refusing")
        with _on_fake_cloud(cloud, directory, **patience) as (driver, world):
            yield Refusing(cloud, driver, world, cloud.save())


@pytest.fixture(name="cloud")
def well(refusing: Refusing) -> Iterator[FakeCloud]:
    """That cloud as it begins, and well again afterwards."""
    cloud = refusing.cloud
    cloud.restore(refusing.saved)
    yield cloud
    cloud.forgive()
    cloud.missing.clear()
    cloud.quotas.clear()
    cloud.default_rules.clear()
    cloud.limit_lists(None)
    cloud.detach_delay = 0.05
