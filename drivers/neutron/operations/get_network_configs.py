# SPDX-License-Identifier: Apache-2.0
"""Return what amphorae have to know of their networks.

Everything that the arguments name is asked for at once, however many amphorae there are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from networker import exceptions
from networker.drivers.flow import task
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.vip import is_deleted
from networker.models import (
    VIP,
    AdditionalVIPData,
    Amphora,
    AmphoraNetworkConfig,
    LoadBalancer,
    Network,
    Port,
    Subnet,
)


def run(
    cloud: Cloud, load_balancer: LoadBalancer, amphora: Amphora | None
) -> dict[str, AmphoraNetworkConfig]:
    """Return what amphorae have to know of their networks."""
    vip = load_balancer.vip or VIP()
    left = [one for one in load_balancer.amphorae if not is_deleted(one)]
    wanted = [amphora] if amphora else left
    look = _Look(cloud)
    ports = {vip.port_id}
    ports |= {i for one in wanted for i in (one.vrrp_port_id, one.ha_port_id)}
    subnets = {vip.subnet_id, *(more.subnet_id for more in vip.additional)}
    look.fetch(ports=ports, subnets=subnets, networks={vip.network_id})
    look.follow(vip, wanted)
    found = {}
    for one in wanted:
        try:
            found[one.id or ""] = _config(look, vip, one)
        except exceptions.PortNotFound:
            if amphora is not None:
                raise
    return found


@dataclasses.dataclass
class _Look:
    """What was found, by id."""

    cloud: Cloud
    ports: dict[str, Port] = dataclasses.field(default_factory=dict)
    subnets: dict[str, Subnet] = dataclasses.field(default_factory=dict)
    networks: dict[str, Network] = dataclasses.field(default_factory=dict)

    def fetch(
        self,
        ports: Iterable[str | None] = (),
        subnets: Iterable[str | None] = (),
        networks: Iterable[str | None] = (),
    ) -> None:
        """Find what is not known yet, all at once."""
        missing = {
            "ports": _without(ports, self.ports),
            "subnets": _without(subnets, self.subnets),
            "networks": _without(networks, self.networks),
        }
        ask = self.cloud.network.list
        tasks = {
            kind: task(ask, name=kind, path=f"/{kind}", id=ids)
            for kind, ids in missing.items()
            if ids
        }
        if not tasks:
            return
        done = self.cloud.flows.run("get_network_configs", list(tasks.values()))
        found: dict[str, list[Any]] = {kind: done[one] for kind, one in tasks.items()}
        for port in found.get("ports", ()):
            self.ports[port["id"]] = translation.port(port)
        for subnet in found.get("subnets", ()):
            self.subnets[subnet["id"]] = translation.subnet(subnet)
        for network in found.get("networks", ()):
            self.networks[network["id"]] = translation.network(network)

    def follow(self, vip: VIP, amphorae: Iterable[Amphora]) -> None:
        """Find what only the ports name, and give the ports their networks."""
        wanted = {_subnet_of(self.ports.get(vip.port_id or ""), vip.ip_address)}
        for one in amphorae:
            wanted.add(_subnet_of(self.ports.get(one.vrrp_port_id or ""), one.vrrp_ip))
        for more in vip.additional:
            port = self.ports.get(vip.port_id or "")
            wanted.add(more.subnet_id or _subnet_of(port, more.ip_address))
        self.fetch(subnets=wanted, networks={p.network_id for p in self.ports.values()})
        for port in self.ports.values():
            port.network = self.networks.get(port.network_id or "")

    def port(self, port_id: str | None, what: str) -> Port:
        """Return a port.

        :param what: whose it is, for the message
        :raises PortNotFound: it does not exist, or is not known
        """
        if port_id not in self.ports:
            text = f"{what} does not exist: {port_id or 'its id is not known'}"
            raise exceptions.PortNotFound(text, port_id=port_id)
        return self.ports[port_id]

    def subnet(self, subnet_id: str | None) -> Subnet:
        """Return a subnet.

        :raises SubnetNotFound: it does not exist
        """
        if subnet_id not in self.subnets:
            raise exceptions.SubnetNotFound(subnet_id=subnet_id)
        return self.subnets[subnet_id]


def _config(look: _Look, vip: VIP, amphora: Amphora) -> AmphoraNetworkConfig:
    vrrp_port = look.port(amphora.vrrp_port_id, f"VRRP port of amphora {amphora.id}")
    ha_port = look.port(
        amphora.ha_port_id or vip.port_id, f"VIP port of amphora {amphora.id}"
    )
    vip_port = look.port(vip.port_id, "VIP port")
    vip_subnet = look.subnet(vip.subnet_id or _subnet_of(vip_port, vip.ip_address))
    return AmphoraNetworkConfig(
        amphora=amphora,
        vip_subnet=vip_subnet,
        vip_port=vip_port,
        vrrp_subnet=look.subnet(_subnet_of(vrrp_port, amphora.vrrp_ip)),
        vrrp_port=vrrp_port,
        ha_subnet=vip_subnet,
        ha_port=ha_port,
        additional_vip_data=[
            AdditionalVIPData(
                ip_address=more.ip_address,
                subnet=look.subnet(
                    more.subnet_id or _subnet_of(vip_port, more.ip_address)
                ),
            )
            for more in vip.additional
        ],
    )


def _subnet_of(port: Port | None, address: str | None) -> str | None:
    """Return the subnet of one of a port's addresses, of the first if it lacks it."""
    if port is None:
        return None
    first = port.fixed_ips[0].subnet_id if port.fixed_ips else None
    return port.get_subnet_id(address or "") or first


def _without(ids: Iterable[str | None], known: Mapping[str, object]) -> list[str]:
    return sorted({one for one in ids if one and one not in known})
