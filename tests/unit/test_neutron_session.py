# SPDX-License-Identifier: Apache-2.0
"""How the neutron driver gets its credentials, and what it says of wrong ones."""

from __future__ import annotations

import pytest

from networker import drivers, exceptions
from networker.drivers.base import Misconfigured
from networker.testing import processes
from tests.fakecloud import FakeCloud


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
