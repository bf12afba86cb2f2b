# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split

import os
from collections.abc import Iterator

import pytest

from networker.context import current
from networker.testing import rabbitmq


@pytest.fixture(autouse=True)
def nobodys_thread() -> Iterator[None]:
    """Let each test begin without a current context, and leave none to the next."""
    with current(None):
        yield


@pytest.fixture(scope="session")
def broker() -> Iterator[rabbitmq.Node]:
    """A private RabbitMQ node; an error in CI where there is none, a skip at home."""
    if not rabbitmq.installed():
        text = "RabbitMQ is not installed: apt-get install rabbitmq-server"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    with rabbitmq.Node() as node:
        yield node
