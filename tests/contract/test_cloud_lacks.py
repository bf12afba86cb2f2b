# SPDX-License-Identifier: Apache-2.0
"""What only a fake cloud can show: what the neutron driver asks, and does without."""

from __future__ import annotations

import copy

import pytest

from networker import exceptions
from networker.drivers import naming
from networker.models import Listener
from networker.testing.contract.steps import NOWHERE, plug, plug_one, secure, subnet_of
from networker.testing.contract.world import MEMBER, new_id


@pytest.fixture(scope="module")
def setting(refusing):
    """The driver under test and the world, for the fixtures of the suite."""
    return refusing.driver, refusing.world


def asked(made, *methods):
    """Return methods and paths of what was asked, of some methods only."""
    return [f"{r.method} {r.path}" for r in made if r.method in (methods or [r.method])]


def test_without_security_groups_everything_else_works(cloud, network, world, balancer):
    """On a cloud without the extension the VIP is plugged, and groups are nothing."""
    cloud.missing.add("security-group")
    lb = balancer()
    assert network.sec_grp_enabled() is False
    lb.vip = vip = network.allocate_vip(lb)
    assert network.update_vip_sg(lb, vip) is None
    assert network.get_security_group(naming.vip_device(lb.id)) is None
    network.update_vip(lb)
    network.update_vip(lb, for_delete=True)
    plugged = plug_one(network, lb)
    network.update_aap_port_sg(lb, plugged, vip)
    assert network.plug_vip(lb, vip)[0] == plugged
    assert world.port(plugged.vrrp_port_id).allowed_addresses == [vip.ip_address]
    assert set(network.get_network_configs(lb, amphora=plugged)) == {plugged.id}
    member = network.create_port(world.member_network_ids[0], MEMBER + new_id())
    network.delete_port(member.id)
    network.unplug_vip(lb, vip)
    network.deallocate_vip(vip)
    assert world.ports(name=naming.vip_port(lb.id)) == []
    cloud.missing.clear()


def test_without_qos_nothing_else_is_missing(cloud, network, world, balancer):
    """On a cloud without QoS policies a policy is refused, and nothing else is (16)."""
    cloud.missing.add("qos")
    assert network.qos_enabled() is False
    lb = balancer(amphorae=1)
    vip = secure(network, lb)
    plugged = plug_one(network, lb)
    with pytest.raises(exceptions.NetworkException):
        network.get_qos_policy(NOWHERE)
    with pytest.raises(exceptions.NetworkException):
        network.apply_qos_on_port(NOWHERE, plugged.vrrp_port_id)
    assert network.get_port(vip.port_id).qos_policy_id is None
    port = network.create_port(vip.network_id, MEMBER + new_id())
    assert port.qos_policy_id is None
    network.delete_port(port.id)


def test_dns_name_is_cleared(cloud, network, world, balancer):
    """A port that is released has no name by which another server could not have it."""
    lb = balancer(amphorae=1)
    vip = plug(network, lb)
    (amphora,) = lb.amphorae

    def dns_name():
        return cloud.save().ports[amphora.vrrp_port_id]["dns_name"]

    assert dns_name() == "amphora-0"
    network.failover_preparation(amphora)
    assert dns_name() == ""
    network.unplug_vip(lb, vip)


def test_without_dns_nothing_is_cleared(cloud, network, world, balancer):
    """On a cloud whose ports have no DNS name they are released all the same."""
    cloud.missing.add("dns-integration")
    lb = balancer(amphorae=1)
    vip = plug(network, lb)
    network.failover_preparation(lb.amphorae[0])
    assert world.port(lb.amphorae[0].vrrp_port_id).device_id == ""
    network.unplug_vip(lb, vip)


def test_rules_are_one_request_before_any_is_deleted(cloud, network, world, balancer):
    """However many rules change, all new ones are made at once, and first."""
    lb = balancer(amphorae=0, topology="SINGLE")
    secure(network, lb)
    lb.listeners = [
        Listener(id=new_id(), protocol="TCP", protocol_port=port, peer_port=port + 1)
        for port in range(8000, 8040, 2)
    ]
    with cloud.recording() as made:
        network.update_vip(lb)
    changes = asked(made, "POST", "DELETE", "PUT")
    removals = ["DELETE /security-group-rules/{id}"] * 3
    assert changes == ["POST /security-group-rules", *removals]
    assert len(world.rules(naming.vip_device(lb.id))) == 40
    with cloud.recording() as again:
        network.update_vip(lb)
    assert asked(again, "POST", "DELETE") == []


def test_configs_are_one_wave_however_many_amphorae(cloud, network, world, balancer):
    """Ports, subnets and networks are a request each, also with two families."""
    lb = balancer(amphorae=3, dual=True)
    plug(network, lb)
    with cloud.recording() as made:
        configs = network.get_network_configs(lb)
    assert len(configs) == 3
    assert sorted(asked(made)) == ["GET /networks", "GET /ports", "GET /subnets"]


def test_nothing_is_asked_of_everybody(cloud, network, world, balancer):
    """In the whole life of a load balancer no list goes without a filter."""
    lb = balancer(dual=True)
    server, network_id = lb.amphorae[0].compute_id, world.member_network_ids[0]
    with cloud.recording() as made:
        vip = plug(network, lb)
        network.plug_network(server, network_id)
        network.get_plugged_networks(server)
        network.update_vip(lb)
        network.update_vip_sg(lb, vip)
        network.plug_vip(lb, vip)
        network.get_network_configs(lb)
        network.failover_preparation(lb.amphorae[0])
        network.unplug_network(server, network_id)
        network.unplug_aap_port(vip, lb.amphorae[0], subnet_of(vip))
        network.unplug_vip(lb, vip)
        network.deallocate_vip(vip)
    lists = [r for r in made if r.method == "GET" and not r.path.endswith("{id}")]
    assert len(lists) > 10
    assert [r.path for r in lists if not r.filters] == []


def test_user_token_is_used_for_that_read_only(cloud, network, world):
    """With a token that is not valid the service's own is neither lost nor asked for."""
    user = copy.copy(world.user_context())
    user.auth_token = "expired"
    with cloud.recording() as made:
        with pytest.raises(exceptions.NetworkException):
            network.get_network(world.vip_network_id, context=user)
        network.get_network(world.vip_network_id)
    assert [(r.service, r.status) for r in made] == [("network", 401), ("network", 200)]
