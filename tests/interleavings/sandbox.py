# SPDX-License-Identifier: Apache-2.0
"""The same meetings on a sandbox, whose steps are transactions."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any, cast

from networker.testing import kit
from tests.faults import vips
from tests.faults.scenarios import SCENES
from tests.interleavings.clock import repeatable
from tests.interleavings.grounds import Menu, SandboxBench, SandboxGround
from tests.interleavings.meetings import Pair, copies, with_inverse
from tests.interleavings.pairs import TOGETHER, UNDONE
from tests.interleavings.stage import Stage, Theatre

PREFIX = "sandbox: "
#: Scenes that change the user's port past the interface, as only Neutron's API can.
_CLOUD_ONLY = (vips.plug_vip_users_port, vips.deallocate_users_port)
#: A transaction fails as a whole, or not at all.
TRANSACTIONS: Menu = {
    "BEGIN": ("kill",),
    "BEGIN IMMEDIATE": ("kill", "deadline", "lease"),
}


def sandbox_pairs() -> Iterator[Pair]:
    """Return all pairs, with other names."""
    makers = [make for make in SCENES if make not in _CLOUD_ONLY]
    pairs = [copies(make, count) for count in (1, 2, 3) for make in makers]
    pairs += [with_inverse(make) for make in UNDONE if make not in _CLOUD_ONLY]
    pairs += [
        Pair(one.__name__.replace("_and_", " + "), cast("Any", one)) for one in TOGETHER
    ]
    for pair in pairs:
        yield Pair(PREFIX + pair.name, pair.arrange)


def sandbox_stage(place: Theatre, name: str) -> Stage:
    """Arrange a pair on a sandbox of its own.

    :raises LookupError: no pair has the name
    """
    pair = next((one for one in sandbox_pairs() if one.name == name), None)
    if pair is None:
        raise LookupError(f"no pair is called {name!r}")
    path = pathlib.Path(place.directory) / "sandbox.db"
    path.unlink(missing_ok=True)
    with repeatable(1):
        ground = SandboxGround(kit.configuration(path))
        bench = SandboxBench(ground)
        meeting = pair.arrange(cast("Any", bench))
    start = ground.save()
    ground.restore(bench.empty)
    empty = ground.picture()
    ground.restore(start)
    return Stage(place, meeting, ground, empty, TRANSACTIONS)
