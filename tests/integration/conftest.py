# SPDX-License-Identifier: Apache-2.0
"""Configurations for worker processes on the private RabbitMQ node."""

from __future__ import annotations

import pathlib
import uuid
from collections.abc import Callable

import pytest

from networker.testing import processes
from networker.testing.rabbitmq import Node


@pytest.fixture
def configured(broker: Node, tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
    """Write a configuration with a topic and sandbox of its own; change it by group."""

    def write(**groups: dict[str, object]) -> pathlib.Path:
        settings: dict[str, dict[str, object]] = {
            "DEFAULT": {"transport_url": broker.url},
            "networker": {
                "driver": "sandbox",
                "topic": f"t-{uuid.uuid4()}",
                "workers": 2,
                "threads": 4,
            },
            "sandbox": {"database": tmp_path / "sandbox.sqlite"},
        }
        for group, values in groups.items():
            settings[group] = settings.get(group, {}) | values
        return processes.write(tmp_path / "networker.conf", settings)

    return write
