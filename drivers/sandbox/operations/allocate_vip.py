# SPDX-License-Identifier: Apache-2.0
"""Reserve the virtual IP of a load balancer."""

from __future__ import annotations

import sqlite3

from networker import exceptions
from networker.drivers import naming
from networker.drivers import vip as vips
from networker.drivers.sandbox.errors import Rejected, missing
from networker.drivers.sandbox.records import (
    addresses,
    inventory,
    ports,
    security_groups,
    vip_ports,
)
from networker.models import VIP, AdditionalVIP, FixedIP, LoadBalancer, Port


def run(tx: sqlite3.Connection, load_balancer: LoadBalancer) -> VIP:
    """Reserve the virtual IP of a load balancer."""
    owner, vip = load_balancer.id or "", load_balancer.vip or VIP()
    _require_places(vip)
    port = _existing(tx, vip, owner)
    if port is not None and vips.match(vip, port) is None:
        if not vip.port_id:
            raise Rejected(vips.misfit(vip, port), None)
        _remove_unfit(tx, port, vip, owner)
        port = None
    if port is None:
        port = _make(tx, load_balancer, vip)
    return vip_ports.describe(vip, port, owner)


def _require_places(vip: VIP) -> None:
    """Refuse an address of several that could be anywhere: Neutron has no word for it."""
    places: dict[str, VIP | AdditionalVIP] = {
        f"additional[{index}]": more for index, more in enumerate(vip.additional)
    }
    if places and not vip.port_id:
        places["vip"] = vip
    for name, place in places.items():
        if not (place.subnet_id or place.ip_address):
            raise Rejected(f"{name} names neither a subnet_id nor an ip_address", None)


def _wanted(vip: VIP) -> list[FixedIP]:
    places: list[VIP | AdditionalVIP] = [vip, *vip.additional]
    return [
        FixedIP(
            subnet_id=place.subnet_id or None,
            ip_address=place.ip_address and addresses.canonical(place.ip_address),
        )
        for place in places
    ]


def _existing(tx: sqlite3.Connection, vip: VIP, owner: str) -> Port | None:
    if vip.port_id:
        port = ports.find(tx, vip.port_id)
        if port is not None:
            vip_ports.refuse_others(tx, port, owner)
            return port
        if not vip.octavia_owned:
            raise missing(exceptions.PortNotFound, port_id=vip.port_id)
    network_id = _network_id(tx, vip)
    device = naming.vip_device(owner)
    mine = ports.select(tx, device_id=device, device_owner=naming.OWNER)
    if mine:
        return mine[0]
    return ports.made_for(
        tx, network_id, naming.vip_port(owner), "vip", owner, network_id
    )[1]


def _network_id(tx: sqlite3.Connection, vip: VIP) -> str:
    if vip.network_id:
        inventory.network(tx, vip.network_id)
        return vip.network_id
    if vip.subnet_id:
        return inventory.subnet(tx, vip.subnet_id).network_id or ""
    text = "load_balancer.vip names neither a port_id, a subnet_id nor a network_id"
    raise Rejected(text, None)


def _remove_unfit(tx: sqlite3.Connection, port: Port, vip: VIP, owner: str) -> None:
    mine = naming.vip_device(owner), naming.OWNER
    if (port.device_id, port.device_owner) != mine:
        raise Rejected(vips.misfit(vip, port), None)
    ports.delete(tx, port.id)


def _make(tx: sqlite3.Connection, load_balancer: LoadBalancer, vip: VIP) -> Port:
    owner = load_balancer.id or ""
    network_id = _network_id(tx, vip)
    name = naming.vip_port(owner)
    mac, _ = ports.made_for(tx, network_id, name, "vip", owner, network_id)
    port = Port(
        name=name,
        network_id=network_id,
        mac_address=mac,
        project_id=load_balancer.project_id or security_groups.SERVICE,
        device_id=naming.vip_device(owner),
        device_owner=naming.OWNER,
        admin_state_up=False,
        fixed_ips=_wanted(vip),
        security_group_ids=vip.sg_ids,
    )
    try:
        return ports.add(tx, port)
    except exceptions.AddressInUse as error:
        raise exceptions.VIPInUse(
            ip_address=error.ip_address,
            load_balancer_id=owner,
            orig_msg=error.orig_msg,
            orig_code=error.orig_code,
        ) from error
