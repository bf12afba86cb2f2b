# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin; see :mod:`networker.testing`.

What it needs is imported by the fixtures, so that a test run that does not use them
pays nothing.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from networker.rpc import Client
    from networker.testing.kit import FallibleSandbox


@pytest.fixture
def network_driver(tmp_path: pathlib.Path) -> FallibleSandbox:
    """Make a sandbox with the packaged topology; its back door shows what is in it."""
    from networker.testing import kit

    return kit.FallibleSandbox(kit.configuration(tmp_path / "sandbox.sqlite"))


@pytest.fixture
def network(network_driver: FallibleSandbox) -> Iterator[Client]:
    """Connect to `network_driver` over an in-memory bus."""
    from networker.testing import kit

    with kit.served(network_driver.conf, network_driver) as client:
        yield client
