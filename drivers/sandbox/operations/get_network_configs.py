# SPDX-License-Identifier: Apache-2.0
"""Return what amphorae have to know of their networks."""

from __future__ import annotations

import sqlite3

import msgspec

from networker import exceptions
from networker.drivers.sandbox.records import inventory, ports
from networker.drivers.vip import is_deleted
from networker.models import (
    VIP,
    AdditionalVIP,
    AdditionalVIPData,
    Amphora,
    AmphoraNetworkConfig,
    LoadBalancer,
    Port,
    Subnet,
)


def run(
    tx: sqlite3.Connection, load_balancer: LoadBalancer, only: Amphora | None
) -> dict[str, AmphoraNetworkConfig]:
    """Return what amphorae have to know of their networks."""
    vip = load_balancer.vip or VIP()
    if only is not None:
        return {only.id or "": _config(tx, vip, only)}
    found = {}
    for amphora in load_balancer.amphorae:
        if not is_deleted(amphora):
            try:
                found[amphora.id or ""] = _config(tx, vip, amphora)
            except exceptions.PortNotFound:
                continue
    return found


def _config(tx: sqlite3.Connection, vip: VIP, amphora: Amphora) -> AmphoraNetworkConfig:
    vip_port = _port(tx, vip.port_id)
    vrrp_port = _port(tx, amphora.vrrp_port_id)
    ha_port = _port(tx, amphora.ha_port_id or vip.port_id)
    vip_subnet = _subnet(tx, vip, vip_port)
    vrrp_subnet_id = vrrp_port.get_subnet_id(amphora.vrrp_ip or "")
    return AmphoraNetworkConfig(
        amphora=amphora,
        vip_subnet=vip_subnet,
        vip_port=vip_port,
        vrrp_subnet=inventory.subnet(tx, vrrp_subnet_id) if vrrp_subnet_id else None,
        vrrp_port=vrrp_port,
        ha_subnet=vip_subnet,
        ha_port=ha_port,
        additional_vip_data=[
            AdditionalVIPData(
                ip_address=more.ip_address, subnet=_subnet(tx, more, vip_port)
            )
            for more in vip.additional
        ],
    )


def _port(tx: sqlite3.Connection, port_id: str | None) -> Port:
    port = ports.get(tx, port_id or "")
    network = inventory.network(tx, port.network_id or "")
    return msgspec.structs.replace(port, network=network)


def _subnet(
    tx: sqlite3.Connection, place: VIP | AdditionalVIP, port: Port
) -> Subnet | None:
    subnet_id = place.subnet_id or port.get_subnet_id(place.ip_address or "")
    return inventory.subnet(tx, subnet_id) if subnet_id else None
