# SPDX-License-Identifier: Apache-2.0
"""Single ports in the sandbox, where it is stricter or plainer than a cloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from networker import exceptions
from networker.context import Context
from networker.drivers import naming
from networker.drivers.sandbox.driver import SandboxDriver
from networker.drivers.sandbox.topology import identify, project_id
from networker.models import Amphora, FixedIP, Network, Port
from tests.unit.test_sandbox import MEMBER_NET, SERVERS, TINY, VIP_NET, new_driver

SUBNET, SECOND = (identify("subnet", f"member-subnet-{end}") for end in ("1", "1b"))
SUBNET4 = identify("subnet", "vip-subnet")
POLICY = identify("qos policy", "vip-qos")


@pytest.fixture(name="driver")
def _driver(tmp_path: Path) -> SandboxDriver:
    return new_driver(tmp_path)


def test_a_new_port_has_what_was_asked_for(driver: SandboxDriver) -> None:
    """It is the service's, and its MAC address tells what it is for."""
    group = driver.backdoor.create_security_group("web", "service")
    port = driver.create_port(
        MEMBER_NET,
        name="one",
        fixed_ips=[FixedIP(subnet_id=SECOND), FixedIP(ip_address="10.31.0.9")],
        secondary_ips=["10.31.0.77", "FD00::0001"],
        security_group_ids=[group],
        admin_state_up=False,
        qos_policy_id=POLICY,
        vnic_type="direct",
    )
    assert port == Port(
        id=port.id,
        name="one",
        network_id=MEMBER_NET,
        project_id=project_id("service"),
        device_id="",
        device_owner="Octavia",
        status="DOWN",
        mac_address=naming.mac_address("02:6e:77", "port", "one", MEMBER_NET),
        admin_state_up=False,
        fixed_ips=[
            FixedIP(subnet_id=SUBNET, ip_address="10.31.0.9"),
            FixedIP(subnet_id=SECOND, ip_address="10.39.0.2"),
        ],
        allowed_addresses=["10.31.0.77", "fd00::1"],
        security_group_ids=[group],
        qos_policy_id=POLICY,
        vnic_type="direct",
    )
    assert driver.get_port(port.id or "") == port


def test_a_port_without_groups_has_the_default_one(driver: SandboxDriver) -> None:
    """All of the service's ports without groups share it."""
    first = driver.create_port(MEMBER_NET, name="one")
    second = driver.create_port(VIP_NET, name="two")
    group = driver.get_security_group("default")
    assert group is not None
    assert first.security_group_ids == second.security_group_ids == [group.id]


def test_a_name_means_one_port_and_no_name_one_for_each_request(
    driver: SandboxDriver,
) -> None:
    """The same name on another network, and each request without one, is another port."""
    one = driver.create_port(MEMBER_NET, name="one")
    assert driver.create_port(VIP_NET, name="one").id != one.id
    assert driver.create_port(MEMBER_NET).id != driver.create_port(MEMBER_NET).id
    ids = []
    for operation in ("a", "a", "b"):
        with Context(operation_id=operation).entered():
            ids.append(driver.create_port(MEMBER_NET).id)
    assert ids[0] == ids[1] != ids[2]


def test_a_strangers_port_of_that_name_is_not_ours(driver: SandboxDriver) -> None:
    """A name is found again only where this interface gave it."""
    theirs = driver.backdoor.create_port(MEMBER_NET, name="one")
    assert driver.create_port(MEMBER_NET, name="one").id != theirs.id


def test_a_port_that_has_more_addresses_now_is_still_the_one(
    driver: SandboxDriver,
) -> None:
    """The request may come again after the port was given another address."""
    wanted = [FixedIP(subnet_id=SUBNET)]
    port = driver.create_port(MEMBER_NET, name="one", fixed_ips=wanted)
    port = driver.plug_fixed_ip(port.id or "", SECOND)
    assert driver.create_port(MEMBER_NET, name="one", fixed_ips=wanted) == port
    driver.unplug_fixed_ip(port.id or "", SUBNET)
    with pytest.raises(exceptions.CreatePortException, match=port.id):
        driver.create_port(MEMBER_NET, name="one", fixed_ips=wanted)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ({"fixed_ips": [FixedIP()]}, 400, "neither a subnet_id nor an ip_address"),
        ({"fixed_ips": [FixedIP(subnet_id=SUBNET4)]}, 400, "is not on network"),
        ({"fixed_ips": [FixedIP(ip_address="10.31.0.1")]}, 400, "not a usable address"),
        ({"secondary_ips": ["ten"]}, 400, "not a valid IP address"),
        ({"security_group_ids": ["nonsense"]}, 404, "security group nonsense"),
        ({"qos_policy_id": "nonsense"}, 404, "QoS policy nonsense"),
        ({"vnic_type": "odd"}, 400, "vnic_type odd"),
    ],
)
def test_what_does_not_fit_is_refused(driver: SandboxDriver, arguments, code, text):
    """The error says what, and no port and no group is left."""
    before = driver.backdoor.tables()
    with pytest.raises(exceptions.CreatePortException, match=text) as caught:
        driver.create_port(MEMBER_NET, name="one", **arguments)
    assert caught.value.orig_code == code
    assert caught.value.network_id == MEMBER_NET
    assert driver.backdoor.tables() == before


