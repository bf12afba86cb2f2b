# SPDX-License-Identifier: Apache-2.0
"""The port that reserves a virtual IP: allocated and deallocated."""

from __future__ import annotations

import sqlite3

from networker import exceptions
from networker.drivers import naming
from networker.drivers import vip as vips
from networker.drivers.sandbox import addresses, groups, lending, ports, records
from networker.drivers.sandbox.errors import Refused, missing
from networker.models import VIP, AdditionalVIP, FixedIP, LoadBalancer, Port


def allocate(tx: sqlite3.Connection, load_balancer: LoadBalancer, vip: VIP) -> VIP:
    """Do what :meth:`NetworkDriver.allocate_vip` says."""
    owner = load_balancer.id or ""
    _require_places(vip)
    port = _existing(tx, vip, owner)
    if port is not None and vips.match(vip, port) is None:
        if not vip.port_id:
            raise Refused(vips.misfit(vip, port), None)
        _remove_unfit(tx, port, vip, owner)
        port = None
    if port is None:
        port = _make(tx, load_balancer, vip)
    return describe(vip, port, owner)


def _require_places(vip: VIP) -> None:
    """Refuse an address of several that could be anywhere: Neutron has no word for it."""
    places: dict[str, VIP | AdditionalVIP] = {
        f"additional[{index}]": more for index, more in enumerate(vip.additional)
    }
    if places and not vip.port_id:
        places["vip"] = vip
    for name, place in places.items():
        if not (place.subnet_id or place.ip_address):
            raise Refused(f"{name} names neither a subnet_id nor an ip_address", None)


def describe(vip: VIP, port: Port, load_balancer_id: str) -> VIP:
    """Return a VIP with everything that its port tells filled in.

    :raises Refused: the port is not what the VIP names
    """
    described = vips.describe(vip, port, load_balancer_id)
    if described is None:
        raise Refused(vips.misfit(vip, port), None)
    return described


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
            refuse_others(tx, port, owner)
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
        records.network(tx, vip.network_id)
        return vip.network_id
    if vip.subnet_id:
        return records.subnet(tx, vip.subnet_id).network_id or ""
    text = "load_balancer.vip names neither a port_id, a subnet_id nor a network_id"
    raise Refused(text, None)


def refuse_others(tx: sqlite3.Connection, port: Port, owner: str) -> None:
    """Refuse a port for a load balancer's VIP that another one uses.

    :raises VIPInUse: another load balancer uses it
    """
    name, device = port.name or "", port.device_id or ""
    if port.device_owner == naming.OWNER and device:
        user = naming.owner_of(device) or device
    elif name.startswith(naming.OURS):
        user = "" if name == naming.vip_port(owner) else name
    else:
        held = [groups.name_of(tx, group_id) for group_id in port.security_group_ids]
        named = {one for one in held if one.startswith(naming.DEVICE)}
        user = naming.owner_of(min(named - {naming.vip_device(owner)}, default=""))
    if user not in ("", owner):
        raise exceptions.VIPInUse(
            load_balancer_id=owner,
            ip_address=port.fixed_ips[0].ip_address if port.fixed_ips else None,
            port_id=port.id,
            orig_msg=f"port {port.id} is used by another load balancer: {user}",
        )


def _remove_unfit(tx: sqlite3.Connection, port: Port, vip: VIP, owner: str) -> None:
    mine = naming.vip_device(owner), naming.OWNER
    if (port.device_id, port.device_owner) != mine:
        raise Refused(vips.misfit(vip, port), None)
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
        project_id=load_balancer.project_id or groups.SERVICE,
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


def deallocate(tx: sqlite3.Connection, vip: VIP) -> None:
    """Do what :meth:`NetworkDriver.deallocate_vip` says."""
    port_id, owner = (vip.port_id or "").strip(), (vip.load_balancer_id or "").strip()
    if not (port_id or owner):
        raise exceptions.VIPConfigurationNotFound
    given = [port] if (port := ports.find(tx, port_id)) else []
    owner = owner or owner_of(given) or _carried(tx, given)
    device = naming.vip_device(owner)
    _check_free(given + ports.select(tx, name=naming.vip_port(owner)), owner)
    made = [port for port in given if port.device_owner == naming.OWNER]
    for port in made:
        if owner_of([port]) not in ("", owner):
            text = f"port {port.id} reserves the VIP of another load balancer: "
            raise Refused(f"{text}{port.device_id}", None)
    _remove_groups(tx, device)
    for port in made + ports.select(tx, device_id=device, device_owner=naming.OWNER):
        ports.delete(tx, port.id)


def owner_of(vip_ports: list[Port]) -> str:
    """Return the load balancer that a VIP's port says it belongs to, or nothing."""
    owners = (naming.owner_of(port.device_id or "") for port in vip_ports)
    return next(filter(None, owners), "")


def _carried(tx: sqlite3.Connection, vip_ports: list[Port]) -> str:
    """Return the load balancer whose VIP a user's port carries, or nothing."""
    held = [one for port in vip_ports for one in port.security_group_ids]
    owners = (naming.owner_of(groups.name_of(tx, group_id)) for group_id in held)
    return next(filter(None, owners), "")


def _check_free(vip_ports: list[Port], owner: str) -> None:
    for port in vip_ports:
        ours = (port.name or "").startswith(naming.OURS)
        if ours and (port.device_owner or "").startswith("compute:"):
            raise exceptions.VIPInUse(
                ip_address=port.fixed_ips[0].ip_address if port.fixed_ips else None,
                load_balancer_id=owner or None,
                port_id=port.id,
                orig_msg=f"port {port.id} is attached to server {port.device_id}",
                orig_code=409,
            )


def _remove_groups(tx: sqlite3.Connection, name: str) -> None:
    while group_id := groups.find(tx, name):
        for port in ports.with_group(tx, group_id):
            if (port.name or "").startswith(naming.VRRP):
                ports.delete(tx, port.id)
            else:
                lending.give_back(tx, port, group_id)
        groups.delete(tx, group_id)
