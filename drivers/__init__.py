# SPDX-License-Identifier: Apache-2.0
"""The network drivers that are installed, and how one is chosen."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import stevedore
from oslo_config import cfg

from networker.drivers.base import Misconfigured, NetworkDriver

NAMESPACE = "networker.drivers"

__all__ = ["NAMESPACE", "Misconfigured", "NetworkDriver", "installed", "load"]


def load(conf: cfg.ConfigOpts) -> NetworkDriver:
    """Make the driver that ``[networker] driver`` names.

    :param conf: a configuration on which :func:`networker.conf.register` was called
    :returns: a driver that is ready to use, made from the entry point's class or
        function by calling it with `conf`
    :raises Misconfigured: none is named, there is no such driver, or its options are wrong
    """
    name = conf.networker.driver
    if not name:
        raise Misconfigured(
            "[networker] driver is not set: name the network driver that is to answer; "
            f"installed are {', '.join(installed())}"
        )
    try:
        found: stevedore.DriverManager[Any] = stevedore.DriverManager(NAMESPACE, name)
    except stevedore.exception.NoMatches as error:
        raise Misconfigured(
            f"[networker] driver = {name}: no such driver; "
            f"installed are {', '.join(installed())}"
        ) from error
    driver: NetworkDriver = found.driver(conf)
    return driver


def installed() -> dict[str, str]:
    """Return the installed drivers: their names, and where their code is."""
    return {e.name: e.value for e in sorted(metadata.entry_points(group=NAMESPACE))}
