# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin; see :mod:`networker.testing`.

What it needs is imported by the fixtures, so that a test run that does not use them
pays nothing.
"""

from __future__ import annotations

import pathlib
import pkgutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from networker.rpc import Client
    from networker.testing.contract import World
    from networker.testing.kit import FallibleSandbox

pytest.register_assert_rewrite("networker.testing.contract")

#: The class that ``--networker-world`` names.
WORLD = pytest.StashKey["type[World]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for authors of drivers."""
    parser.getgroup("networker").addoption(
        "--networker-world",
        metavar="MODULE:CLASS",
        help="run the contract suite on the driver and the network of this World; "
        "without paths, nothing else",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load the world, and run the contract suite if nothing else was named."""
    name = config.getoption("networker_world")
    if not name:
        return
    config.stash[WORLD] = world_class(name)
    if config.args_source != pytest.Config.ArgsSource.ARGS:
        config.args[:] = [str(pathlib.Path(__file__).with_name("contract"))]


def world_class(name: str) -> type[World]:
    """Return the class that ``--networker-world`` names.

    :param name: ``MODULE:CLASS``
    :raises pytest.UsageError: there is none, or it cannot be used
    """
    from networker.testing.contract import World

    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        text = (
            f"--networker-world={name}: {error}; it has to be MODULE:CLASS, and the "
            "module to be installed or in pytest's pythonpath"
        )
        raise pytest.UsageError(text) from error
    if not (isinstance(found, type) and issubclass(found, World)):
        raise pytest.UsageError(
            f"--networker-world={name} is not a class derived from "
            "networker.testing.contract.World"
        )
    _check_methods(name, found)
    return found


def _check_methods(name: str, world: type[World]) -> None:
    from networker.drivers.base import operations

    unknown = set(world.supports) - set(operations())
    if unknown:
        raise pytest.UsageError(
            f"--networker-world={name}: supports names {min(unknown)!r}, which is no "
            "method of the interface"
        )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print what of the contract was tested, and what was lacking."""
    kind = config.stash.get(WORLD, None)
    if kind is not None:
        from networker.testing.contract import report

        named = config.getoption("networker_world")
        terminalreporter.section(f"contract of {named}")
        for line in report.lines(kind, terminalreporter.stats):
            terminalreporter.write_line(line)


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
