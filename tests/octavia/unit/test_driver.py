# SPDX-License-Identifier: Apache-2.0
"""Octavia's network driver, over a bus, on a sandbox."""

from __future__ import annotations

import inspect

import pytest
from octavia.common.data_models import Vip
from octavia.network import base, data_models
from octavia.network.drivers.neutron.allowed_address_pairs import (
    AllowedAddressPairsDriver,
)

from networker.octavia.driver import NetworkerDriver
from networker.rpc import contract
from tests.octavia.unit.objects import amphora, new

INTERFACE = {
    name: method
    for name, method in vars(base.AbstractNetworkDriver).items()
    if inspect.isfunction(method)
}


@pytest.mark.parametrize("name", INTERFACE)
def test_callers_may_name_what_octavia_names(name):
    """Parameters have Octavia's names and order, and its defaults where it has them."""
    ours, theirs = (
        inspect.signature(method).parameters
        for method in (getattr(NetworkerDriver, name), INTERFACE[name])
    )
    assert list(ours) == list(theirs)
    defaults = {n: p.default for n, p in theirs.items() if p.default is not p.empty}
    assert {n: ours[n].default for n in defaults} == defaults


def test_it_has_all_that_callers_ask_for():
    """All that Octavia has of networker's interface, and what it calls beyond its own."""
    assert not NetworkerDriver.__abstractmethods__
    octavias = {n for n, m in contract.methods().items() if m.operation.since < "1.2"}
    assert octavias | {"admin_down_port"} <= set(dir(NetworkerDriver))
    for name in ("apply_qos_on_port", "get_qos_policy"):
        ours, theirs = (
            inspect.signature(getattr(driver, name)).parameters
            for driver in (NetworkerDriver, AllowedAddressPairsDriver)
        )
        assert list(ours)[: len(theirs)] == list(theirs)


def test_a_load_balancer_is_created(driver, sandbox, balancer, plugged):
    """VIP, group and VRRP ports are there, and Octavia has their ids and addresses."""
    vip_port = driver.get_port(plugged.vip.port_id)
    assert vip_port.device_id == f"lb-{plugged.id}"
    assert vip_port.project_id == plugged.project_id
    assert plugged.vip.octavia_owned is True
    (other,) = plugged.additional_vips
    addresses = [plugged.vip.ip_address, other.ip_address]
    assert [ip.ip_address for ip in vip_port.fixed_ips] == addresses
    for one in plugged.amphorae:
        (port,) = sandbox.backdoor.ports(id=one.vrrp_port_id)
        assert port.device_id == one.compute_id
        assert port.get_subnet_id(one.vrrp_ip) == balancer.subnets["vip-subnet"]
        assert sorted(port.allowed_addresses) == sorted(addresses)
        assert [one.ha_ip, one.ha_port_id] == [addresses[0], vip_port.id]
    ports = {rule.port for rule in sandbox_rules(sandbox, plugged)}
    assert {80, 443, 1104, 1467} <= ports


def sandbox_rules(sandbox, lb):
    """Return the rules of a load balancer's group."""
    return sandbox.backdoor.security_groups()[f"lb-{lb.id}"].rules


def test_amphorae_are_told_of_their_networks(driver, plugged):
    """The configurations lead to the caller's amphorae, and have what templates need."""
    configs = driver.get_network_configs(plugged)
    assert [configs[one.id].amphora for one in plugged.amphorae] == plugged.amphorae
    for one in plugged.amphorae:
        config = configs[one.id]
        assert config.amphora is one
        assert config.amphora.load_balancer is plugged
        assert config.vrrp_port.network.mtu == 1500
        assert config.vrrp_port.mac_address
        assert config.vip_subnet.cidr == "10.20.0.0/20"
        assert config.ha_port.id == plugged.vip.port_id
        (data,) = config.additional_vip_data
        assert type(data) is data_models.AdditionalVipData
        assert data.subnet.ip_version == 6
    stranger = amphora(plugged, new(), "10.90.0.99")
    vars(stranger).update(vars(plugged.amphorae[0]))
    (config,) = driver.get_network_configs(plugged, amphora=stranger).values()
    assert config.amphora is stranger


def test_a_load_balancer_is_deleted(driver, sandbox, plugged):
    """Nothing of it is left, also of an amphora that Octavia no longer counts."""
    plugged.amphorae[1].status = "ERROR"
    driver.update_vip(plugged, for_delete=True)
    driver.unplug_vip(plugged, plugged.vip)
    driver.deallocate_vip(plugged.vip)
    assert sandbox.backdoor.ports(device_owner="Octavia") == []
    assert [
        p for p in sandbox.backdoor.ports() if (p.name or "").startswith("octavia")
    ] == []
    assert f"lb-{plugged.id}" not in sandbox.backdoor.security_groups()


def test_a_failover_makes_the_vips_port_anew(driver, sandbox, plugged):
    """A VIP whose port is gone gets another with the same address, whoever made it."""
    for owned in (True, False):
        plugged.vip.octavia_owned = owned
        before = plugged.vip
        sandbox.backdoor.delete_port(before.port_id)
        vip, _ = driver.allocate_vip(plugged)
        assert vip.ip_address == before.ip_address
        assert driver.get_port(vip.port_id).device_id == f"lb-{plugged.id}"
        plugged.vip = vip


