# SPDX-License-Identifier: Apache-2.0
"""What the tests of commands share."""

from __future__ import annotations

import pathlib

import pytest

from networker.testing import processes


@pytest.fixture
def config(tmp_path: pathlib.Path) -> pathlib.Path:
    """Write a configuration of a sandbox on the in-memory bus."""
    return processes.write(
        tmp_path / "networker.conf",
        {
            "DEFAULT": {"transport_url": "fake:/"},
            "networker": {"driver": "sandbox", "topic": tmp_path.name},
            "sandbox": {"database": tmp_path / "sandbox.sqlite"},
        },
    )
