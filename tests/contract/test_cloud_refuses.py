# SPDX-License-Identifier: Apache-2.0
"""What only a cloud that refuses can show: the neutron driver on a fake one."""

from __future__ import annotations

import pytest

from networker import exceptions
from networker.drivers import naming
from networker.drivers.rules import Rule
from networker.models import Amphora, FixedIP, Listener
from networker.testing.contract.steps import (
    NOWHERE,
    V4_RULES,
    plug,
    plug_one,
    secure,
    subnet_of,
)
from networker.testing.contract.world import MEMBER, at_once, new_id

NAME = "[0-9a-f-]{36}"


@pytest.fixture(scope="module")
def setting(refusing):
    """The driver under test and the world, for the fixtures of the suite."""
    return refusing.driver, refusing.world


def test_vrrp_port_is_not_leaked_when_nova_fails(cloud, network, world, balancer):
    """Whatever Nova answers to the attach, the port that was made for it is gone (1)."""
    lb = balancer(amphorae=1)
    vip, amphora = secure(network, lb), lb.amphorae[0]
    for status in (400, 403, 409, 500):
        cloud.fail("compute", "POST", "/os-interface$", status=status)
        with pytest.raises(exceptions.PlugVIPException) as caught:
            network.plug_aap_port(lb, vip, amphora, subnet_of(vip))
        assert caught.value.orig_code == status
        assert world.ports(name=naming.vrrp_port(amphora.id)) == []
        assert world.ports(device_id=amphora.compute_id)[1:] == []


def test_member_port_stays_free_when_nova_fails(cloud, network, world, clean):
    """A port that could not be attached is the controller's to delete, and unbound."""
    port = network.create_port(world.member_network_ids[0], MEMBER + new_id())
    amphora = Amphora(compute_id=world.servers[0].compute_id)
    cloud.fail("compute", "POST", "/os-interface$", status=500)
    with pytest.raises(exceptions.PlugNetworkException) as caught:
        network.plug_port(amphora, port)
    assert caught.value.orig_code == 500
    assert world.port(port.id).device_id == ""
    network.delete_port(port.id)


def test_quota_is_not_reported_as_address_in_use(cloud, network, world, balancer):
    """A used-up quota is QuotaExceeded, in Neutron's words, wherever ports are made (8)."""
    lb, busy = balancer(), balancer(amphorae=1)
    vip = secure(network, busy)
    cloud.quotas["port"] = 0
    server = world.servers[0].compute_id
    for call, failure in (
        (lambda: network.allocate_vip(lb), exceptions.AllocateVIPException),
        (lambda: plug_one(network, busy), exceptions.PlugVIPException),
        (lambda: network.plug_vip(busy, vip), exceptions.PlugVIPException),
        (
            lambda: network.create_port(vip.network_id, MEMBER + new_id()),
            exceptions.CreatePortException,
        ),
        (
            lambda: network.plug_network(server, vip.network_id),
            exceptions.PlugNetworkException,
        ),
    ):
        with pytest.raises(exceptions.QuotaExceeded, match="port") as caught:
            call()
        assert isinstance(caught.value, failure)
        assert not isinstance(caught.value, exceptions.AddressInUse)
        assert caught.value.orig_code == 409


@pytest.mark.parametrize("kind", ["security_group", "security_group_rule"])
def test_group_without_quota_is_not_left_half_made(
    cloud, network, world, balancer, kind
):
    """A quota of groups or rules is said by its name, and no group is left."""
    lb = balancer()
    lb.vip = vip = network.allocate_vip(lb)
    before = world.port(vip.port_id)
    cloud.quotas[kind] = 0
    with pytest.raises(exceptions.QuotaExceeded, match=kind):
        network.update_vip_sg(lb, vip)
    assert world.group_ids(naming.vip_device(lb.id)) == []
    assert world.port(vip.port_id) == before


