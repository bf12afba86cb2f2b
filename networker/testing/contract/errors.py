# SPDX-License-Identifier: Apache-2.0
"""Every way in which a call can be refused, and with which error each driver says so.

A case makes what it needs and returns the call, the class of the error, and the attributes
that it has, all of them: what a controller reads must not depend on the driver. `SAID`
stands for words that a cloud chooses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import ModuleType
from typing import Any

from networker import exceptions
from networker.drivers.base import NetworkDriver
from networker.models import (
    VIP,
    LoadBalancer,
)
from networker.testing.contract.steps import secure
from networker.testing.contract.world import World

SAID = object()
#: What the cloud itself answered.
REFUSED = {"orig_msg": SAID, "orig_code": 400}
CONFLICT = {"orig_msg": SAID, "orig_code": 409}
MISSING = {"orig_msg": SAID, "orig_code": 404}
#: What a driver refuses itself: no cloud said anything but these words.
ITSELF = {"orig_msg": SAID}


@dataclasses.dataclass
class Stage:
    """Where a case plays."""

    network: NetworkDriver
    world: World
    balancer: Callable[..., LoadBalancer]

    @property
    def server(self) -> str:
        """A server."""
        return self.world.servers[0].compute_id

    def secured(self, **wanted: Any) -> tuple[LoadBalancer, VIP]:
        """Return a load balancer whose VIP has its group."""
        lb = self.balancer(**wanted)
        return lb, secure(self.network, lb)


@dataclasses.dataclass
class Expected:
    """What a case ends with."""

    call: Callable[[], object]
    kind: type[exceptions.NetworkException]
    attributes: dict[str, object]
    after: Callable[[], object] = lambda: None


Case = Callable[[Stage], Expected]


def cases(module: ModuleType) -> list[Case]:
    """Return the cases of a module."""
    return [
        function
        for name, function in vars(module).items()
        if getattr(function, "__module__", "") == module.__name__
        and not name.startswith("_")
    ]
