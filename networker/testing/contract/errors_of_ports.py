# SPDX-License-Identifier: Apache-2.0
"""Ways in which other calls are refused: see :mod:`networker.testing.contract.errors`."""

from __future__ import annotations

from networker import exceptions
from networker.models import (
    Amphora,
    Delta,
    FixedIP,
    Interface,
    Network,
    Port,
    Subnet,
    SubnetOfPort,
)
from networker.testing.contract.errors import (
    CONFLICT,
    ITSELF,
    MISSING,
    REFUSED,
    Expected,
    Stage,
)
from networker.testing.contract.steps import NOWHERE, plug
from networker.testing.contract.world import MEMBER, new_id


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
