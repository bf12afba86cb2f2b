# SPDX-License-Identifier: Apache-2.0
"""One amphora at a time in the sandbox, where the contract does not look."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from networker import exceptions
from networker.drivers import naming
from networker.drivers.sandbox.driver import SandboxDriver
from networker.drivers.sandbox.topology import identify
from networker.models import VIP, AdditionalVIP, FixedIP, LoadBalancer, Port, Subnet
from tests.unit.test_sandbox import MEMBER_NET, SERVERS, VIP_NET, balancer, new_driver

SUBNET4, SUBNET6 = identify("subnet", "vip-subnet"), identify("subnet", "vip-subnet6")
PLACE = Subnet(id=SUBNET4, network_id=VIP_NET)


@pytest.fixture(name="driver")
def _driver(tmp_path: Path) -> SandboxDriver:
    return new_driver(tmp_path)


@pytest.fixture(name="lb")
def _lb(driver: SandboxDriver) -> LoadBalancer:
    """Return a load balancer whose VIP has its group."""
    lb = balancer("lb", SERVERS[0], SERVERS[1])
    lb.vip = VIP(subnet_id=SUBNET4, additional=[AdditionalVIP(subnet_id=SUBNET6)])
    lb.vip = driver.allocate_vip(lb)
    driver.update_vip_sg(lb, lb.vip)
    return lb


def vip_of(lb: LoadBalancer) -> VIP:
    """Return the VIP, which is there."""
    assert lb.vip is not None
    return lb.vip


def test_one_at_a_time_is_what_all_at_once_is(
    driver: SandboxDriver, lb: LoadBalancer
) -> None:
    """Either way finds what the other made."""
    vip = vip_of(lb)
    one = [driver.plug_aap_port(lb, vip, amphora, PLACE) for amphora in lb.amphorae]
    before = driver.backdoor.tables()
    assert driver.plug_vip(lb, vip) == one
    assert driver.backdoor.tables() == before
    for amphora in one:
        driver.unplug_aap_port(vip, amphora, PLACE)
    driver.unplug_vip(lb, vip)
    assert [p.id for p in driver.backdoor.ports(network_id=VIP_NET)] == [vip.port_id]


def test_a_vrrp_port_made_as_octavia_does_is_used(
    driver: SandboxDriver, lb: LoadBalancer
) -> None:
    """It is found by its name, given to the server, and removed; never doubled."""
    vip, amphora = vip_of(lb), lb.amphorae[0]
    name = naming.vrrp_port(amphora.id or "")
    made = driver.create_port(VIP_NET, name, [FixedIP(subnet_id=SUBNET4)])
    plugged = driver.plug_aap_port(lb, vip, amphora, PLACE)
    assert plugged.vrrp_port_id == made.id
    port = driver.get_port(made.id or "")
    assert port.device_id == SERVERS[0]
    assert port.allowed_addresses == [vip.ip_address, vip.additional[0].ip_address]
    driver.unplug_aap_port(vip, amphora, PLACE)
    assert driver.backdoor.ports(name=name) == []


def test_a_strangers_vrrp_port_is_not_used(
    driver: SandboxDriver, lb: LoadBalancer
) -> None:
    """A name alone does not make a port of another project ours to plug or to delete."""
    amphora = lb.amphorae[0]
    name = naming.vrrp_port(amphora.id or "")
    theirs = driver.backdoor.create_port(VIP_NET, name=name)
    plugged = driver.plug_aap_port(lb, vip_of(lb), amphora, PLACE)
    assert plugged.vrrp_port_id != theirs.id
    driver.unplug_aap_port(vip_of(lb), amphora, PLACE)
    assert [port.id for port in driver.backdoor.ports(name=name)] == [theirs.id]
    assert driver.get_port(theirs.id or "") == theirs


def test_a_reused_port_loses_the_vip_only(
    driver: SandboxDriver, lb: LoadBalancer
) -> None:
    """Even where the VIP does not say whose it is, and its port tells."""
    member = driver.plug_network(SERVERS[0], VIP_NET)
    before = driver.get_port(member.port_id or "")
    vip = vip_of(lb)
    plugged = driver.plug_aap_port(lb, vip, lb.amphorae[0], PLACE)
    assert plugged.vrrp_port_id == member.port_id
    unnamed = msgspec.structs.replace(vip, load_balancer_id=None)
    driver.unplug_aap_port(unnamed, plugged, PLACE)
    assert driver.get_port(member.port_id or "") == before


def test_without_a_group_nothing_is_plugged(driver: SandboxDriver) -> None:
    """The VIP's group comes first; deleting a listener can do without."""
    lb = balancer("lb", SERVERS[0])
    vip = lb.vip = driver.allocate_vip(lb)
    before = driver.backdoor.tables()
    with pytest.raises(exceptions.MissingVIPSecurityGroup) as caught:
        driver.plug_aap_port(lb, vip, lb.amphorae[0], PLACE)
    assert caught.value.load_balancer_id == "lb"
    with pytest.raises(exceptions.MissingVIPSecurityGroup):
        driver.update_vip(lb)
    driver.update_vip(lb, for_delete=True)
    assert driver.backdoor.tables() == before


