# SPDX-License-Identifier: Apache-2.0
"""What Octavia's own driver is known to fail at, and the tests that prevent it here.

The numbers are those of the list of 25 that Octavia's history gave (release notes, bugs).
Tests without a file are in this one, or in those of rules and amphorae beside it.

1   VRRP port left when the attach fails:
    test_vrrp_port_is_not_leaked_when_attach_fails,
    test_cloud_refuses.py::test_vrrp_port_is_not_leaked_when_nova_fails,
    test_plugging.py::TestPlug::test_undoes_everything_when_one_server_is_missing
2   base port left when a failover is reverted:
    test_base_port_is_found_by_a_retry_and_by_the_revert
3   orphans when a create is reverted, subnet gone by then:
    test_revert_that_knows_no_port_leaves_nothing,
    test_amphorae.py::TestUnplug::test_tolerates_what_is_missing
4   failover on an exhausted subnet costs the VIP:
    test_exhausted_subnet_does_not_cost_the_vip
5   VIP allocated twice: test_vip_is_not_doubled_when_allocated_again,
    test_vip.py::TestAllocate::test_twice_at_once_makes_one_port
6   user's VIP port deleted: test_user_port_survives,
    test_vip.py::TestDeallocate::test_keeps_a_users_port
7   VIP port of the wrong project:
    test_vip.py::TestAllocate::test_makes_a_port_that_says_what_it_is
8   the cloud's words and code lost:
    test_vip.py::TestAllocate::test_says_when_the_address_is_taken,
    test_cloud_refuses.py::test_quota_is_not_reported_as_address_in_use
9   group still in use when it is deleted:
    test_cloud_refuses.py::test_group_that_is_in_use_for_a_moment_is_deleted,
    test_vip.py::TestDeallocate::test_cleans_up_what_is_still_plugged
10  rules changed by two at once: test_plugging.py::TestUpdate::test_twice_at_once,
    test_rules_converge_when_two_change_them_differently
11  egress, VRRP or foreign rules removed: test_egress_and_foreign_rules_stay
11b peer ports open to everybody: test_only_the_group_itself_reaches_peers,
    test_rules_for_peers_that_let_everybody_in_are_replaced
12  peer port or TCP and UDP on one port make duplicates:
    test_peer_port_and_any_v4_do_not_collide, test_peer_port_and_any_v6_do_not_collide,
    test_tcp_and_udp_share_a_port
13  deletion stopped by what is missing: test_deletion_tolerates_what_is_missing,
    test_plugging.py::TestUnplug::test_tolerates_half_built_amphorae
14  replacement port outside of the VIP's group:
    test_replacement_port_is_in_the_vips_group
15  user's groups: test_groups.py::TestOfTheVip::test_lets_in_by_the_users_groups,
    test_amphorae.py::TestPlug::test_routes_the_vip_to_the_amphora
16  QoS and groups of DELETED amphorae, no QoS, stranger's policy:
    test_deleted_amphora_port_is_skipped,
    test_cloud_lacks.py::test_without_qos_nothing_else_is_missing,
    test_lookups.py::TestAsAUser::test_needs_a_valid_token
17  member port on the wrong subnet: test_member_port_is_on_the_wanted_subnet_only
18  interface forgotten because a detach is late:
    test_unplugged_interface_is_gone_at_once,
    test_cloud_refuses.py::test_detach_that_does_not_end_is_said_to
19  management port touched: test_management_port_is_never_touched,
    test_networks.py::TestUnplug::test_never_touches_the_management_port
20  amphorae in each other's way: test_two_amphorae_are_plugged_at_once,
    test_amphorae.py::TestConfigs::test_missing_vrrp_port_of_peer_does_not_fail_configs
21  lost VIP port, no amphora alive:
    test_vip.py::TestAllocate::test_repairs_its_own_lost_port,
    test_failover_survives_without_an_amphora
22  IPv6: test_long_ipv6_address_is_the_same_address, test_cidr_spelling_does_not_flap,
    test_plugging.py::TestPlug::test_serves_both_families,
    test_ports.py::TestState::test_is_set
    (that the old port goes down first, and SLAAC addresses, which Neutron keeps, are the
    controller's business)
23  DNS name in the way of another server: test_cloud_lacks.py::test_dns_name_is_cleared,
    test_cloud_lacks.py::test_without_dns_nothing_is_cleared
24  user sees or uses what is hidden:
    test_lookups.py::TestAsAUser::test_does_not_see_what_is_the_services
    (whether ports of the VIP's network are secured is checked by the controller, which
    test_lookups.py::TestById::test_network gives what it needs)
25  size of messages, connections to the broker, work lost when a worker stops: not a
    driver's business; the adapter's slices of the graph, and the bus

And the holes that were found by reading it:

-   retries and replays: the tests called ``again``, ``twice_at_once``, tests/faults
-   VRRP port adopted on retry: test_amphorae.py::TestOctaviasPort::test_is_taken_over
-   race for the group: test_groups.py::TestOfTheVip::test_twice_at_once; stranger's:
    test_strangers_security_group_is_not_adopted
-   rules by ethertype: test_rules_converge_when_one_ethertype_is_missing; spelling:
    test_cidr_spelling_does_not_flap; order and number of requests:
    test_rules_are_added_before_they_are_deleted
-   addresses changed by two at once:
    test_addresses.py::TestAddresses::test_given_at_once_all_stay
-   every refusal an error of the interface:
    test_cloud_refuses.py::test_errors_are_the_interfaces
-   409 told apart: test_exhausted_pool_is_not_reported_as_address_in_use,
    test_cloud_refuses.py::test_quota_is_not_reported_as_address_in_use
-   429 and 503: test_cloud_refuses.py::test_busy_cloud_is_asked_again
-   detach errors swallowed: test_cloud_refuses.py::test_detach_that_is_refused_is_said_to
-   policy and vNIC type lost: test_vip_keeps_its_qos_policy_and_vnic_type
-   DELETED amphorae: test_deleted_amphora_port_is_skipped
-   availability: test_availability_of_missing_network_is_not_found
-   an id that is None: test_empty_ids.py::test_empty_id_never_lists_everybody
"""

