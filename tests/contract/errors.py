# SPDX-License-Identifier: Apache-2.0
"""Every way in which a call can be refused, and with which error each driver says so.

A case makes what it needs and returns the call, the class of the error, and the attributes
that it has, all of them: what a controller reads must not depend on the driver. `SAID`
stands for words that a cloud chooses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from networker import exceptions
from networker.drivers.base import NetworkDriver
from networker.models import (
    VIP,
    AdditionalVIP,
    Amphora,
    Delta,
    FixedIP,
    Interface,
    Listener,
    LoadBalancer,
    Network,
    Port,
    Subnet,
    SubnetOfPort,
)
from tests.contract.steps import NOWHERE, allocate, plug, secure, subnet_of
from tests.contract.world import MEMBER, World, new_id

SAID = object()
#: What the cloud itself answered.
REFUSED = {"orig_msg": SAID, "orig_code": 400}
CONFLICT = {"orig_msg": SAID, "orig_code": 409}
MISSING = {"orig_msg": SAID, "orig_code": 404}
#: What a driver refuses itself: no cloud said anything but these words.
ITSELF = {"orig_msg": SAID}


@dataclasses.dataclass
class Stage:
    """Where a case plays."""

    network: NetworkDriver
    world: World
    balancer: Callable[..., LoadBalancer]

    @property
    def server(self) -> str:
        """A server."""
        return self.world.servers[0].compute_id

    def secured(self, **wanted: Any) -> tuple[LoadBalancer, VIP]:
        """Return a load balancer whose VIP has its group."""
        lb = self.balancer(**wanted)
        return lb, secure(self.network, lb)


@dataclasses.dataclass
class Expected:
    """What a case ends with."""

    call: Callable[[], object]
    kind: type[exceptions.NetworkException]
    attributes: dict[str, object]
    after: Callable[[], object] = lambda: None


Case = Callable[[Stage], Expected]


def vip_address_in_use(at: Stage) -> Expected:
    stranger = at.world.stranger(at.world.vip_network_id)
    lb, taken = at.balancer(), stranger.fixed_ips[0]
    assert lb.vip
    lb.vip.subnet_id, lb.vip.ip_address = taken.subnet_id, taken.ip_address
    known = {"load_balancer_id": lb.id, "ip_address": taken.ip_address}
    return Expected(
        lambda: at.network.allocate_vip(lb), exceptions.VIPInUse, known | CONFLICT
    )


def vip_address_of_elsewhere(at: Stage) -> Expected:
    lb = at.balancer()
    assert lb.vip
    lb.vip.ip_address = "192.0.2.77"
    return Expected(
        lambda: at.network.allocate_vip(lb),
        exceptions.AllocateVIPException,
        {"load_balancer_id": lb.id} | REFUSED,
    )


def _vip(at: Stage, vip: VIP) -> Expected:
    lb = at.balancer()
    lb.vip = vip
    return Expected(
        lambda: at.network.allocate_vip(lb),
        exceptions.AllocateVIPException,
        {"load_balancer_id": lb.id} | ITSELF,
    )


def vip_of_no_place(at: Stage) -> Expected:
    return _vip(at, VIP())


def further_address_of_no_place(at: Stage) -> Expected:
    return _vip(at, VIP(subnet_id=at.world.vip_subnet_id, additional=[AdditionalVIP()]))


def vip_on_a_network_without_a_subnet(at: Stage) -> Expected:
    return _vip(at, VIP(network_id=at.world.make_network()))


def vip_with_other_addresses_than_before(at: Stage) -> Expected:
    lb = at.balancer()
    vip = at.network.allocate_vip(lb)
    assert lb.vip
    lb.vip.ip_address = at.world.free_address(vip.network_id or "", vip.subnet_id or "")
    return Expected(
        lambda: at.network.allocate_vip(lb),
        exceptions.AllocateVIPException,
        {"load_balancer_id": lb.id} | ITSELF,
    )


def users_port_that_does_not_fit(at: Stage) -> Expected:
    port = at.world.stranger(at.world.vip_network_id)
    lb = at.balancer()
    lb.vip = VIP(port_id=port.id, ip_address="192.0.2.9")
    return Expected(
        lambda: at.network.allocate_vip(lb),
        exceptions.AllocateVIPException,
        {"load_balancer_id": lb.id, "port_id": port.id} | ITSELF,
    )


def another_load_balancers_port(at: Stage) -> Expected:
    lb, (_, vip) = at.balancer(), at.secured(amphorae=0)
    lb.vip = VIP(port_id=vip.port_id)
    known = {"port_id": vip.port_id, "ip_address": vip.ip_address}
    return Expected(
        lambda: at.network.allocate_vip(lb),
        exceptions.VIPInUse,
        {"load_balancer_id": lb.id} | known | ITSELF,
    )


def _missing_of_vip(
    at: Stage, vip: VIP, kind: type[exceptions.NotFound], name: str
) -> Expected:
    lb = at.balancer()
    lb.vip = vip
    known: dict[str, object] = {name: NOWHERE}
    return Expected(lambda: at.network.allocate_vip(lb), kind, known | MISSING)


def vip_of_a_missing_subnet(at: Stage) -> Expected:
    vip = VIP(subnet_id=NOWHERE)
    return _missing_of_vip(at, vip, exceptions.SubnetNotFound, "subnet_id")


def vip_of_a_missing_network(at: Stage) -> Expected:
    vip = VIP(network_id=NOWHERE)
    return _missing_of_vip(at, vip, exceptions.NetworkNotFound, "network_id")


def vip_of_a_missing_port(at: Stage) -> Expected:
    vip = VIP(port_id=NOWHERE)
    return _missing_of_vip(at, vip, exceptions.PortNotFound, "port_id")


def deallocating_nothing(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.deallocate_vip(VIP()),
        exceptions.VIPConfigurationNotFound,
        {},
    )


def deallocating_another_load_balancers_port(at: Stage) -> Expected:
    (_, vip), other = at.secured(amphorae=0), new_id()
    wrong = VIP(port_id=vip.port_id, load_balancer_id=other)
    return Expected(
        lambda: at.network.deallocate_vip(wrong),
        exceptions.DeallocateVIPException,
        {"load_balancer_id": other, "port_id": vip.port_id} | ITSELF,
    )


def deallocating_what_a_server_has(at: Stage) -> Expected:
    lb = at.balancer()
    vip = allocate(at.network, lb)
    at.world.occupy(vip.port_id or "", at.server)
    known = {"port_id": vip.port_id, "ip_address": vip.ip_address}
    return Expected(
        lambda: at.network.deallocate_vip(vip),
        exceptions.VIPInUse,
        {"load_balancer_id": lb.id} | known | CONFLICT,
        after=lambda: at.world.delete_port(vip.port_id or ""),
    )


def plugging_a_vip_that_does_not_fit(at: Stage) -> Expected:
    lb = at.balancer()
    vip = allocate(at.network, lb)
    wrong = VIP(port_id=vip.port_id, ip_address="192.0.2.9")
    return Expected(
        lambda: at.network.plug_vip(lb, wrong),
        exceptions.PlugVIPException,
        {"load_balancer_id": lb.id, "port_id": vip.port_id} | ITSELF,
    )


def securing_a_vip_that_does_not_fit(at: Stage) -> Expected:
    expected = plugging_a_vip_that_does_not_fit(at)
    lb = at.balancer()
    vip = allocate(at.network, lb)
    wrong = VIP(port_id=vip.port_id, ip_address="192.0.2.9")
    expected.call = lambda: at.network.update_vip_sg(lb, wrong)
    expected.attributes |= {"load_balancer_id": lb.id, "port_id": vip.port_id}
    return expected


def plugging_into_a_missing_server(at: Stage) -> Expected:
    lb = at.balancer()
    vip = allocate(at.network, lb)
    lb.amphorae[1].compute_id = NOWHERE
    return Expected(
        lambda: at.network.plug_vip(lb, vip),
        exceptions.AmphoraNotFound,
        {"compute_id": NOWHERE} | MISSING,
    )


def plugging_a_missing_port(at: Stage) -> Expected:
    lb = at.balancer()
    vip = allocate(at.network, lb)
    wrong = VIP(port_id=NOWHERE, network_id=vip.network_id)
    return Expected(
        lambda: at.network.plug_vip(lb, wrong),
        exceptions.PortNotFound,
        {"port_id": NOWHERE} | MISSING,
    )


def plugging_an_amphora_without_a_server(at: Stage) -> Expected:
    lb = at.balancer()
    vip = allocate(at.network, lb)
    lb.amphorae[1].compute_id = None
    return Expected(
        lambda: at.network.plug_vip(lb, vip),
        exceptions.InvalidRequest,
        {"method": "plug_vip"},
    )


def plugging_without_a_group(at: Stage) -> Expected:
    lb = at.balancer()
    vip = allocate(at.network, lb)
    return Expected(
        lambda: at.network.plug_aap_port(lb, vip, lb.amphorae[0], subnet_of(vip)),
        exceptions.MissingVIPSecurityGroup,
        {"load_balancer_id": lb.id},
    )


def updating_without_a_group(at: Stage) -> Expected:
    lb = at.balancer()
    allocate(at.network, lb)
    return Expected(
        lambda: at.network.update_vip(lb),
        exceptions.MissingVIPSecurityGroup,
        {"load_balancer_id": lb.id},
    )


def updating_with_a_wrong_cidr(at: Stage) -> Expected:
    lb, _ = at.secured(amphorae=0)
    lb.listeners = [Listener(protocol="TCP", protocol_port=1, allowed_cidrs=["x"])]
    return Expected(lambda: at.network.update_vip(lb), exceptions.InvalidRequest, {})


def unplugging_nowhere(at: Stage) -> Expected:
    lb = at.balancer()
    gone = VIP(subnet_id=NOWHERE, network_id=NOWHERE)
    return Expected(
        lambda: at.network.unplug_vip(lb, gone),
        exceptions.PluggedVIPNotFound,
        {"load_balancer_id": lb.id, "subnet_id": NOWHERE} | MISSING,
    )


def unplugging_from_no_place(at: Stage) -> Expected:
    lb = at.balancer()
    return Expected(
        lambda: at.network.unplug_vip(lb, VIP()),
        exceptions.InvalidRequest,
        {"method": "unplug_vip"},
    )


def network_of_a_missing_server(at: Stage) -> Expected:
    network_id = at.world.member_network_ids[0]
    return Expected(
        lambda: at.network.plug_network(NOWHERE, network_id),
        exceptions.AmphoraNotFound,
        {"compute_id": NOWHERE} | MISSING,
    )


def missing_network_of_a_server(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.plug_network(at.server, NOWHERE),
        exceptions.NetworkNotFound,
        {"network_id": NOWHERE} | MISSING,
    )


def member_address_in_use(at: Stage) -> Expected:
    network_id = at.world.member_network_ids[1]
    taken = at.world.stranger(network_id).fixed_ips[0].ip_address
    known = {"compute_id": at.server, "network_id": network_id, "ip_address": taken}
    return Expected(
        lambda: at.network.plug_network(at.server, network_id, taken),
        exceptions.AddressInUse,
        known | CONFLICT,
    )


def member_address_of_elsewhere(at: Stage) -> Expected:
    network_id, address = at.world.member_network_ids[1], "192.0.2.1"
    known = {"compute_id": at.server, "network_id": network_id, "ip_address": address}
    return Expected(
        lambda: at.network.plug_network(at.server, network_id, address),
        exceptions.PlugNetworkException,
        known | REFUSED,
    )


def unplugging_the_management_port(at: Stage) -> Expected:
    network_id = at.world.mgmt_network_id
    return Expected(
        lambda: at.network.unplug_network(at.server, network_id),
        exceptions.UnplugNetworkException,
        {"compute_id": at.server, "network_id": network_id} | ITSELF,
    )


def delta_that_removes_the_management_port(at: Stage) -> Expected:
    network_id = at.world.mgmt_network_id
    nic = Interface(network_id=network_id)
    return Expected(
        lambda: at.network.apply_delta(
            [Delta(compute_id=at.server, delete_nics=[nic])]
        ),
        exceptions.UnplugNetworkException,
        {"compute_id": at.server, "network_id": network_id} | ITSELF,
    )


def unplugging_a_missing_server(at: Stage) -> Expected:
    network_id = at.world.member_network_ids[0]
    return Expected(
        lambda: at.network.unplug_network(NOWHERE, network_id),
        exceptions.AmphoraNotFound,
        {"compute_id": NOWHERE} | MISSING,
    )


def interfaces_of_a_missing_server(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.get_plugged_networks(NOWHERE),
        exceptions.AmphoraNotFound,
        {"compute_id": NOWHERE} | MISSING,
    )


def delta_for_a_missing_port(at: Stage) -> Expected:
    place = {"port_id": NOWHERE, "network_id": at.world.member_network_ids[0]}
    subnet = SubnetOfPort(subnet_id=at.world.member_subnet_ids[0], **place)
    return Expected(
        lambda: at.network.apply_delta(
            [Delta(compute_id=at.server, add_subnets=[subnet])]
        ),
        exceptions.PortNotFound,
        {"port_id": NOWHERE} | MISSING,
    )


def contradicting_deltas(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.apply_delta([Delta(compute_id=at.server)] * 2),
        exceptions.InvalidRequest,
        {"method": "apply_delta"},
    )


def missing_port_for_a_server(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.plug_port(Amphora(compute_id=at.server), Port(id=NOWHERE)),
        exceptions.PortNotFound,
        {"port_id": NOWHERE} | MISSING,
    )


def port_of_another_server(at: Stage) -> Expected:
    network_id = at.world.member_network_ids[0]
    port = at.network.create_port(network_id, MEMBER + new_id())
    at.world.strangers(port.id or "")
    other = at.world.servers[1].compute_id
    at.network.plug_port(Amphora(compute_id=at.server), port)
    return Expected(
        lambda: at.network.plug_port(Amphora(compute_id=other), port),
        exceptions.PlugNetworkException,
        {"compute_id": other, "network_id": network_id} | CONFLICT,
    )


def port_on_a_missing_network(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.create_port(NOWHERE),
        exceptions.NetworkNotFound,
        {"network_id": NOWHERE} | MISSING,
    )


def port_on_a_missing_subnet(at: Stage) -> Expected:
    network_id, places = at.world.member_network_ids[0], [FixedIP(subnet_id=NOWHERE)]
    return Expected(
        lambda: at.network.create_port(network_id, fixed_ips=places),
        exceptions.SubnetNotFound,
        {"subnet_id": NOWHERE} | MISSING,
    )


def port_in_a_missing_group(at: Stage) -> Expected:
    network_id = at.world.member_network_ids[0]
    return Expected(
        lambda: at.network.create_port(network_id, security_group_ids=[NOWHERE]),
        exceptions.CreatePortException,
        {"network_id": network_id} | MISSING,
    )


def address_for_a_missing_port(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.plug_fixed_ip(NOWHERE, at.world.member_subnet_ids[0]),
        exceptions.PortNotFound,
        {"port_id": NOWHERE} | MISSING,
    )


def address_that_a_port_cannot_have(at: Stage) -> Expected:
    port = at.world.stranger(at.world.vip_network_id)
    other = at.world.member_subnet_ids[0]
    return Expected(
        lambda: at.network.plug_fixed_ip(port.id or "", other),
        exceptions.NetworkException,
        REFUSED,
    )


def state_of_a_missing_port(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.set_port_admin_state_up(NOWHERE, True),
        exceptions.PortNotFound,
        {"port_id": NOWHERE} | MISSING,
    )


def missing_policy_of_a_port(at: Stage) -> Expected:
    port = at.network.create_port(at.world.member_network_ids[0], MEMBER + new_id())
    at.world.strangers(port.id or "")
    return Expected(
        lambda: at.network.apply_qos_on_port(NOWHERE, port.id or ""),
        exceptions.QosPolicyNotFound,
        {"qos_policy_id": NOWHERE} | MISSING,
    )


def failover_of_a_missing_server(at: Stage) -> Expected:
    gone = Amphora(compute_id=NOWHERE, lb_network_ip="10.90.0.9")
    return Expected(
        lambda: at.network.failover_preparation(gone), exceptions.PortNotFound, {}
    )


def missing_network(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.get_network(NOWHERE),
        exceptions.NetworkNotFound,
        {"network_id": NOWHERE} | MISSING,
    )


def missing_subnet(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.get_subnet(NOWHERE),
        exceptions.SubnetNotFound,
        {"subnet_id": NOWHERE} | MISSING,
    )


def missing_port(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.get_port(NOWHERE),
        exceptions.PortNotFound,
        {"port_id": NOWHERE} | MISSING,
    )


def missing_among_several(at: Stage) -> Expected:
    there = at.world.vip_network_id
    return Expected(
        lambda: at.network.get_networks([there, NOWHERE]),
        exceptions.NetworkNotFound,
        {"network_id": NOWHERE},
    )


def missing_name(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.get_subnet_by_name("nowhere"), exceptions.SubnetNotFound, {}
    )


def missing_group(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.get_security_group("nowhere"),
        exceptions.SecurityGroupNotFound,
        {"security_group_id": "nowhere"},
    )


def missing_group_of_an_id(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.get_security_group_by_id(NOWHERE),
        exceptions.SecurityGroupNotFound,
        {"security_group_id": NOWHERE} | MISSING,
    )


def missing_policy(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.get_qos_policy(NOWHERE),
        exceptions.QosPolicyNotFound,
        {"qos_policy_id": NOWHERE} | MISSING,
    )


def availability_of_a_missing_network(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.get_network_ip_availability(Network(id=NOWHERE)),
        exceptions.NetworkNotFound,
        {"network_id": NOWHERE} | MISSING,
    )


def empty_id(at: Stage) -> Expected:
    return Expected(
        lambda: at.network.get_port(" "),
        exceptions.InvalidRequest,
        {"method": "get_port"},
    )


def amphora_on_a_missing_subnet(at: Stage) -> Expected:
    lb, vip = at.secured(amphorae=1)
    place = Subnet(id=NOWHERE, network_id=vip.network_id)
    return Expected(
        lambda: at.network.plug_aap_port(lb, vip, lb.amphorae[0], place),
        exceptions.SubnetNotFound,
        {"subnet_id": NOWHERE} | MISSING,
    )


def configs_of_an_unplugged_amphora(at: Stage) -> Expected:
    lb, _ = at.secured(amphorae=1)
    lb.amphorae[0].vrrp_port_id = NOWHERE
    return Expected(
        lambda: at.network.get_network_configs(lb, lb.amphorae[0]),
        exceptions.PortNotFound,
        {"port_id": NOWHERE},
    )


def unplugging_a_vrrp_port_as_a_members(at: Stage) -> Expected:
    lb = at.balancer(amphorae=1)
    vip = plug(at.network, lb)
    address = lb.amphorae[0].vrrp_ip
    known = {"compute_id": at.server, "network_id": vip.network_id}
    return Expected(
        lambda: at.network.unplug_network(at.server, vip.network_id or "", address),
        exceptions.UnplugNetworkException,
        known | {"ip_address": address} | ITSELF,
        after=lambda: at.network.unplug_vip(lb, vip),
    )


CASES: list[Case] = [
    function
    for function in list(globals().values())
    if getattr(function, "__module__", "") == __name__
    and getattr(function, "__annotations__", {}).get("return") == "Expected"
    and not function.__name__.startswith("_")
]
