# SPDX-License-Identifier: Apache-2.0
"""What a world says of its driver is so."""

from __future__ import annotations

from networker.drivers.partial import PartialDriver


def test_what_is_written_is_declared(chosen):
    """`World.supports` names each method that a PartialDriver has, and no other."""
    driver, world = chosen
    if isinstance(driver, PartialDriver):
        assert set(world.supports) == driver.written()