from __future__ import annotations

import pathlib
import re

import msgspec
import pytest

from networker import exceptions
from networker.drivers import naming
from networker.models import VIP, Amphora, FixedIP, Network
from networker.testing import contract
from networker.testing.contract.steps import (
    NOWHERE,
    allocate,
    plug_one,
    secure,
    subnet_of,
)
from networker.testing.contract.world import MEMBER, new_id


def test_table_names_tests_that_exist():
    """Every test that the table names is there."""
    here = pathlib.Path(__file__).parent
    text = {path.name: path.read_text() for path in here.glob("test_*.py")}
    for path in pathlib.Path(contract.__file__).parent.glob("test_*.py"):
        text[path.name] = path.read_text()
    own = "".join(
        text[name] for name in text if name.startswith("test_known_octavia_bugs")
    )
    for line in re.findall(r"[\w.:]*\btest_\w+(?:\.py[\w:]*)?", __doc__):
        file, *inside = line.rpartition(".py")[0::2] if ".py" in line else ("", line)
        for name in filter(None, inside[0].split("::")):
            assert re.search(rf"(def|class) {name}\b", text.get(f"{file}.py", own)), (
                line
            )


def test_vrrp_port_is_not_leaked_when_attach_fails(network, world, balancer):
    """A port that no server takes is removed, and the VIP stays as it was (1)."""
    lb = balancer(amphorae=1)
    vip = secure(network, lb)
    before = world.port(vip.port_id)
    lost = msgspec.structs.replace(lb.amphorae[0], compute_id=NOWHERE)
    with pytest.raises(exceptions.AmphoraNotFound):
        network.plug_aap_port(lb, vip, lost, subnet_of(vip))
    assert world.ports(name=naming.vrrp_port(lost.id)) == []
    assert world.port(vip.port_id) == before


def test_revert_that_knows_no_port_leaves_nothing(network, world, balancer):
    """What a failed create made goes though none of its answers was stored (3)."""
    lb = balancer(amphorae=1)
    vip, amphora = secure(network, lb), lb.amphorae[0]
    plug_one(network, lb)
    network.unplug_aap_port(VIP(), amphora, subnet_of(vip))
    network.deallocate_vip(VIP(port_id=vip.port_id))
    assert world.leftovers() == []


def test_vip_is_not_doubled_when_allocated_again(network, world, balancer):
    """A VIP whose port the controller did not store is found, not made again (5)."""
    lb = balancer()
    first = network.allocate_vip(lb)
    assert network.allocate_vip(lb) == first
    lb.vip = msgspec.structs.replace(first, port_id=None)
    assert network.allocate_vip(lb) == first
    assert len(world.ports(name=naming.vip_port(lb.id))) == 1