def test_a_subnet_is_used_up_port_by_port(tmp_path: Path) -> None:
    """The numbers say so, further ports and addresses are refused, a freed one is given."""
    driver = new_driver(tmp_path, TINY)
    subnet = identify("subnet", "vip-subnet")
    ports = [driver.create_port(VIP_NET) for _ in range(4)]
    known = driver.plug_fixed_ip(ports[0].id or "", subnet)
    assert known == ports[0]
    taken = driver.plug_fixed_ip(ports[0].id or "", subnet, "192.0.2.6")
    assert len(taken.fixed_ips) == 2
    (counted,) = driver.get_network_ip_availability(
        Network(id=VIP_NET)
    ).subnet_ip_availability
    assert (counted.total_ips, counted.used_ips) == (5, 5)
    with pytest.raises(exceptions.NoMoreAddresses):
        driver.create_port(VIP_NET, fixed_ips=[FixedIP(subnet_id=subnet)])
    driver.unplug_fixed_ip(ports[1].id or "", subnet)
    with pytest.raises(exceptions.AddressInUse):
        driver.plug_fixed_ip(ports[1].id or "", subnet, "192.0.2.6")
    driver.delete_port(ports[2].id or "")
    assert len(driver.plug_fixed_ip(ports[1].id or "", subnet).fixed_ips) == 1


def test_an_address_of_another_subnet_is_refused(driver: SandboxDriver) -> None:
    """The address, and the subnet, must be of the port's network and each other's."""
    port = driver.create_port(MEMBER_NET, name="one")
    for subnet, address in ((SUBNET4, None), (SECOND, "10.31.0.9"), (SECOND, "ten")):
        with pytest.raises(exceptions.NetworkException) as caught:
            driver.plug_fixed_ip(port.id or "", subnet, address)
        assert caught.value.orig_code == 400
    assert driver.get_port(port.id or "") == port


def test_a_port_that_is_down_is_not_active(driver: SandboxDriver) -> None:
    """Only a port that a server has, and that may, carries traffic."""
    port = driver.create_port(MEMBER_NET, name="one")
    port_id = port.id or ""

    def status() -> tuple[bool | None, str | None]:
        found = driver.get_port(port_id)
        return found.admin_state_up, found.status

    driver.admin_down_port(port_id)
    assert status() == (False, "DOWN")
    driver.plug_port(Amphora(compute_id=SERVERS[0]), port)
    assert status() == (False, "DOWN")
    driver.set_port_admin_state_up(port_id, True)
    assert status() == (True, "ACTIVE")
    driver.failover_preparation(
        Amphora(compute_id=SERVERS[0], lb_network_ip="10.90.0.1")
    )
    driver.set_port_admin_state_up(port_id, True)
    assert status() == (True, "DOWN")


def test_a_routers_port_is_not_deleted(driver: SandboxDriver) -> None:
    """The router that has it would lose it; any other port is deleted."""
    router = driver.backdoor.create_port(
        VIP_NET, device_owner="network:router_interface"
    )
    with pytest.raises(exceptions.NetworkServiceError, match="router") as caught:
        driver.delete_port(router.id or "")
    assert (caught.value.port_id, caught.value.orig_code) == (router.id, 409)
    assert driver.get_port(router.id or "") == router


def test_a_member_port_that_was_made_and_given(driver: SandboxDriver) -> None:
    """A port named after the amphora is the server's interface, and is unplugged."""
    amphora = Amphora(id="a1", compute_id=SERVERS[0])
    before = driver.get_plugged_networks(SERVERS[0])
    port = driver.create_port(MEMBER_NET, name=naming.member_port("a1"))
    interface = driver.plug_port(amphora, port)
    again = driver.plug_network(SERVERS[0], MEMBER_NET)
    assert again.port_id == interface.port_id
    other = driver.plug_network(SERVERS[0], MEMBER_NET, "10.31.0.99")
    assert other.port_id != interface.port_id
    driver.unplug_network(SERVERS[0], MEMBER_NET)
    assert driver.get_plugged_networks(SERVERS[0]) == before
    with pytest.raises(exceptions.PortNotFound):
        driver.get_port(port.id or "")


def test_a_port_that_another_device_has_is_not_given(driver: SandboxDriver) -> None:
    """Neither another server's, nor the port of a VIP."""
    port = driver.create_port(MEMBER_NET, name="one")
    driver.plug_port(Amphora(compute_id=SERVERS[0]), port)
    vip = driver.backdoor.create_port(VIP_NET, device_id="lb-1")
    for taken in (port, vip):
        with pytest.raises(exceptions.PlugNetworkException) as caught:
            driver.plug_port(Amphora(compute_id=SERVERS[1]), taken)
        assert caught.value.orig_code == 409
    assert len(driver.get_plugged_networks(SERVERS[1])) == 1
