# SPDX-License-Identifier: Apache-2.0
"""The short form of the experiments in tests/chaos that need only this machine."""

from __future__ import annotations

import pytest

from tests.chaos import short

pytestmark = pytest.mark.timeout(700)
GROUPS = [["kill", "poison", "twins", "lifecycles"], ["broker", "cut", "rolling"]]


@pytest.fixture(scope="module")
def running(broker):
    with short.started(GROUPS) as processes:
        yield processes


@pytest.mark.parametrize("group", range(len(GROUPS)), ids=map(" ".join, GROUPS))
def test_nothing_is_lost_and_nothing_is_done_twice(running, group):
    """Each experiment shows what it must, in its short form."""
    output = short.broken(running[group], timeout=600)
    assert not output, output