@pytest.mark.parametrize("method", ["update_vip_sg", "plug_vip"])
def test_a_projects_default_rules_are_nobodys(cloud, network, world, balancer, method):
    """A group that Neutron began with rules of its own is undone, and filled, as any."""
    for port in (22, 80):
        rule = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp"}
        ports = {"port_range_min": port, "port_range_max": port}
        cloud.default_rules.append(rule | ports)
    lb = balancer()
    lb.vip = vip = network.allocate_vip(lb)
    before = world.port(vip.port_id)
    path, group = "/security-group-rules$", naming.vip_device(lb.id)
    cloud.fail("network", "POST", path, status=403)
    with pytest.raises(exceptions.PlugVIPException):
        getattr(network, method)(lb, vip)
    assert world.group_ids(group) == []
    assert world.port(vip.port_id) == before
    getattr(network, method)(lb, vip)
    assert world.rules(group) == V4_RULES
    network.unplug_vip(lb, vip)


def test_group_that_is_in_use_for_a_moment_is_deleted(cloud, network, world, balancer):
    """Neutron forgets a deleted port a moment late: the group is tried again (9)."""
    lb = balancer(amphorae=1)
    vip = plug(network, lb)
    cloud.fail("network", "DELETE", f"/security-groups/{NAME}$", times=2, status=409)
    network.deallocate_vip(vip)
    assert world.leftovers() == []


def test_detach_that_does_not_end_is_said_to(cloud, network, world, balancer):
    """A detach that takes longer than there is time for is no success (18)."""
    lb = balancer(amphorae=1)
    vip = secure(network, lb)
    plugged = plug_one(network, lb)
    server, network_id = plugged.compute_id, world.member_network_ids[0]
    network.plug_network(server, network_id)
    cloud.detach_delay = 60.0

    def waits(call, *arguments):
        with pytest.raises(exceptions.TimeoutException) as caught:
            call(*arguments)
        assert isinstance(caught.value, exceptions.UnplugVIPException)
        assert isinstance(caught.value, exceptions.UnplugNetworkException)

    at_once(
        lambda: waits(network.unplug_aap_port, vip, plugged, subnet_of(vip)),
        lambda: waits(network.unplug_network, server, network_id),
    )
    cloud.detach_delay = 0.0
    network.unplug_network(server, network_id)
    network.unplug_aap_port(vip, plugged, subnet_of(vip))
    left = world.ports(device_id=server)
    assert [port.network_id for port in left] == [world.mgmt_network_id]


def test_detach_that_is_refused_is_said_to(cloud, network, world, balancer):
    """What Nova refuses is not taken for done."""
    lb = balancer(amphorae=1)
    vip = secure(network, lb)
    plugged = plug_one(network, lb)
    cloud.fail("compute", "DELETE", "/os-interface/", status=403)
    with pytest.raises(exceptions.UnplugVIPException) as caught:
        network.unplug_aap_port(vip, plugged, subnet_of(vip))
    assert caught.value.orig_code == 403
    assert world.port(plugged.vrrp_port_id) is not None
    network.unplug_aap_port(vip, plugged, subnet_of(vip))
    assert world.port(plugged.vrrp_port_id) is None


def test_busy_cloud_is_asked_again(cloud, network, world, balancer):
    """429 and 503 say when to come back, and then the call is carried out."""
    lb = balancer(amphorae=1)
    for status in (429, 503):
        cloud.fail("network", "POST", "/ports$", status=status, retry_after=0)
        cloud.fail("network", "PUT", "/ports/", status=status, retry_after=0)
    cloud.fail("compute", "POST", "/os-interface$", status=503, retry_after=0)
    vip = plug(network, lb)
    assert world.rules(naming.vip_device(lb.id)) == V4_RULES
    assert len(world.ports(name=naming.vrrp_port(lb.amphorae[0].id))) == 1
    assert vip.port_id


