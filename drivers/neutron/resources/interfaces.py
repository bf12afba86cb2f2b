# SPDX-License-Identifier: Apache-2.0
"""Connect servers to member networks, and disconnect them.

A port is made for a server, a network, and the address that it was asked with if any.
If plug_vip has made it a VRRP port as well, it outlives the member: it gets the name of a
VRRP port, and goes when the VIP is unplugged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from networker.drivers import naming
from networker.drivers.base import NetworkDriver
from networker.drivers.delta import NewInterface, OldInterface
from networker.drivers.flow import OnFailure, Task, task
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import Json, PortAnswer
from networker.drivers.neutron.api.errors import Refused
from networker.drivers.neutron.resources import addresses, ownership
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.ownership import Claimed
from networker.drivers.neutron.resources.ports import require_address
from networker.drivers.operation import failing_as


def plug(cloud: Cloud, new: NewInterface, on_failure: OnFailure) -> PortAnswer:
    """Plug a server into a network, and return the port.

    :param on_failure: is told what unplugs it
    :raises PlugNetworkException: the cloud refused
    """
    name = f"plug {new.compute_id} into {new.network_id}"

    def once(relied: set[str]) -> PortAnswer:
        with OnFailure(name, on_failure) as on_failure_now:
            return _plug(cloud, new, relied, on_failure_now)

    with failing_as(
        NetworkDriver.plug_network,
        compute_id=new.compute_id,
        network_id=new.network_id,
        ip_address=new.address or None,
    ):
        return ownership.repeat_if_gone(once)


def _plug(
    cloud: Cloud, new: NewInterface, relied: set[str], on_failure: OnFailure
) -> PortAnswer:
    address = translation.canonical(new.address) if new.address else ""
    purpose = "member", new.compute_id, new.network_id, address
    claimed = cloud.ports.claim(_body(new), *purpose)
    on_failure(cloud.ports.disclaim, claimed)
    port = claimed.port
    relied.add(port["id"])
    held = {ip["subnet_id"] for ip in port["fixed_ips"]}
    wanted = [{"subnet_id": ip.subnet_id} for ip in new.fixed_ips if ip.subnet_id]
    if any(one["subnet_id"] not in held for one in wanted):
        # It was made for a call that wanted other subnets.
        port = addresses.exchange(cloud, port["id"], wanted, [], on_failure)
    require_address(port)
    if cloud.servers.attach(new.compute_id, Claimed(port, claimed.made)):
        on_failure(cloud.servers.unattach, new.compute_id, port)
    return port


def _body(new: NewInterface) -> Json:
    body: Json = {
        "name": naming.member_port(new.compute_id),
        "network_id": new.network_id,
        "device_owner": naming.OWNER,
    }
    places = []
    for fixed_ip in new.fixed_ips:
        place = {"subnet_id": fixed_ip.subnet_id} if fixed_ip.subnet_id else {}
        if fixed_ip.ip_address:
            place["ip_address"] = translation.canonical(fixed_ip.ip_address)
        places.append(place)
    if places:
        body["fixed_ips"] = places
    if new.vnic_type != "normal":
        body["binding:vnic_type"] = new.vnic_type
    return body


@dataclasses.dataclass(frozen=True)
class FoundInterfaces:
    """Interfaces that are to go.

    :param ports: those that are there
    :param carrying: those that carry a VIP besides, and stay for it
    :param missing: where there is none
    """

    ports: Sequence[PortAnswer]
    carrying: Sequence[PortAnswer]
    missing: Sequence[OldInterface]


def find(cloud: Cloud, wanted: Sequence[OldInterface]) -> FoundInterfaces:
    """Look for interfaces that the driver made, or Octavia's own.

    A VRRP port on the same network is another matter: plug_vip made it, and unplug_vip
    removes it. Who does not name it does not mean it.

    :raises UnplugNetworkException: there are only others, or one of the others is named
    """
    # By name first, since a port that was not attached yet has no device.
    names = sorted({name for one in wanted for name in _names(one)})
    place = {"network_id": sorted({one.network_id for one in wanted})}
    found = cloud.ports.list(name=names, **place)
    rest = [one for one in wanted if not _ours(one, found)]
    if rest:
        servers = sorted({one.compute_id for one in rest})
        found = [*found, *cloud.ports.list(device_id=servers, **place)]
    ports = {port["id"]: port for one in wanted for port in _ours(one, found)}
    missing = [one for one in rest if not _ours(one, found)]
    for one in missing:
        for port in found:
            if _is_others(one, port):
                text = f"port {port['id']} was not plugged through this interface"
                _refuse(one, text)
    carrying = _carrying(cloud, list(ports.values()))
    going = [port for port in ports.values() if port not in carrying]
    return FoundInterfaces(going, carrying, missing)


def _carrying(cloud: Cloud, ports: Sequence[PortAnswer]) -> list[PortAnswer]:
    """Return the ports that an amphora has its VIP on."""
    paired = [port for port in ports if port["allowed_address_pairs"]]
    held = {group_id for port in paired for group_id in translation.groups(port)}
    named = {group["id"] for group in cloud.groups.named(held)}
    return [port for port in paired if named & set(translation.groups(port))]


def remove(cloud: Cloud, operation: str, found: FoundInterfaces) -> None:
    """Disconnect servers; where nothing is connected, server and network must exist.

    :raises Refused: the cloud refused
    """
    networks = sorted({f"/networks/{one.network_id}" for one in found.missing})
    servers = sorted({one.compute_id for one in found.missing})
    get, require = cloud.network.get, cloud.servers.require
    looks: list[Task[Any]] = [task(get, name=path, path=path) for path in networks]
    looks += [task(require, name=server, compute_id=server) for server in servers]
    if looks:
        cloud.flows.run(f"{operation}: nothing is plugged", looks)
    for port in found.carrying:
        cloud.ports.update(port["id"], {"name": naming.vrrp_port(port["device_id"])})
    if found.ports:
        cloud.remove(operation, found.ports)


def _names(one: OldInterface) -> list[str]:
    """Return what this driver calls the ports, and what Octavia's tasks do."""
    return [naming.member_port(i) for i in (one.compute_id, one.amphora_id) if i]


def _ours(one: OldInterface, found: Sequence[PortAnswer]) -> list[PortAnswer]:
    return [
        port
        for port in found
        if _is_meant(one, port)
        and (
            (port["device_id"] == one.compute_id and _is_members(port))
            or (not port["device_id"] and port["name"] in _names(one))
        )
    ]


def _is_others(one: OldInterface, port: PortAnswer) -> bool:
    """Tell whether a port of a server is meant that no call about members may touch."""
    if port["device_id"] != one.compute_id or not _is_meant(one, port):
        return False
    was_members = port["name"] == naming.vrrp_port(one.compute_id)
    vrrp = str(port["name"]).startswith(naming.VRRP)
    return not vrrp or (one.is_named and not was_members)


def _is_members(port: PortAnswer) -> bool:
    return str(port["name"]).startswith(naming.MEMBER)


def _is_meant(one: OldInterface, port: PortAnswer) -> bool:
    return (
        port["network_id"] == one.network_id
        and one.port_id in (None, port["id"])
        and (one.address is None or translation.holds(port, one.address))
    )


def _refuse(one: OldInterface, text: str) -> None:
    with failing_as(
        NetworkDriver.unplug_network,
        compute_id=one.compute_id,
        network_id=one.network_id,
        ip_address=one.address,
    ):
        raise Refused(orig_msg=text)
