# SPDX-License-Identifier: Apache-2.0
"""What drivers share, for those who write another one.

===================  ===================================================================
what it is for       names
===================  ===================================================================
the class            `NetworkDriver`, the interface; `PartialDriver`, to begin with;
                     `Misconfigured`, for what `check` finds
all or nothing       `Flows` runs what `task` made, several at a time, and reverts it;
                     `OnFailure` does so within one function; `Task` and `Results` are
                     the types of both
errors               `Refusal`, which becomes the error that the interface promises for
                     the method; `failing_as`, for a part of another method
deadlines, requests  `require_time`, before something is kept; `stay_ours` and `is_ours`,
                     before something is changed or undone; `asking`, of each request, so
                     that operators see what a call waits for
names                `naming`: of ports, groups and devices, and MAC addresses from names
rules                `rules`: those that a VIP's group should have, as sets to subtract
deltas               `delta`: what `apply_delta` has to make, change and remove
VIPs                 `vip`: how a VIP and its port fit each other
===================  ===================================================================

All of it is stable as the interface is: what is in `__all__` here goes no sooner than with
the next major version.
"""

from __future__ import annotations

from networker.context import asking, is_ours, require_time, stay_ours
from networker.drivers import delta, naming, rules, vip
from networker.drivers.base import Misconfigured, NetworkDriver
from networker.drivers.flow import Flows, OnFailure, Results, Task, task
from networker.drivers.operation import Refusal, failing_as
from networker.drivers.partial import PartialDriver

__all__ = [
    "Flows",
    "Misconfigured",
    "NetworkDriver",
    "OnFailure",
    "PartialDriver",
    "Refusal",
    "Results",
    "Task",
    "asking",
    "delta",
    "failing_as",
    "is_ours",
    "naming",
    "require_time",
    "rules",
    "stay_ours",
    "task",
    "vip",
]
