# SPDX-License-Identifier: Apache-2.0
"""Ports that another load balancer uses, which nobody's VIP can be."""

from __future__ import annotations

from networker import exceptions
from networker.drivers import naming
from networker.drivers.neutron import translate
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.ports import is_ours
from networker.drivers.neutron.translate import Json


def refuse(cloud: Cloud, port: Json, owner: str) -> None:
    """Refuse a port for a load balancer's VIP that another one uses.

    What the driver made says whose it is. Of a user's port its security groups tell, as
    soon as the VIP is secured or plugged.

    :param owner: the load balancer's id
    :raises VIPInUse: another load balancer uses it
    """
    if port["device_owner"] == naming.OWNER and port["device_id"]:
        user = naming.owner_of(port["device_id"]) or port["device_id"]
    elif is_ours(port):
        user = "" if port["name"] == naming.vip_port(owner) else port["name"]
    else:
        named = {group["name"] for group in cloud.groups.named(translate.groups(port))}
        user = naming.owner_of(min(named - {naming.vip_device(owner)}, default=""))
    if user not in ("", owner):
        held = port["fixed_ips"]
        raise exceptions.VIPInUse(
            load_balancer_id=owner,
            ip_address=held[0]["ip_address"] if held else None,
            port_id=port["id"],
            orig_msg=f"port {port['id']} is used by another load balancer: {user}",
        )
