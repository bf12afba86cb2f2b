# SPDX-License-Identifier: Apache-2.0
"""What the tests of the fake cloud share."""

from __future__ import annotations

import pytest

from tests.fakecloud import FakeCloud
from tests.fakecloud.client import Client


@pytest.fixture
def client():
    """A client of a new fake cloud."""
    with FakeCloud() as cloud:
        client = Client(cloud)
        yield client
        client.session.close()


@pytest.fixture
def demo(client):
    """A client of the same cloud for a user of another project."""
    demo = Client(client.cloud, "fake-demo")
    yield demo
    demo.session.close()