def test_a_subnet_that_is_elsewhere_is_refused(
    driver: SandboxDriver, lb: LoadBalancer
) -> None:
    """Subnet and network have to fit each other."""
    before = driver.backdoor.tables()
    for subnet, kind in (
        (Subnet(id=SUBNET4, network_id=MEMBER_NET), exceptions.PlugVIPException),
        (Subnet(id="nowhere", network_id=VIP_NET), exceptions.SubnetNotFound),
    ):
        with pytest.raises(kind):
            driver.plug_aap_port(lb, vip_of(lb), lb.amphorae[0], subnet)
    assert driver.backdoor.tables() == before


def test_what_amphorae_have_to_know(driver: SandboxDriver, lb: LoadBalancer) -> None:
    """Ports with their networks, and subnets; those that are deleted are left out."""
    vip = vip_of(lb)
    lb.amphorae = driver.plug_vip(lb, vip)
    first, second = lb.amphorae
    second.status = "DELETED"
    assert list(driver.get_network_configs(lb)) == [first.id]
    config = driver.get_network_configs(lb, first)[first.id or ""]
    net, port = driver.get_network(VIP_NET), driver.get_port(first.vrrp_port_id or "")

    def on_network(port: Port) -> Port:
        return msgspec.structs.replace(port, network=net)

    assert config.amphora == first
    assert config.vrrp_port == on_network(port)
    assert config.vip_port == on_network(driver.get_port(vip.port_id or ""))
    assert config.ha_port == config.vip_port
    subnet = driver.get_subnet(SUBNET4)
    assert (config.vip_subnet, config.vrrp_subnet, config.ha_subnet) == (subnet,) * 3
    (more,) = config.additional_vip_data
    assert more.ip_address == vip.additional[0].ip_address
    assert more.subnet == driver.get_subnet(SUBNET6)


def test_an_amphora_without_its_port(driver: SandboxDriver, lb: LoadBalancer) -> None:
    """It is left out, unless it is the one that was asked for."""
    lb.amphorae = driver.plug_vip(lb, vip_of(lb))
    first, second = lb.amphorae
    driver.delete_port(first.vrrp_port_id or "")
    assert list(driver.get_network_configs(lb)) == [second.id]
    with pytest.raises(exceptions.PortNotFound, match=first.vrrp_port_id):
        driver.get_network_configs(lb, first)


def test_a_deleted_amphora_has_no_groups_to_set(
    driver: SandboxDriver, lb: LoadBalancer
) -> None:
    """Its port is gone, which is an error for any other amphora."""
    (amphora, _) = driver.plug_vip(lb, vip_of(lb))
    driver.delete_port(amphora.vrrp_port_id or "")
    with pytest.raises(exceptions.PortNotFound, match=amphora.vrrp_port_id):
        driver.update_aap_port_sg(lb, amphora, vip_of(lb))
    amphora.status = "DELETED"
    driver.update_aap_port_sg(lb, amphora, vip_of(lb))
