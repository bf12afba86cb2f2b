# SPDX-License-Identifier: Apache-2.0
"""The world of ``--networker-world``, directly and over an in-memory bus."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import Any, cast

import pytest
from cryptography.fernet import Fernet

from networker.drivers.base import NetworkDriver
from networker.testing import kit
from networker.testing.contract.fixtures import (
    CUT_SHORT,
    Setting,
    balancer,
    clean,
    clean_module,
    network,
    world,
)
from networker.testing.contract.gate import Gate
from networker.testing.contract.world import World
from networker.testing.plugin import WORLD

__all__ = ["balancer", "clean", "clean_module", "network", "world"]


@pytest.fixture(scope="session")
def chosen(request: pytest.FixtureRequest) -> Iterator[tuple[NetworkDriver, World]]:
    """The world that the option names, and its driver."""
    kind = request.config.stash.get(WORLD, None)
    if kind is None:
        pytest.fail("name a world: pytest --networker-world=MODULE:CLASS")
    with contextlib.closing(kind()) as world:
        if lacking := world.lacking():
            pytest.fail(lacking)
        driver = world.driver()
        with contextlib.closing(driver):
            driver.check()
            world.sweep()
            yield driver, world


@pytest.fixture(scope="session", params=["direct", "bus"])
def setting(
    request: pytest.FixtureRequest,
    chosen: tuple[NetworkDriver, World],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Setting]:
    """The driver that is tested, or a proxy to it."""
    driver, world = chosen
    with contextlib.ExitStack() as stack:
        found = driver
        if request.param == "bus":
            conf = kit.configuration(tmp_path_factory.mktemp("bus") / "unused")
            conf.set_override("forward_user_tokens", True, "networker")
            key = Fernet.generate_key().decode()
            conf.set_override("user_token_keys", [key], "networker")
            found = stack.enter_context(kit.served(conf, driver))
        yield cast("NetworkDriver", Gate(found, world)), world


@pytest.fixture(autouse=True)
def noted(request: pytest.FixtureRequest, setting: Setting) -> None:
    """Let a test's report name the methods that it calls."""
    gate: Any = setting[0]
    gate.properties = request.node.user_properties


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember what ended early: it may leave what it had made."""
    report = yield
    if report.skipped:
        item.stash[CUT_SHORT] = True
    return report
