# SPDX-License-Identifier: Apache-2.0
"""How the neutron driver gets its credentials, and what it says of wrong ones."""

from __future__ import annotations

import pytest

from networker import drivers, exceptions
from networker.drivers.base import Misconfigured
from networker.testing import processes
from tests.certificates import Authority
from tests.fakecloud import FakeCloud
from tests.tlsfront import TlsFront


@pytest.fixture
def cloud():
    with FakeCloud() as running:
        yield running


@pytest.fixture
def driver(cloud, tmp_path):
    """Make a driver from the credentials of the cloud, some of them changed."""
    made = []

    def make(**changes):
        right = cloud.clouds()["clouds"]["fake"]
        neutron = {"auth_type": "password", **right["auth"], **changes}
        neutron |= {"region_name": "RegionOne", "valid_interfaces": "public"}
        nova = {"region_name": "RegionOne", "valid_interfaces": "public"}
        config = processes.write(
            tmp_path / "networker.conf",
            {"networker": {"driver": "neutron"}, "neutron": neutron, "nova": nova},
        )
        made.append(drivers.load(processes.configuration(config)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_credentials_in_the_configuration(driver):
    """keystoneauth's options are enough, without a clouds.yaml."""
    made = driver()
    made.check()
    with pytest.raises(exceptions.NetworkNotFound):
        made.get_network("11111111-2222-4333-8444-555555555555")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"password": "wrong"}, "401"),
        ({"auth_type": "telepathy"}, "telepathy"),
    ],
)
def test_wrong_credentials_are_named(driver, changes, text):
    """What the operator has to mend is said in one line."""
    with pytest.raises(Misconfigured) as caught:
        driver(**changes).check()
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_expired_token_is_replaced(driver, cloud):
    """A token that the cloud no longer takes costs a new one, and no error."""
    made = driver()
    made.check()
    cloud.expire_tokens()
    made.check()


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({}, "unable to get local issuer certificate; see [neutron] cafile, which"),
        ({"expired": True}, "certificate has expired; see [neutron] cafile = /"),
        ({"host": "127.0.0.9"}, "not valid for '127.0.0.1'"),
    ],
    ids=["unknown", "expired", "elsewhere"],
)
def test_certificates_that_are_wrong(driver, tmp_path, how, text):
    """They are to be mended, with the option's name, and no cloud that is away."""
    authority = Authority(tmp_path)
    with TlsFront(authority.pair("cloud", **how)) as front:
        url = f"https://127.0.0.1:{front.port}/v3"
        trusted = {"cafile": authority.file} if how else {}
        with pytest.raises(Misconfigured) as caught:
            driver(auth_url=url, **trusted).check()
    assert text in str(caught.value)
    assert f"127.0.0.1:{front.port}" in str(caught.value)


def test_http_where_tls_is_spoken_and_the_reverse(driver, cloud, tmp_path):
    """The option that has the wrong scheme is named."""
    right = cloud.clouds()["clouds"]["fake"]["auth"]["auth_url"]
    with pytest.raises(Misconfigured, match=r"has no TLS.*auth_url = https"):
        driver(auth_url=right.replace("http:", "https:")).check()
    with TlsFront(Authority(tmp_path).pair("cloud")) as front:
        url = f"http://127.0.0.1:{front.port}/v3"
        with pytest.raises(Misconfigured, match=r"wants TLS.*auth_url = http"):
            driver(auth_url=url, request_timeout=3).check()


def test_a_cloud_that_is_away(driver):
    """Where nobody listens it is worth another try, whatever the scheme is."""
    with pytest.raises(exceptions.CloudUnavailable):
        driver(auth_url="https://127.0.0.1:1/v3", request_timeout=1).check()
