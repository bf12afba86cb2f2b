# SPDX-License-Identifier: Apache-2.0
"""The twelve methods on the sandbox, where it is stricter or plainer than a cloud."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from networker import exceptions
from networker.drivers import naming
from networker.drivers.rules import Rule
from networker.drivers.sandbox import SandboxError
from networker.drivers.sandbox.driver import SandboxDriver
from networker.drivers.sandbox.topology import identify, project_id
from networker.models import VIP, AdditionalVIP, Amphora, FixedIP, LoadBalancer
from tests.unit.test_sandbox import MEMBER_NET, SERVERS, VIP_NET, balancer, new_driver

SUBNET4, SUBNET6 = identify("subnet", "vip-subnet"), identify("subnet", "vip-subnet6")
MGMT_NET = identify("network", "lb-mgmt-net")


@pytest.fixture(name="driver")
def _driver(tmp_path: Path) -> SandboxDriver:
    return new_driver(tmp_path)


def management(driver: SandboxDriver, server: str) -> str:
    (port,) = driver.backdoor.ports(device_id=server, network_id=MGMT_NET)
    return port.fixed_ips[0].ip_address or ""


def test_a_load_balancers_whole_life_leaves_nothing(driver: SandboxDriver) -> None:
    """Every mutator twice, in order: at the end the network is as it was."""
    before = driver.backdoor.tables()
    lb = balancer("lb", SERVERS[0], SERVERS[1])
    vip = lb.vip = driver.allocate_vip(lb)
    assert driver.allocate_vip(lb) == vip
    lb.amphorae = driver.plug_vip(lb, vip)
    assert driver.plug_vip(lb, vip) == lb.amphorae
    lb.listeners = []
    driver.update_vip(lb)
    driver.update_vip(lb)
    rules = driver.backdoor.security_groups()["lb-lb"].rules
    assert rules == {Rule("IPv4", "112"), Rule("IPv4", "51")}
    for _ in range(2):
        interface = driver.plug_network(SERVERS[0], MEMBER_NET)
        assert interface in driver.get_plugged_networks(SERVERS[0])
    for _ in range(2):
        driver.unplug_network(SERVERS[0], MEMBER_NET)
        driver.unplug_vip(lb, vip)
        driver.deallocate_vip(vip)
    assert driver.backdoor.tables() == before
    driver.close()


def test_addresses_are_compared_whatever_their_spelling(driver: SandboxDriver) -> None:
    """A long IPv6 address is the port's short one, in the answer and the second time."""
    lb = balancer("lb")
    lb.vip = VIP(
        network_id=VIP_NET,
        ip_address="FD00:20:0:0::00AA",
        additional=[AdditionalVIP(subnet_id=SUBNET4), AdditionalVIP(subnet_id=SUBNET6)],
    )
    vip = driver.allocate_vip(lb)
    assert (vip.ip_address, vip.subnet_id) == ("fd00:20::aa", SUBNET6)
    assert [more.subnet_id for more in vip.additional] == [SUBNET4, SUBNET6]
    assert driver.allocate_vip(lb) == vip
    with pytest.raises(exceptions.AddressInUse):
        driver.plug_network(SERVERS[0], VIP_NET, "fd00:20:0:0:0::aa")


def test_addresses_that_are_named_are_kept_for_those_who_name_them(
    driver: SandboxDriver,
) -> None:
    """An address that the VIP's second place names is not given to the first one."""
    lb = balancer("lb")
    lb.vip = VIP(subnet_id=SUBNET4, additional=[AdditionalVIP(ip_address="10.20.0.2")])
    vip = driver.allocate_vip(lb)
    assert [more.ip_address for more in vip.additional] == ["10.20.0.2"]
    assert vip.ip_address == "10.20.0.3"


@pytest.mark.parametrize(
    "address",
    ["10.20.0.1", "10.20.0.0", "10.20.15.255", "10.31.0.5", "ten", "fd00:20::"],
)
def test_unusable_addresses_are_refused(driver: SandboxDriver, address: str) -> None:
    """Gateway, network, broadcast, elsewhere and nonsense: nobody gets them."""
    before = driver.backdoor.tables()
    lb = balancer("lb")
    lb.vip = VIP(network_id=VIP_NET, ip_address=address)
    with pytest.raises(exceptions.AllocateVIPException) as caught:
        driver.allocate_vip(lb)
    assert (caught.value.load_balancer_id, caught.value.orig_code) == ("lb", 400)
    assert address in str(caught.value)
    with pytest.raises(exceptions.PlugNetworkException, match=address):
        driver.plug_network(SERVERS[0], VIP_NET, address)
    assert driver.backdoor.tables() == before


