# SPDX-License-Identifier: Apache-2.0
"""``networker console`` where it cannot begin."""

from __future__ import annotations

import socket
import sys

import pytest

from networker.testing import processes


@pytest.fixture
def config(tmp_path):
    return processes.write(
        tmp_path / "networker.conf", {"DEFAULT": {"transport_url": "fake:/"}}
    )


def test_without_its_libraries(run, monkeypatch):
    """Without the extra, what is missing and how to get it is one line."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, out, err = run("console")
    assert (code, out) == (2, "")
    assert err == (
        "networker: the console needs uvicorn: pip install 'networker[console]'\n"
    )


@pytest.mark.parametrize("address", ["9190", "localhost", "127.0.0.1:99999"])
def test_an_address_that_is_none(run, address):
    """What is no address is named."""
    code, out, err = run("console", "--listen", address)
    assert (code, out) == (2, "")
    assert err.startswith(f"networker: --listen {address}: ")
    assert err.count("\n") == 1


def test_an_address_that_is_taken(run):
    """Where somebody else listens, nothing begins."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, out, err = run("console", "--listen", address)
    assert (code, out) == (2, "")
    assert err == f"networker: --listen {address}: Address already in use\n"


def test_a_bus_in_memory(run, tmp_path):
    """Of a bus in memory nothing can be asked, and the address is free again."""
    path = tmp_path / "console.sock"
    code, out, err = run("console", "--listen", path)
    assert (code, out) == (2, "")
    assert "only RabbitMQ can be asked" in err
    assert not path.exists()