def test_user_port_survives(network, world, balancer):
    """The whole life of a load balancer leaves a user's port with the user's own (6)."""
    own = world.make_group(f"users-{new_id()}")
    port = world.stranger(world.vip_network_id)
    lb = balancer(amphorae=1)
    lb.vip = VIP(port_id=port.id)
    vip = allocate(network, lb)
    vip.sg_ids = [own]
    network.update_vip_sg(lb, vip)
    plugged = plug_one(network, lb)
    network.unplug_aap_port(vip, plugged, subnet_of(vip))
    network.deallocate_vip(vip)
    assert world.port(port.id) == port


def test_deletion_tolerates_what_is_missing(network, world, balancer):
    """Group, VRRP port and VIP port may be gone before they are removed (13)."""
    lb = balancer(amphorae=1)
    vip, (amphora,) = secure(network, lb), lb.amphorae
    port = network.create_port(vip.network_id, naming.vrrp_port(amphora.id))
    amphora.vrrp_port_id = port.id
    for port_id in (port.id, vip.port_id):
        world.delete_port(port_id)
    network.unplug_vip(lb, vip)
    for group_id in world.group_ids(naming.vip_device(lb.id)):
        world.delete_group(group_id)
    network.unplug_vip(lb, vip)
    network.deallocate_vip(vip)
    assert world.leftovers() == []


def test_member_port_is_on_the_wanted_subnet_only(network, world, clean):
    """On a network of two subnets a port gets no address that nobody asked for (17)."""
    network_id = world.member_network_ids[0]
    for subnet_id in world.member_subnet_ids:
        wanted = [FixedIP(subnet_id=subnet_id)]
        port = network.create_port(network_id, MEMBER + new_id(), fixed_ips=wanted)
        assert [ip.subnet_id for ip in world.port(port.id).fixed_ips] == [subnet_id]
        network.delete_port(port.id)


def test_unplugged_interface_is_gone_at_once(network, world, clean):
    """Who looks right after unplugging sees the interface no more (18)."""
    server, network_id = world.servers[0].compute_id, world.member_network_ids[0]
    amphora = Amphora(id=new_id(), compute_id=server)
    port = network.create_port(network_id, f"{MEMBER}{amphora.id}")
    network.plug_port(amphora, port)
    network.unplug_network(server, network_id)
    plugged = {i.network_id for i in network.get_plugged_networks(server)}
    assert plugged == {world.mgmt_network_id}
    network.delete_port(port.id)


def test_long_ipv6_address_is_the_same_address(network, world, balancer):
    """An address may be spelt in any way, to allocate, add and look it up (22)."""
    free = world.free_address(world.vip_network_id, world.vip_subnet6_id)
    groups = free.removeprefix("fd00:20::").rjust(4, "0").upper()
    long = f"FD00:0020:0000:0000:0000:0000:0000:{groups}"
    lb = balancer(amphorae=0)
    lb.vip = VIP(subnet_id=world.vip_subnet6_id, ip_address=long)
    vip = secure(network, lb)
    assert vip.ip_address == free
    lb.vip = msgspec.structs.replace(vip, ip_address=long)
    assert network.allocate_vip(lb).port_id == vip.port_id
    after = network.plug_fixed_ip(vip.port_id, vip.subnet_id, long)
    assert [ip.ip_address for ip in after.fixed_ips] == [free]


def test_vip_keeps_its_qos_policy_and_vnic_type(network, world, balancer):
    """What is wanted of the VRRP ports is in the answer, so that a failover knows it.

    The VIP's own port carries no traffic, and belongs to somebody else: it has neither.
    """
    lb = balancer()
    lb.vip.qos_policy_id, lb.vip.vnic_type = world.qos_policy_id, "direct"
    for _ in range(2):
        vip = allocate(network, lb)
        assert (vip.qos_policy_id, vip.vnic_type) == (world.qos_policy_id, "direct")
        port = world.port(vip.port_id)
        assert (port.qos_policy_id, port.vnic_type) == (None, "normal")


def test_availability_of_missing_network_is_not_found(network):
    """A network that does not exist is NetworkNotFound, and no fault of a driver's."""
    with pytest.raises(exceptions.NetworkNotFound) as caught:
        network.get_network_ip_availability(Network(id=NOWHERE))
    assert caught.value.network_id == NOWHERE
