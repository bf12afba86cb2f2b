# SPDX-License-Identifier: Apache-2.0
"""Let through only what a world says that its driver has."""

from __future__ import annotations

from typing import Any

import pytest

from networker.drivers.base import NetworkDriver, operations
from networker.testing.contract.world import NOT_SUPPORTED, World

#: What a test is said to have called, in its report.
CALLED = "networker called"


class Gate:
    """A driver, or a proxy to it; a method that is not supported skips the test.

    :param network: it
    :param world: says what is supported
    """

    def __init__(self, network: NetworkDriver, world: World) -> None:
        self._network = network
        self._world = world
        #: The properties of the test that runs.
        self.properties: list[tuple[str, object]] = []

    def __getattr__(self, name: str) -> Any:
        if name in operations():
            if name not in self._world.supports:
                pytest.skip(f"{NOT_SUPPORTED}{name}")
            if (CALLED, name) not in self.properties:
                self.properties.append((CALLED, name))
        return getattr(self._network, name)