@pytest.mark.parametrize("status", [400, 403, 500])
def test_errors_are_the_interfaces(cloud, network, world, balancer, status):
    """What Neutron says to the first request is an error of the interface, as it is."""
    lb = balancer(amphorae=1)
    vip = secure(network, lb)
    amphora, port_id, subnet = lb.amphorae[0], vip.port_id, subnet_of(vip)
    user = world.user_context()
    calls = {
        "apply_qos_on_port": (None, port_id),
        "create_port": (vip.network_id, MEMBER + new_id()),
        "delete_port": (port_id,),
        "get_network_by_name": ("vip-net",),
        "get_network_configs": (lb,),
        "get_network_ip_availability": (world.small_subnet(),),
        "get_port_by_name": ("x",),
        "get_port_by_net_id_device_id": (vip.network_id, "x"),
        "get_qos_policy": (world.qos_policy_id, user),
        "get_security_group": ("x",),
        "get_security_group_by_id": (NOWHERE, user),
        "get_subnet_by_name": ("vip-subnet",),
        "plug_aap_port": (lb, vip, amphora, subnet),
        "plug_fixed_ip": (port_id, vip.subnet_id, "10.20.9.9"),
        "set_port_admin_state_up": (port_id, True),
        "unplug_aap_port": (vip, amphora, subnet),
        "unplug_fixed_ip": (port_id, vip.subnet_id),
        "update_aap_port_sg": (lb, Amphora(vrrp_port_id=port_id), vip),
        "update_vip_sg": (lb, vip),
    }
    before = cloud.save()
    words = {"NeutronError": {"type": "Teapot", "message": "no coffee", "detail": ""}}
    for method, arguments in calls.items():
        for verb in ("GET", "PUT", "POST", "DELETE"):
            cloud.fail("network", verb, "/", times=99, status=status, body=words)
        with pytest.raises(exceptions.NetworkException, match="no coffee") as caught:
            getattr(network, method)(*arguments)
        cloud.forgive()
        assert caught.value.orig_code == status, method
        assert type(caught.value).__module__ == exceptions.__name__
    assert cloud.save().ports == before.ports


def test_lost_answer_of_create_port_makes_no_second_port(cloud, network, world, clean):
    """A port whose making was not answered is found, with or without a name."""
    network_id = world.member_network_ids[0]
    before = len(world.ports(network_id=network_id))
    for name in (MEMBER + new_id(), None):
        cloud.fail("network", "POST", "/ports$", drop="after")
        port = network.create_port(network_id, name)
        assert len(world.ports(network_id=network_id)) == before + 1
        network.delete_port(port.id)


def test_lost_answer_of_plug_fixed_ip_adds_no_second_address(
    cloud, network, world, clean
):
    """An address whose adding was not answered is not added again."""
    first = [FixedIP(subnet_id=world.member_subnet_ids[0])]
    port = network.create_port(
        world.member_network_ids[0], MEMBER + new_id(), fixed_ips=first
    )
    cloud.fail("network", "PUT", "/ports/", drop="after")
    after = network.plug_fixed_ip(port.id, world.member_subnet_ids[1])
    assert len(after.fixed_ips) == 2
    network.delete_port(port.id)


def test_rule_that_is_made_meanwhile_is_no_error(cloud, network, world, balancer):
    """That a rule exists already fails neither the call nor the other rules (10)."""
    lb = balancer(amphorae=0, topology="SINGLE")
    secure(network, lb)
    group = naming.vip_device(lb.id)
    lb.listeners = [
        Listener(id=new_id(), protocol="TCP", protocol_port=port)
        for port in (8000, 8001)
    ]
    exists = {"type": "SecurityGroupRuleExists", "message": "exists", "detail": ""}
    cloud.fail(
        "network",
        "POST",
        "/security-group-rules$",
        status=409,
        body={"NeutronError": exists},
    )
    network.update_vip(lb)
    expected = {Rule("IPv4", "tcp", port) for port in (8000, 8001)}
    assert world.rules(group) == expected
