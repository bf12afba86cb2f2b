# SPDX-License-Identifier: Apache-2.0
"""Requests to the cloud: repeated, bounded in time, and refused in plain words."""

from __future__ import annotations

import email.utils
import time

import pytest

from networker.context import Context
from networker.drivers.neutron.api import errors
from networker.drivers.neutron.api.requests import TimeLimit
from networker.drivers.neutron.api.session import CloudRefused
from networker.drivers.neutron.driver import NeutronDriver
from networker.drivers.neutron.resources.cloud import Cloud
from networker.exceptions import CloudUnavailable
from tests.unit.fake_cloud import Answer, neutron_error, running

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


@pytest.fixture
def fake():
    """A cloud on loopback."""
    with running() as fake:
        yield fake


@pytest.fixture
def api(fake):
    """Neutron's API of that cloud, with two seconds for each request."""
    Context().update_store()
    cloud = Cloud.configured(fake.conf(request_timeout=2.0))
    yield cloud.network
    cloud.close()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_comes_back_later(fake, api, status):
    """An answer that asks for patience is followed by another request."""
    fake.answers = [Answer(status, "busy"), Answer(body={"port": 1})]
    assert api.get("/ports/x") == {"port": 1}
    assert fake.asked() == ["GET /v2.0/ports/x"] * 2


@pytest.mark.parametrize("spelling", ["seconds", "date"])
def test_waits_as_long_as_it_is_told(fake, api, spelling):
    """Retry-After is honoured, as a number and as a date."""
    date = email.utils.formatdate(time.time() + 1.99, usegmt=True)
    after = "1" if spelling == "seconds" else date
    fake.answers = [Answer(503, headers={"Retry-After": after}), Answer()]
    begin = time.monotonic()
    api.get("/ports/x")
    assert 0.9 < time.monotonic() - begin < 2


def test_does_not_wait_longer_than_there_is_time(fake, api):
    """A Retry-After beyond the time limit fails at once, with what the cloud said."""
    fake.answers = [Answer(429, "slow down", {"Retry-After": "60"})]
    begin = time.monotonic()
    with pytest.raises(CloudUnavailable) as caught:
        api.get("/ports/x")
    assert time.monotonic() - begin < 1
    assert caught.value.orig_code == 429
    assert "slow down" in str(caught.value.orig_msg)


def test_gives_up_when_the_time_is_up(fake, api):
    """A cloud that stays away is CloudUnavailable after the time limit, not before."""
    fake.answers = [Answer(503, "away") for _ in range(50)]
    begin = time.monotonic()
    with pytest.raises(CloudUnavailable, match="away"):
        api.get("/ports/x")
    assert 0.3 < time.monotonic() - begin < 2.5
    assert len(fake.requests) > 2


def test_does_not_pass_the_callers_deadline(fake, api):
    """A cloud that does not answer is given up at the deadline."""
    api.session.connection().network  # noqa: B018 - versions are asked before
    fake.answers = [Answer(delay=1.0)]
    Context(deadline=time.time() + 0.3).update_store()
    begin = time.monotonic()
    with pytest.raises(CloudUnavailable):
        api.get("/ports/x")
    assert time.monotonic() - begin < 0.8


def test_nothing_is_sent_after_the_deadline(fake, api):
    """A request whose deadline has passed does not reach the cloud."""
    Context(deadline=time.time() - 1).update_store()
    with pytest.raises(CloudUnavailable):
        api.delete("/ports/x")
    assert fake.requests == []


def test_the_time_of_a_request_runs_from_its_first_try_on():
    """A process that was stopped before it has all of it, and no more after it."""
    limit = TimeLimit(lambda: 0.05)
    time.sleep(0.1)
    assert limit.left() == pytest.approx(0.05)
    time.sleep(0.1)
    assert limit.left() < 0


def test_repeats_a_request_whose_answer_was_lost(fake, api):
    """A connection that breaks is no answer: the request is made again."""
    fake.answers = [Answer(lost=True), Answer(201, {"port": 1})]
    assert api.post("/ports", {"port": {}}) == {"port": 1}
    assert len(fake.requests) == 2


def test_does_not_repeat_what_is_not_safe_to_repeat(fake, api):
    """Told so, a lost answer is not followed by another request; a refusal is."""
    fake.answers = [Answer(503), Answer(lost=True)]
    with pytest.raises(CloudUnavailable):
        api.post("/security-groups", {}, repeat=False)
    assert len(fake.requests) == 2


def test_passes_the_request_id_on(fake, api):
    """The caller's request id is in the request, so that both logs have it."""
    request_id = "req-7e577e57-0000-4000-8000-000000000000"
    Context(global_request_id=request_id).update_store()
    fake.answers = [Answer()]
    api.get("/ports/x")
    assert fake.requests[0].headers["X-Openstack-Request-Id"] == request_id


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (neutron_error(409, "OverQuota", "quota: x"), "OverQuota", "quota: x"),
        (
            Answer(404, {"itemNotFound": {"code": 404, "message": "no server"}}),
            "itemNotFound",
            "no server",
        ),
        (Answer(401, {"error": {"message": "who?"}}), "error", "who?"),
        (Answer(500, "<html> oops\n</html>"), None, "<html> oops </html>"),
    ],
)
def test_keeps_what_the_cloud_said(fake, api, answer, kind, text):
    """Errors of Neutron, Nova, Keystone and of a proxy keep their text and status."""
    fake.answers = [answer]
    with pytest.raises(errors.Refused) as caught:
        api.get("/x")
    assert (caught.value.kind, caught.value.orig_msg) == (kind, text)
    assert caught.value.orig_code == answer.status


def test_deleting_what_is_gone_is_no_error(fake, api):
    """A 404 to DELETE tells that it was not there."""
    fake.answers = [neutron_error(404, "PortNotFound"), Answer(204, "")]
    assert api.delete("/ports/x") is False
    assert api.delete("/ports/x") is True


def test_check_names_the_service_that_is_wrong(fake):
    """The check at start says in one line what is wrong and in which group."""
    fake.answers = [Answer(body={"networks": []}), Answer(403, {"forbidden": "no\nno"})]
    driver = NeutronDriver(fake.conf())
    with pytest.raises(CloudRefused, match=r"^cloud refused: \[neutron\]: no no$"):
        driver.check()
    assert fake.asked() == ["GET /v2.0/networks", "GET /v2.1/servers"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"auth_type": None}, r"set \[neutron\] cloud, or"),
        ({"auth_type": "password"}, r"\[neutron\].* auth_url"),
        ({"cloud": "nowhere"}, r"\[neutron\] cloud = nowhere: no such cloud"),
    ],
)
def test_check_explains_an_incomplete_configuration(fake, options, text):
    """What is missing in the configuration is named, and nothing is asked."""
    driver = NeutronDriver(fake.conf(**options))
    with pytest.raises(CloudRefused, match=text):
        driver.check()
    assert fake.requests == []
