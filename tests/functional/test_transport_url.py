# SPDX-License-Identifier: Apache-2.0
"""The bus of a caller that has another one besides."""

from __future__ import annotations

import pytest
from oslo_config import cfg

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


@pytest.mark.parametrize(
    "password", ["se/cret", "se#cret", "s@e/cret", "se?cret", "se[c"]
)
def test_a_password_that_has_to_be_encoded(tmp_path, password):
    """The error says how, and has nothing of the password."""
    conf = kit.configuration(tmp_path / "unused.sqlite")
    conf.set_override("transport_url", f"rabbit://me:{password}@127.0.0.1:1/")
    with pytest.raises(ValueError, match="percent-encoded: @ as %40") as caught:
        rpc.connect(conf)
    assert str(caught.value).startswith("[DEFAULT] transport_url: ")
    assert "cret" not in str(caught.value)
    assert "'se" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["rabbit://u:a%40b%2Fc@h:1/v?ssl=1", "rabbit://u:a@b@h:1/"]
)
def test_what_can_be_read_is_taken(tmp_path, url):
    """An encoded password is decoded; a host's name is what follows the last @."""
    conf = kit.configuration(tmp_path / "unused.sqlite")
    conf.set_override("transport_url", url)
    (host,) = transport.url(conf).hosts
    assert (host.hostname, host.port) == ("h", 1)
    assert host.password in {"a@b/c", "a@b"}


def test_a_wrong_value_is_told_plainly(tmp_path):
    """A controller's developer reads option, file and value, and no repr of a class."""
    path = tmp_path / "controller.conf"
    path.write_text(
        "[DEFAULT]\ntransport_url = fake:/\n[networker]\ncall_timeout = few\n"
    )
    conf = cfg.ConfigOpts()
    conf(["--config-file", str(path)])
    with pytest.raises(
        ValueError, match=r"call_timeout in .*controller\.conf .*'few'"
    ) as e:
        rpc.connect(conf)
    assert "LocationInfo" not in str(e.value)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e12])
def test_a_call_needs_time(network, timeout):
    """A timeout in which nothing can be answered, or that no clock can tell, is refused."""
    with pytest.raises(ValueError, match=f"timeout={timeout}: give more than 0 s"):
        network.with_options(timeout=timeout)