def test_a_member_network_is_plugged(driver, sandbox, balancer):
    """The steps of Octavia's delta: a port made, attached, filled in, and taken away."""
    one = balancer.lb.amphorae[0]
    network, subnet = (
        balancer.networks["member-net-1"],
        balancer.subnets["member-subnet-1"],
    )
    name = f"octavia-lb-member-{one.id}"
    port = driver.create_port(network, name=name, fixed_ips=[{"subnet_id": subnet}])
    assert (
        driver.create_port(network, name=name, fixed_ips=[{"subnet_id": subnet}])
        == port
    )
    assert driver.plug_port(one, port).port_id == port.id
    port.network = driver.get_network(port.network_id)
    port.fixed_ips[0].subnet = driver.get_subnet(port.fixed_ips[0].subnet_id)
    assert port.to_dict(recurse=True)["fixed_ips"][0]["subnet"]["id"] == subnet
    other = balancer.subnets["member-subnet-1b"]
    grown = driver.plug_fixed_ip(port_id=port.id, subnet_id=other)
    assert {ip.subnet_id for ip in grown.fixed_ips} == {subnet, other}
    shrunk = driver.unplug_fixed_ip(port_id=port.id, subnet_id=other)
    assert [ip.subnet_id for ip in shrunk.fixed_ips] == [subnet]
    plugged = driver.get_plugged_networks(one.compute_id)
    assert port.id in [interface.port_id for interface in plugged]
    driver.unplug_network(one.compute_id, network)
    driver.delete_port(port.id)
    assert sandbox.backdoor.ports(network_id=network) == []


def test_the_older_methods_work(driver, sandbox, balancer):
    """plug_vip and plug_network are there for who still calls them."""
    lb = balancer.lb
    balancer.take(*driver.allocate_vip(lb))
    amphorae = driver.plug_vip(lb, lb.vip)
    assert [one.id for one in amphorae] == [one.id for one in lb.amphorae]
    network = balancer.networks["member-net-2"]
    made = driver.plug_network(lb.amphorae[0].compute_id, network)
    assert type(made) is data_models.Interface
    assert sandbox.backdoor.ports(id=made.port_id, network_id=network) != []


def test_ports_are_switched_and_shaped(driver, sandbox, plugged):
    """A port is set down under either name, and gets a QoS policy and loses it."""
    port_id = plugged.amphorae[0].vrrp_port_id
    driver.set_port_admin_state_up(port_id, True)
    driver.admin_down_port(port_id)
    assert driver.get_port(port_id).admin_state_up is False
    (policy,) = sandbox.backdoor.tables()["qos_policies"]
    assert driver.qos_enabled() is True
    assert driver.get_qos_policy(policy["id"]).id == policy["id"]
    for wanted in (policy["id"], None):
        driver.apply_qos_on_port(wanted, port_id)
        assert driver.get_port(port_id).qos_policy_id == wanted


def test_half_an_amphora_is_no_error(driver, sandbox, plugged):
    """What was never plugged is left alone, and the rest is unplugged."""
    half = amphora(plugged, None, None)
    plugged.amphorae.insert(0, half)
    subnet = driver.get_subnet(plugged.vip.subnet_id)
    driver.update_aap_port_sg(plugged, half, plugged.vip)
    driver.unplug_aap_port(plugged.vip, half, subnet)
    driver.unplug_aap_port(plugged.vip, half, data_models.Subnet())
    driver.unplug_network("server", None)
    with pytest.raises(base.NetworkNotFound):
        driver.unplug_network(None, subnet.network_id)
    driver.unplug_vip(plugged, plugged.vip)
    driver.deallocate_vip(plugged.vip)
    assert [
        p for p in sandbox.backdoor.ports() if (p.name or "").startswith("octavia")
    ] == []


def test_ports_on_member_networks_go_with_the_vip(driver, sandbox, plugged, balancer):
    """What a pool's deletion leaves on an amphora does not outlive its load balancer."""
    one = plugged.amphorae[0]
    name = f"octavia-lb-member-{one.id}"
    for network in ("member-net-1", "member-net-2"):
        port = driver.create_port(balancer.networks[network], name=name)
    driver.plug_port(one, port)
    driver.unplug_vip(plugged, plugged.vip)
    driver.deallocate_vip(plugged.vip)
    assert [p for p in sandbox.backdoor.ports() if p.name == name] == []


def test_a_group_that_is_missing_is_not_set(driver, balancer):
    """An amphora's port is left as it is while the VIP has no group, as Octavia does."""
    lb = balancer.lb
    lb.amphorae[0].vrrp_port_id = driver.create_port(balancer.networks["vip-net"]).id
    balancer.take(*driver.allocate_vip(lb))
    driver.update_aap_port_sg(lb, lb.amphorae[0], lb.vip)
    driver.update_vip(lb, for_delete=True)
    with pytest.raises(Exception, match=f"missing for load balancer: {lb.id}"):
        driver.update_vip(lb)


def test_a_revert_knows_the_vip_only(driver, sandbox, balancer):
    """A VIP rebuilt from what a task stored is deallocated without its load balancer."""
    vip, _ = driver.allocate_vip(balancer.lb)
    driver.deallocate_vip(Vip(**vip.to_dict()))
    assert sandbox.backdoor.ports(device_owner="Octavia") == []


def test_no_port_is_no_port(driver):
    """An id that Octavia does not have is refused as by Octavia's own driver."""
    with pytest.raises(Exception, match="port_id must not be empty") as refused:
        driver.delete_port(None)
    assert type(refused.value).__name__ == "NetworkServiceError"
    with pytest.raises(base.NetworkException):
        driver.get_subnet(None)


def test_a_taken_address_is_the_clouds_word(driver, sandbox, balancer):
    """The API learns that the address is taken, and what the cloud says of it."""
    backdoor, lb = sandbox.backdoor, balancer.lb
    lb.vip.ip_address = "10.20.0.77"
    backdoor.create_port(lb.vip.network_id, ip_address="10.20.0.77")
    with pytest.raises(base.VIPInUseException) as refused:
        driver.allocate_vip(lb)
    assert refused.value.orig_code == 409
    assert "10.20.0.77" in refused.value.orig_msg