def test_a_users_groups_are_kept_with_ours(driver: SandboxDriver) -> None:
    """The VIP's own groups are set with the load balancer's; an unknown one is refused."""
    group = driver.backdoor.create_security_group(
        "web", rules=[Rule("IPv4", "tcp", 80)]
    )
    lb = balancer("lb", SERVERS[0])
    lb.vip = VIP(network_id=VIP_NET, sg_ids=[group, "nonsense"])
    with pytest.raises(exceptions.AllocateVIPException, match="nonsense"):
        driver.allocate_vip(lb)
    lb.vip.sg_ids = [group]
    vip = driver.allocate_vip(lb)
    assert driver.get_port(vip.port_id or "").security_group_ids == [group]
    (amphora,) = driver.plug_vip(lb, vip)
    ours = driver.backdoor.security_groups()["lb-lb"]
    for port_id in (vip.port_id, amphora.vrrp_port_id):
        groups = driver.get_port(port_id or "").security_group_ids
        assert groups == [ours.id, group]
    assert Rule("IPv4", "tcp", 80) not in ours.rules
    driver.deallocate_vip(vip)
    assert list(driver.backdoor.security_groups()) == ["web"]


def test_a_vip_that_moves_gets_a_new_port(driver: SandboxDriver) -> None:
    """Our own port is made again where the VIP is wanted; a user's one is refused."""
    vip = driver.allocate_vip(balancer("lb"))
    moved = balancer("lb", network=MEMBER_NET)
    assert moved.vip is not None
    moved.vip.port_id = vip.port_id
    again = driver.allocate_vip(moved)
    assert again.port_id != vip.port_id
    assert [p.network_id for p in driver.backdoor.ports(name="octavia-lb-lb")] == [
        MEMBER_NET
    ]
    moved.id, moved.vip = "other", msgspec.structs.replace(vip, port_id=again.port_id)
    before = driver.backdoor.tables()
    with pytest.raises(exceptions.AllocateVIPException, match="another load balancer"):
        driver.allocate_vip(moved)
    with pytest.raises(
        exceptions.DeallocateVIPException, match="another load balancer"
    ):
        driver.deallocate_vip(VIP(port_id=again.port_id, load_balancer_id="other"))
    assert driver.backdoor.tables() == before


def test_deallocating_looks_before_it_sweeps(driver: SandboxDriver) -> None:
    """A VIP port on a server stops it before anything is gone; else all of it goes."""
    before = driver.backdoor.tables()
    lb = balancer("lb", SERVERS[0])
    vip = driver.allocate_vip(lb)
    driver.plug_vip(lb, vip)
    driver.backdoor.detach(vip.port_id or "")
    driver.backdoor.attach(vip.port_id or "", SERVERS[3])
    plugged = driver.backdoor.tables()
    for named in (VIP(port_id=vip.port_id), VIP(load_balancer_id="lb")):
        with pytest.raises(exceptions.VIPInUse, match=SERVERS[3]):
            driver.deallocate_vip(named)
    assert driver.backdoor.tables() == plugged
    driver.backdoor.delete_port(vip.port_id or "")
    driver.deallocate_vip(vip)
    assert driver.backdoor.tables() == before


def test_a_stranger_may_have_our_mac_address(driver: SandboxDriver) -> None:
    """A MAC address that is taken on the network is replaced, and stays found."""
    wanted = naming.mac_address("02:6e:77", "member", SERVERS[0], MEMBER_NET, "")
    driver.backdoor.create_port(MEMBER_NET, mac_address=wanted)
    with pytest.raises(ValueError, match="mac_address"):
        driver.backdoor.create_port(MEMBER_NET, mac_address=wanted)
    interface = driver.plug_network(SERVERS[0], MEMBER_NET)
    assert driver.get_port(interface.port_id or "").mac_address != wanted
    assert driver.plug_network(SERVERS[0], MEMBER_NET) == interface


def test_a_port_on_the_vips_network_is_reused(driver: SandboxDriver) -> None:
    """A member port there carries the VIP, and survives unplugging without it."""
    member = driver.plug_network(SERVERS[0], VIP_NET)
    before = driver.get_port(member.port_id or "")
    lb = balancer("lb", SERVERS[0])
    lb.vip = VIP(subnet_id=SUBNET6)
    vip = driver.allocate_vip(lb)
    (amphora,) = driver.plug_vip(lb, vip)
    assert amphora.vrrp_port_id == member.port_id
    port = driver.get_port(member.port_id or "")
    assert port.allowed_addresses == [vip.ip_address]
    assert port.get_subnet_id(amphora.vrrp_ip or "") == SUBNET6
    driver.unplug_vip(lb, vip)
    after = driver.get_port(member.port_id or "")
    assert after == msgspec.structs.replace(before, fixed_ips=after.fixed_ips)


