# SPDX-License-Identifier: Apache-2.0
"""What the interface promises, as tests that every driver can be put to.

The author of a driver writes one :class:`World`: the network behind the driver, and the
driver itself. The tests are in this package, and need nothing but that class::

    pytest --networker-world=mypackage.world:World

Each test runs twice, on the driver and on a proxy to it over an in-memory bus. A test that
calls a method which `World.supports` does not name, or needs what the world does not have,
is skipped; what was lacking is counted and printed at the end.
"""

from __future__ import annotations

from networker.testing.contract.world import MARK, Server, World, new_id

__all__ = ["MARK", "Server", "World", "new_id"]
