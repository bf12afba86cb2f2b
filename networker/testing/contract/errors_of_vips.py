# SPDX-License-Identifier: Apache-2.0
"""Ways in which calls about VIPs are refused; :mod:`networker.testing.contract.errors`."""

from __future__ import annotations

from networker import exceptions
from networker.models import (
    VIP,
    AdditionalVIP,
    Listener,
)
from networker.testing.contract.errors import (
    CONFLICT,
    ITSELF,
    MISSING,
    REFUSED,
    Expected,
    Stage,
)
from networker.testing.contract.steps import NOWHERE, allocate, subnet_of
from networker.testing.contract.world import new_id


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
