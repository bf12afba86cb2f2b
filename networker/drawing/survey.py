# SPDX-License-Identifier: Apache-2.0
"""Find what a load balancer has, by the interface's questions alone, and what it lacks.

Each trouble is something that :meth:`~networker.drivers.base.NetworkDriver.allocate_vip`
or :meth:`~networker.drivers.base.NetworkDriver.plug_vip` promises and that is not so. What
the interface has no question for is told as such, and never guessed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeVar

import msgspec

from networker import exceptions
from networker.drawing import promises
from networker.drivers import naming
from networker.drivers.base import NetworkDriver
from networker.models import (
    ALLOCATED,
    Amphora,
    Interface,
    LoadBalancer,
    Network,
    Port,
    SecurityGroup,
    Subnet,
    same_address,
)

Thing = TypeVar("Thing")
Role = Literal["VIP", "VRRP", "management", "interface"]

RULES = (
    "The interface tells how many rules a security group has, and not what they allow."
)
AMPHORAE = "The interface finds no amphorae by their load balancer. Name them to see their ports."
SERVER = (
    "The interface does not tell whether a server runs, nor what is configured in it."
)


@dataclasses.dataclass(frozen=True)
class Plug:
    """A port, as it is and as it should be.

    :param role: what it is for
    :param port: None if it was not found
    :param troubles: what is not as it should be, a sentence for each
    """

    role: Role
    port: Port | None
    troubles: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Server:
    """An amphora with its ports.

    :param amphora: as it was named; `compute_id` is filled in if a port told it
    :param plugs: its VRRP port first
    :param troubles: what is not as it should be with it as a whole
    """

    amphora: Amphora
    plugs: tuple[Plug, ...]
    troubles: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Group:
    """A security group.

    :param id: its id
    :param name: None if it was not told
    :param rules: how many it has; None if that was not told
    """

    id: str
    name: str | None = None
    rules: int | None = None


@dataclasses.dataclass(frozen=True)
class Survey:
    """What was found.

    :param load_balancer: as it was asked for
    :param vip: its VIP's port
    :param groups: security groups, the load balancer's own first
    :param servers: of the amphorae that were named
    :param networks: of all ports, by id
    :param subnets: of all addresses, by id
    :param missing: what is not there at all, a sentence for each
    :param untold: what the interface could not tell
    """

    load_balancer: LoadBalancer
    vip: Plug
    groups: tuple[Group, ...]
    servers: tuple[Server, ...]
    networks: dict[str, Network]
    subnets: dict[str, Subnet]
    missing: tuple[str, ...]
    untold: tuple[str, ...]

    @property
    def troubles(self) -> list[str]:
        """All that is not as it should be, with what it is about."""
        found = [*self.missing, *self.vip.troubles]
        for server in self.servers:
            name = f"amphora {server.amphora.id or server.amphora.compute_id}"
            found += [f"{name}: {text}" for text in server.troubles]
            found += [f"{name}: {t}" for plug in server.plugs for t in plug.troubles]
        return found


def survey(driver: NetworkDriver, load_balancer: LoadBalancer) -> Survey:
    """Ask for all that a load balancer has on the network.

    :param driver: a driver, or a client of one
    :param load_balancer: needs `id`. Amphorae are looked at that are in it, with `id`,
        `compute_id` or both; a VIP's port that a user brought is found by `vip.port_id`.
    :raises InvalidRequest: it has no id
    :raises NetworkException: the network or the workers cannot be asked
    """
    return _Surveyor(driver, load_balancer).survey()


class _Surveyor:
    """One round of questions."""

    def __init__(self, driver: NetworkDriver, load_balancer: LoadBalancer) -> None:
        if not load_balancer.id:
            raise exceptions.InvalidRequest("load_balancer.id is missing")
        self._driver = driver
        self._lb = load_balancer
        self._missing: list[str] = []
        self._untold = [RULES]

    def survey(self) -> Survey:
        port = self._vip_port()
        own = self._own_group()
        troubles = promises.of_vip(port, own, self._lb) if port else []
        servers = tuple(
            self._server(amphora, port, own)
            for amphora in self._lb.amphorae
            if amphora.status != "DELETED"
        )
        self._untold.append(SERVER if servers else AMPHORAE)
        vip = Plug("VIP", port, tuple(f"VIP's port: {text}" for text in troubles))
        plugs = [vip, *(plug for server in servers for plug in server.plugs)]
        ports = [plug.port for plug in plugs if plug.port]
        return Survey(
            load_balancer=self._lb,
            vip=vip,
            groups=self._groups(own, ports),
            servers=servers,
            networks=self._networks(ports),
            subnets=self._subnets(ports),
            missing=tuple(self._missing),
            untold=tuple(self._untold),
        )

    def _vip_port(self) -> Port | None:
        given = self._lb.vip.port_id if self._lb.vip else None
        name = naming.vip_port(self._lb.id or "")
        try:
            if given:
                return self._driver.get_port(given)
            return self._driver.get_port_by_name(name)
        except exceptions.PortNotFound:
            if given:
                self._missing.append(f"The VIP's port {given} does not exist.")
            else:
                self._missing.append(f"There is no VIP's port that is named {name}.")
                self._untold.append(
                    "A port that a user brought for the VIP has another name, and the "
                    "interface finds it by its id alone."
                )
        return None

    def _own_group(self) -> SecurityGroup | None:
        name = naming.vip_device(self._lb.id or "")
        try:
            found = self._driver.get_security_group(name)
        except exceptions.SecurityGroupNotFound:
            self._missing.append(f"There is no security group {name}.")
            return None
        if found is None:
            self._untold.append("The cloud has no security groups.")
        return found

    def _server(
        self, amphora: Amphora, vip: Port | None, own: SecurityGroup | None
    ) -> Server:
        named = self._vrrp_port(amphora)
        compute_id = amphora.compute_id or (named and named.device_id) or None
        troubles: list[str] = []
        interfaces: list[Interface] = []
        if compute_id:
            try:
                interfaces = self._driver.get_plugged_networks(compute_id)
            except exceptions.AmphoraNotFound:
                troubles.append(f"The server {compute_id} does not exist.")
        else:
            troubles.append(
                "No port tells on which server it is, so its other ports are not known."
            )
        ports = self._ports(interfaces)
        vrrp = named or promises.carrier(ports, vip)
        expected = promises.Expected(amphora, compute_id, vip, own)
        if vrrp is None and amphora.status in {None, ALLOCATED}:
            troubles.append("It has no VRRP port: the VIP is not plugged.")
        plugs = [self._vrrp_plug(vrrp, expected, ports)] if vrrp else []
        rest = [port for port in ports if vrrp is None or port.id != vrrp.id]
        plugs += [self._other_plug(port, amphora) for port in rest]
        known = msgspec.structs.replace(amphora, compute_id=compute_id)
        return Server(known, tuple(plugs), tuple(troubles))

    def _vrrp_port(self, amphora: Amphora) -> Port | None:
        try:
            if amphora.vrrp_port_id:
                return self._driver.get_port(amphora.vrrp_port_id)
            if amphora.id:
                return self._driver.get_port_by_name(naming.vrrp_port(amphora.id))
        except exceptions.PortNotFound:
            pass
        return None

    def _ports(self, interfaces: Sequence[Interface]) -> list[Port]:
        """Return the ports of a server's interfaces; without those that have just gone."""
        ids = sorted({each.port_id for each in interfaces if each.port_id})
        if not ids:
            return []
        try:
            return self._driver.get_ports(ids)
        except exceptions.PortNotFound:
            return [port for one in ids for port in self._one_port(one)]

    def _one_port(self, port_id: str) -> list[Port]:
        try:
            return [self._driver.get_port(port_id)]
        except exceptions.PortNotFound:
            return []

    def _vrrp_plug(
        self, port: Port, expected: promises.Expected, plugged: Sequence[Port]
    ) -> Plug:
        return Plug("VRRP", port, tuple(promises.of_vrrp(port, expected, plugged)))

    def _other_plug(self, port: Port, amphora: Amphora) -> Plug:
        addresses = [ip.ip_address for ip in port.fixed_ips]
        managed = any(same_address(ip, amphora.lb_network_ip) for ip in addresses)
        role: Role = "management" if managed else "interface"
        return Plug(role, port, tuple(promises.of_interface(port)))

    def _groups(
        self, own: SecurityGroup | None, ports: Iterable[Port]
    ) -> tuple[Group, ...]:
        groups = [_group(own)] if own else []
        used = {group_id for port in ports for group_id in port.security_group_ids}
        known = {group.id for group in groups}
        for group_id in sorted(used - known):
            found = _shown(self._driver.get_security_group_by_id, group_id)
            groups.append(_group(found) if found else Group(group_id))
        return tuple(groups)

    def _networks(self, ports: Iterable[Port]) -> dict[str, Network]:
        ids = {port.network_id for port in ports if port.network_id}
        return self._all_shown("network", self._driver.get_network, ids)

    def _subnets(self, ports: Iterable[Port]) -> dict[str, Subnet]:
        ids = {ip.subnet_id for p in ports for ip in p.fixed_ips if ip.subnet_id}
        return self._all_shown("subnet", self._driver.get_subnet, ids)

    def _all_shown(
        self, kind: str, question: Callable[[str], Thing], ids: Iterable[str]
    ) -> dict[str, Thing]:
        found = {}
        for each in sorted(ids):
            thing = _shown(question, each)
            if thing is None:
                self._untold.append(f"The {kind} {each} is not shown to the service.")
            else:
                found[each] = thing
        return found


def _shown(question: Callable[[str], Thing], wanted: str) -> Thing | None:
    """Return what is found by its id; None if it is hidden from the service.

    A cloud may refuse what belongs to another project instead of not finding it.
    """
    try:
        return question(wanted)
    except (exceptions.BusError, exceptions.Retriable):
        raise
    except exceptions.NetworkException:
        return None


def _group(found: SecurityGroup) -> Group:
    return Group(found.id or "", found.name, len(found.security_group_rule_ids))
