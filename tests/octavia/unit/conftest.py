# SPDX-License-Identifier: Apache-2.0
"""Octavia's configuration, its network driver, and a load balancer of its own objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from octavia.common import config, utils
from oslo_config import fixture

from networker.octavia.lookups import Lookups, cache, connect
from networker.octavia.process import PerProcess
from networker.rpc.server import Server
from networker.testing.kit import FallibleSandbox
from tests.octavia.unit.objects import Balancer


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test know nothing of what others have looked up."""
    monkeypatch.setattr(Lookups, "_cache", PerProcess(cache))


@pytest.fixture
def conf(
    monkeypatch: pytest.MonkeyPatch, network_driver: FallibleSandbox
) -> Iterator[fixture.Config]:
    """Octavia's configuration, which names a bus of this test alone."""
    monkeypatch.setattr(Lookups, "_clients", PerProcess(connect))
    with fixture.Config(config.cfg.CONF) as chosen:
        connect().close()  # registers the options
        chosen.config(network_driver="networker", group="controller_worker")
        chosen.config(transport_url="fake:/", group="networker")
        chosen.config(topic=network_driver.conf.networker.topic, group="networker")
        yield chosen


@pytest.fixture
def sandbox(network_driver: FallibleSandbox) -> Iterator[FallibleSandbox]:
    """A sandbox that serves that bus."""
    server = Server(network_driver.conf, network_driver)
    server.start()
    yield network_driver
    server.stop()


@pytest.fixture
def driver(conf: fixture.Config, sandbox: FallibleSandbox) -> Any:
    """The network driver, as Octavia loads it."""
    return utils.get_network_driver()


@pytest.fixture
def balancer(sandbox: FallibleSandbox) -> Balancer:
    """Octavia's objects for a load balancer on the sandbox's networks."""
    return Balancer(sandbox.backdoor)


@pytest.fixture
def plugged(driver: Any, balancer: Balancer) -> Any:
    """A load balancer as it is when it has been created."""
    lb = balancer.lb
    balancer.take(*driver.allocate_vip(lb))
    driver.update_vip_sg(lb, lb.vip)
    subnet = driver.get_subnet(lb.vip.subnet_id)
    for one in lb.amphorae:
        balancer.store(driver.plug_aap_port(lb, lb.vip, one, subnet))
    return lb
