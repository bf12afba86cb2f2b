# SPDX-License-Identifier: Apache-2.0
"""The bus of a caller that has another one besides."""

from __future__ import annotations

import pytest

from networker import rpc
from networker.rpc import transport
from networker.testing import kit


def test_networkers_own_bus_is_taken(tmp_path):
    """Requests go over [networker] transport_url, whatever the caller's own bus is."""
    conf = kit.configuration(tmp_path / "sandbox.sqlite")
    conf.set_override("transport_url", "rabbit://nobody@127.0.0.1:1/")
    conf.set_override("transport_url", "fake:/", "networker")
    driver = kit.FallibleSandbox(conf)
    network = driver.backdoor.networks()[0]
    with kit.served(conf, driver) as client:
        assert client.get_network(network.id or "") == network


def test_networkers_own_bus_is_as_reliable(tmp_path):
    """The driver that acknowledges late is taken for either URL."""
    conf = kit.configuration(tmp_path / "unused.sqlite")
    conf.set_override("transport_url", "rabbit://me@broker.example/vhost", "networker")
    url = transport.url(conf)
    assert (url.transport, url.virtual_host) == ("networker", "vhost")


def test_a_wrong_url_is_named_by_its_option(tmp_path):
    """Whoever reads the error knows which of the two URLs it is."""
    conf = kit.configuration(tmp_path / "unused.sqlite")
    conf.set_override("transport_url", "carrier-pigeon://coop/", "networker")
    with pytest.raises(ValueError, match=r"\[networker\] transport_url: .*pigeon"):
        rpc.connect(conf)
