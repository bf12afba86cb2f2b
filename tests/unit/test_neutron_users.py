# SPDX-License-Identifier: Apache-2.0
"""What the neutron driver asks with a user's token, and what it asks only once."""

from __future__ import annotations

import logging

import pytest

from networker import exceptions
from networker.drivers.neutron.driver import NeutronDriver
from networker.models import Network, UserContext
from tests.unit.fake_cloud import Answer, neutron_error, running

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
TOKEN = "a-users-secret"
USER = UserContext(auth_token=TOKEN)
NO_PAGE = "<html>The resource could not be found: no {}</html>"


@pytest.fixture
def fake():
    """A cloud on loopback."""
    with running() as fake:
        yield fake


@pytest.fixture
def driver(fake):
    """A driver for that cloud."""
    made = NeutronDriver(fake.conf(request_timeout=2.0))
    made.cloud.session.connection()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("get_qos_policy", "/qos/policies/x", {"policy": {"id": "x", "name": "q"}}),
        (
            "get_security_group_by_id",
            "/security-groups/x",
            {"security_group": {"id": "x", "name": "g", "security_group_rules": []}},
        ),
    ],
)
def test_a_user_is_asked_for_with_their_token(fake, driver, method, path, body):
    """The read bears the user's token and no other, and the next one does not."""
    next(iter(body.values()))["project_id"] = "p"
    fake.answers = [Answer(body=body), Answer(body=body)]
    assert getattr(driver, method)("x", context=USER).id == "x"
    getattr(driver, method)("x")
    assert fake.asked() == [f"GET /v2.0{path}"] * 2
    tokens = [request.headers.get("X-Auth-Token") for request in fake.requests]
    assert tokens[0] == TOKEN
    assert tokens[1] != TOKEN


def test_a_token_is_in_no_log(fake, driver, caplog):
    """Even with every library's debug messages, the token does not show."""
    caplog.set_level(logging.DEBUG)
    fake.answers = [Answer(401, {"error": {"message": "who?", "code": 401}})]
    with pytest.raises(exceptions.NetworkException) as caught:
        driver.get_network("x", context=USER)
    assert caught.value.orig_code == 401
    assert caplog.records
    assert TOKEN not in caplog.text + repr(caught.value)


def test_an_empty_token_asks_nothing(fake, driver):
    """Without a token there is no user, and the service's is not used instead."""
    with pytest.raises(exceptions.NetworkException) as caught:
        driver.get_network("x", context=UserContext(auth_token=" "))
    assert caught.value.orig_code == 401
    assert fake.requests == []


@pytest.mark.parametrize("there", [True, False])
def test_extensions_are_asked_for_once(fake, driver, there):
    """Whether it is there or not, an extension is asked for by the first call only."""
    fake.answers = [Answer() if there else Answer(404, NO_PAGE.format("qos"))]
    assert [driver.qos_enabled(), driver.qos_enabled()] == [there, there]
    assert fake.asked() == ["GET /v2.0/extensions/qos"]


def test_a_page_that_is_missing_is_no_missing_extension(fake, driver):
    """A 404 of something before Neutron is an error, and is not remembered."""
    fake.answers = [Answer(404, NO_PAGE.format("route")), Answer()]
    with pytest.raises(exceptions.NetworkException):
        driver.qos_enabled()
    assert driver.qos_enabled()


def test_security_groups_are_not_given_up_for_a_missing_page(fake, driver):
    """A cloud has no security groups only if Neutron itself says so."""
    fake.answers = [Answer(404, NO_PAGE.format("route")), Answer()]
    with pytest.raises(exceptions.NetworkException) as caught:
        driver.get_security_group("lb-x")
    assert caught.value.orig_code == 404
    groups, extension = fake.asked()
    assert groups == "GET /v2.0/security-groups"
    assert extension == "GET /v2.0/extensions/security-group"


@pytest.mark.parametrize("status", [403, 404])
def test_availability_that_is_forbidden_says_what_is_missing(fake, driver, status):
    """Neutron hides what its policy forbids; the error names the role."""
    fake.answers = [neutron_error(status, "HTTPNotFound", "not found")]
    with pytest.raises(exceptions.NetworkException, match="the role service") as caught:
        driver.get_network_ip_availability(Network(id="x"))
    assert type(caught.value) is exceptions.NetworkException