def test_the_management_port_is_no_vrrp_port(driver: SandboxDriver) -> None:
    """A VIP on the management network gets a port of its own, known address or not."""
    lb = balancer("lb", SERVERS[0], SERVERS[1], network=MGMT_NET)
    lb.amphorae[0].lb_network_ip = management(driver, SERVERS[0])
    for amphora in driver.plug_vip(lb, driver.allocate_vip(lb)):
        port = driver.get_port(amphora.vrrp_port_id or "")
        assert port.name == naming.vrrp_port(amphora.id or "")


def test_a_vrrp_port_of_another_server_is_not_taken(driver: SandboxDriver) -> None:
    """A port that somebody gave to another server stays there, and is named."""
    lb = balancer("lb", SERVERS[0])
    vip = driver.allocate_vip(lb)
    (amphora,) = driver.plug_vip(lb, vip)
    driver.backdoor.detach(amphora.vrrp_port_id or "")
    driver.backdoor.attach(amphora.vrrp_port_id or "", SERVERS[3])
    with pytest.raises(exceptions.PlugVIPException, match=amphora.vrrp_port_id):
        driver.plug_vip(lb, vip)
    driver.backdoor.detach(amphora.vrrp_port_id or "")
    assert driver.plug_vip(lb, vip) == [amphora]


def test_rules_of_others_are_kept(driver: SandboxDriver) -> None:
    """Egress rules stay when all listeners go, and an update without VIP is refused."""
    lb = balancer("lb")
    lb.vip = driver.allocate_vip(lb)
    driver.plug_vip(lb, lb.vip)
    lb.listeners, lb.topology = [], "SINGLE"
    driver.update_vip(lb)
    (group,) = driver.backdoor.tables()["security_groups"]
    assert group["rules"] == ["egress IPv4", "egress IPv6"]
    with pytest.raises(exceptions.InvalidRequest, match=r"vip\.ip_address"):
        driver.update_vip(LoadBalancer(id="lb", vip=VIP()))


def test_a_server_in_failover(driver: SandboxDriver) -> None:
    """Released ports outlive their server; its management port goes with it."""
    server, address = SERVERS[0], management(driver, SERVERS[0])
    interface = driver.plug_network(server, MEMBER_NET)
    with pytest.raises(exceptions.InvalidRequest, match="lb_network_ip"):
        driver.failover_preparation(Amphora(compute_id=server))
    driver.failover_preparation(Amphora(compute_id=server, lb_network_ip=address))
    port = driver.get_port(interface.port_id or "")
    assert (port.device_id, port.status) == ("", "DOWN")
    assert driver.backdoor.tables()["ports"][-1]["dns_name"] == ""
    assert [i.network_id for i in driver.get_plugged_networks(server)] == [MGMT_NET]
    assert driver.plug_network(server, MEMBER_NET) == interface
    driver.backdoor.delete_server(server)
    assert driver.get_port(interface.port_id or "").device_id == ""
    assert driver.backdoor.ports(device_id=server) == []
    with pytest.raises(exceptions.AmphoraNotFound):
        driver.plug_network(server, MEMBER_NET)


def test_a_strangers_port(driver: SandboxDriver) -> None:
    """It gets the address that it wants, or an error; a server's one is not unplugged."""
    port = driver.backdoor.create_port(
        MEMBER_NET, ip_address="10.39.0.9", name="theirs"
    )
    assert port.fixed_ips == [
        FixedIP(
            subnet_id=identify("subnet", "member-subnet-1b"), ip_address="10.39.0.9"
        )
    ]
    assert port.project_id == project_id("demo")
    assert driver.backdoor.ports(name="theirs") == [port]
    with pytest.raises(exceptions.NetworkNotFound):
        driver.backdoor.create_port("nowhere")
    driver.backdoor.attach(port.id or "", SERVERS[0])
    driver.unplug_network(SERVERS[0], MEMBER_NET, "10.39.0.10")
    with pytest.raises(exceptions.UnplugNetworkException, match=port.id):
        driver.unplug_network(SERVERS[0], MEMBER_NET)


def test_a_database_that_breaks_later_is_explained(
    driver: SandboxDriver, tmp_path: Path
) -> None:
    """A file that is damaged while the driver runs is an error that names it."""
    (tmp_path / "net.sqlite").write_bytes(b"damage" * 999)
    with pytest.raises(SandboxError, match=r"net\.sqlite: file is not a database"):
        driver.get_network(VIP_NET)
