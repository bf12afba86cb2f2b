# SPDX-License-Identifier: Apache-2.0
"""The neutron driver's plug_vip where another project or a failure is involved."""

from __future__ import annotations

import pytest

from networker import exceptions
from networker.drivers import naming
from networker.drivers.neutron.driver import NeutronDriver
from networker.testing import kit
from tests.contract.worlds import CloudWorld
from tests.fakecloud import FakeCloud


@pytest.fixture
def cloud(tmp_path, monkeypatch):
    """Run a cloud of this test's own, named by clouds.yaml."""
    with FakeCloud() as running:
        running.write_clouds(tmp_path / "clouds.yaml")
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
        yield running


@pytest.fixture
def driver(cloud, tmp_path):
    """Make a driver for that cloud."""
    conf = kit.configuration(tmp_path / "unused.sqlite")
    made = NeutronDriver(conf)
    conf.set_override("cloud", "fake", "neutron")
    conf.set_override("poll_interval", 0.05, "neutron")
    yield made
    made.close()


def test_groups_of_the_users_project(driver, cloud):
    """A user's group can be set although the VRRP port is the service's."""
    world = CloudWorld("fake")
    own = cloud.make_group("users", world.project_id)
    lb = world.load_balancer(amphorae=1)
    vip = driver.allocate_vip(lb)
    vip.sg_ids = [own]
    (amphora,) = driver.plug_vip(lb, vip)
    for port_id in (amphora.vrrp_port_id, vip.port_id):
        (port,) = world.ports(id=port_id)
        assert own in port.security_group_ids


@pytest.mark.parametrize("status", [400, 409, 500])
def test_one_attach_of_two_fails(driver, cloud, status):
    """Whatever Nova says, nothing is left, and its words reach the caller."""
    world = CloudWorld("fake")
    lb = world.load_balancer()
    vip = driver.allocate_vip(lb)
    second = lb.amphorae[1].compute_id
    body = {"computeFault": {"message": "no room", "code": status}}
    path = f"/servers/{second}/os-interface"
    cloud.fail("compute", "POST", path, times=1, status=status, body=body)
    with pytest.raises(exceptions.PlugVIPException) as caught:
        driver.plug_vip(lb, vip)
    assert caught.value.orig_code == status
    assert "no room" in str(caught.value.orig_msg)
    for amphora in lb.amphorae:
        assert world.ports(name=naming.vrrp_port(amphora.id or "")) == []
    assert world.group_ids(naming.vip_device(lb.id or "")) == []


def test_busy_clouds_are_asked_again(driver, cloud):
    """After 429 and 503 the request is repeated, and the call succeeds."""
    world = CloudWorld("fake")
    lb = world.load_balancer(amphorae=1)
    cloud.fail("network", "POST", "/ports", times=1, status=429, retry_after="0")
    vip = driver.allocate_vip(lb)
    cloud.fail("network", "GET", "/security-groups", times=2, status=503)
    (amphora,) = driver.plug_vip(lb, vip)
    (port,) = world.ports(device_id=amphora.compute_id, network_id=vip.network_id)
    assert port.id == amphora.vrrp_port_id


def test_a_lost_answer_makes_no_second_port(driver, cloud):
    """A port whose creation was not confirmed is found by the next attempt."""
    world = CloudWorld("fake")
    lb = world.load_balancer()
    cloud.fail("network", "POST", "/ports", times=1, drop="after")
    vip = driver.allocate_vip(lb)
    (port,) = world.ports(name=naming.vip_port(lb.id or ""))
    assert port.id == vip.port_id


@pytest.mark.parametrize("drop", ["before", "after"])
@pytest.mark.parametrize(
    ("service", "method", "path"),
    [
        ("network", "POST", "/security-groups$"),
        ("network", "POST", "/security-group-rules"),
        ("network", "POST", "/ports"),
        ("network", "PUT", "/ports/"),
        ("compute", "POST", "/os-interface"),
    ],
)
def test_connections_that_break(driver, cloud, service, method, path, drop):
    """A connection that is closed without an answer costs a repetition, no more."""
    world = CloudWorld("fake")
    lb = world.load_balancer()
    vip = driver.allocate_vip(lb)
    cloud.fail(service, method, path, times=1, drop=drop)
    amphorae = driver.plug_vip(lb, vip)
    assert amphorae == driver.plug_vip(lb, vip)
    assert len(world.group_ids(naming.vip_device(lb.id or ""))) == 1
    for amphora in amphorae:
        assert len(world.ports(name=naming.vrrp_port(amphora.id or ""))) == 1
    driver.unplug_vip(lb, vip)
    driver.deallocate_vip(vip)
    assert world.leftovers() == []


def test_quota_is_told_from_other_conflicts(driver, cloud):
    """A used-up quota is QuotaExceeded, in Neutron's words."""
    world = CloudWorld("fake")
    cloud.quotas["port"] = 0
    with pytest.raises(exceptions.QuotaExceeded) as caught:
        driver.allocate_vip(world.load_balancer())
    assert caught.value.orig_code == 409
    assert isinstance(caught.value, exceptions.AllocateVIPException)
