# SPDX-License-Identifier: Apache-2.0
"""What the contract suite knows of a network besides the interface under test.

A test acts through the interface and looks through its :class:`World`, which asks the
network itself. One exists for each kind of network.
"""

from __future__ import annotations

import dataclasses
import functools
import uuid
from collections.abc import Callable, Collection, Sequence
from concurrent import futures
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from networker.drivers import naming
from networker.drivers.base import NetworkDriver, operations
from networker.drivers.rules import Rule
from networker.models import (
    ALLOCATED,
    VIP,
    AdditionalVIP,
    Amphora,
    FixedIP,
    Listener,
    LoadBalancer,
    Port,
    Subnet,
    UserContext,
)

#: What begins the reason for which a test is skipped.
NOT_SUPPORTED = "not supported: "
NOT_OFFERED = "not offered by the world: "
#: Where nobody is (RFC 5737), for a network that has only two addresses.
SMALL = "192.0.2.0/30"
#: What Octavia calls ports on member networks.
MEMBER = f"{naming.OURS}member-"
#: What the ids of everything that tests make begin with, so that what a killed run left
#: behind can be told from a real load balancer's.
MARK = "7e577e57"
#: What the names of ports that tests make begin with.
MARKED = tuple(
    prefix + MARK for prefix in (naming.OURS, naming.VRRP, MEMBER, "stranger-", "port-")
)


#: How many of its contents a world has to have, if it has any.
_NEEDED = {"servers": 3, "member_network_ids": 2, "member_subnet_ids": 2}


def new_id() -> str:
    """Return an id that bears the mark."""
    return MARK + str(uuid.uuid4())[len(MARK) :]


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make calls at the same time, as several workers might, and return all answers."""
    with futures.ThreadPoolExecutor(len(calls)) as pool:
        return [one.result() for one in [pool.submit(call) for call in calls]]


def twice_at_once(call: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
    """Make a call twice at the same time, as two workers might, and return both."""
    first, second = at_once(*[functools.partial(call, *args)] * 2)
    return first, second


@dataclasses.dataclass(frozen=True)
class Server:
    """A server of the cloud on which an amphora could run."""

    compute_id: str
    lb_network_ip: str


def not_offered(name: str) -> NoReturn:
    """Skip the test, because the world does not have what it needs."""
    pytest.skip(f"{NOT_OFFERED}{name}")


class World:
    """A network, its contents, and the driver for it that is tested.

    An author derives one class, sets the attributes and writes the methods. What is left
    out is not offered: the tests that need it are skipped and counted. The tests know these
    contents by name: the network ``vip-net`` with the subnets ``vip-subnet``
    (10.20.0.0/20, gateway 10.20.0.1) and ``vip-subnet6`` (fd00:20::/64), ``lb-mgmt-net``
    with the first interface of each server, two member networks, of which the first has
    two subnets, an external network ``public`` and a QoS policy ``vip-qos``.

    It is made once for a run, without arguments.
    """

    #: The methods of the interface that the driver is meant to have; tests that call
    #: others are skipped and counted.
    supports: Collection[str] = frozenset(operations())

    #: The project of the users' networks and load balancers.
    project_id: str
    #: Three or more.
    servers: Sequence[Server]
    mgmt_network_id: str
    mgmt_subnet_id: str
    vip_network_id: str
    vip_subnet_id: str
    vip_subnet6_id: str
    #: Two.
    member_network_ids: Sequence[str]
    #: The two subnets of the first member network.
    member_subnet_ids: Sequence[str]
    qos_policy_id: str
    #: Whether it takes long to look at it.
    remote = False

    def __init__(self) -> None:
        self._ports: list[str] = []
        self._groups: list[str] = []
        self._networks: list[str] = []
        #: Ids of load balancers and amphorae that outlive a test.
        self.kept: set[str] = set()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Skip the test that needs what the world does not have."""
            if name.startswith("__") or name not in World.__annotations__:
                raise AttributeError(name)
            not_offered(name)

    def offers(self, name: str) -> bool:
        """Tell whether it has an attribute, or a method that this class leaves open."""
        if name in World.__annotations__:
            return name in vars(self) or name in vars(type(self))
        return getattr(type(self), name) is not getattr(World, name)

    def lacking(self) -> str:
        """Say of which of its contents there are too few; nothing if all is well."""
        for name, needed in _NEEDED.items():
            if self.offers(name) and len(getattr(self, name)) < needed:
                return f"World.{name}: the tests need {needed}, or no such attribute"
        return ""

    def driver(self) -> NetworkDriver:
        """Return the driver that is tested; called once."""
        raise NotImplementedError(f"{type(self).__name__} needs a method driver()")

    def close(self) -> None:
        """Release what the world has opened, after the last test."""

    def user_context(self) -> UserContext:
        """Return who a user of the project of the load balancers is."""
        not_offered("user_context")

    def ports(self, **filters: str) -> list[Port]:
        """Return ports whose attributes have the given values."""
        not_offered("ports")

    def rules(self, group_name: str) -> set[Rule] | None:
        """Return the ingress rules of a group, None if there is no such group."""
        not_offered("rules")

    def all_rules(self, group_name: str) -> list[str]:
        """Return all rules of a group, those that no driver makes included, as text."""
        not_offered("all_rules")

    def add_rule(self, group_name: str, **rule: Any) -> None:
        """Add a rule to a group, as Neutron's API takes it."""
        not_offered("add_rule")

    def remove_rule(self, group_name: str, rule: Rule) -> None:
        """Take a rule from a group."""
        not_offered("remove_rule")

    def group_ids(self, group_name: str) -> list[str]:
        """Return the ids of all groups of the service's with a name."""
        not_offered("group_ids")

    def delete_group(self, group_id: str) -> None:
        """Delete a security group."""
        not_offered("delete_group")

    def delete_port(self, port_id: str) -> None:
        """Delete a port, whosoever it is."""
        not_offered("delete_port")

    def set_groups(self, port_id: str, group_ids: list[str]) -> None:
        """Put a user's port into security groups, and into no others."""
        not_offered("set_groups")

    def occupy(self, port_id: str, compute_id: str) -> None:
        """Make a port a server's behind the driver's back."""
        not_offered("occupy")

    def small_subnet(self) -> Subnet:
        """Return a subnet, the only one of its network, that has two addresses."""
        not_offered("small_subnet")

    def create_network(self, name: str) -> str:
        """Create a user's network and return its id."""
        not_offered("create_network")

    def make_subnet(self, network_id: str, cidr: str, *, slaac: bool = False) -> str:
        """Create a subnet without a gateway on such a network, and return its id.

        :param slaac: whether ports derive their addresses from their MAC addresses, where
            there are clouds of which that can be asked
        """
        not_offered("make_subnet")

    def delete_subnet(self, subnet_id: str) -> None:
        """Delete a subnet that no port chose an address on."""
        not_offered("delete_subnet")

    def delete_network(self, network_id: str) -> None:
        """Delete a network."""
        not_offered("delete_network")

    def sweep(self) -> None:
        """Remove everything that bears the mark, and member ports of the servers."""
        for port in self._marked_ports():
            self.delete_port(port.id or "")

    def groups_left(self) -> list[str]:
        """Name the security groups that bear the mark."""
        return []

    def create_port(self, network_id: str, name: str, places: list[FixedIP]) -> Port:
        """Create a user's port."""
        not_offered("create_port")

    def create_group(self, name: str, project: str) -> str:
        """Create a security group and return its id."""
        not_offered("create_group")

    def port(self, port_id: str | None) -> Port | None:
        """Return a port, None if it does not exist."""
        return next(iter(self.ports(id=port_id)), None) if port_id else None

    def stranger(
        self,
        network_id: str,
        ip_address: str = "",
        subnet_id: str = "",
        name: str | None = None,
    ) -> Port:
        """Create a user's port, which is removed when the test is over."""
        place = FixedIP(subnet_id=subnet_id or None, ip_address=ip_address or None)
        places = [place] if ip_address or subnet_id else []
        port = self.create_port(network_id, name or f"stranger-{new_id()}", places)
        self._ports.append(port.id or "")
        return port

    def strangers(self, port_id: str) -> None:
        """Let a port be removed when the test is over, whoever made it."""
        self._ports.append(port_id)

    def free_address(self, network_id: str, subnet_id: str = "") -> str:
        """Return an address that nobody has."""
        port = self.stranger(network_id, subnet_id=subnet_id)
        self.delete_port(port.id or "")
        return port.fixed_ips[0].ip_address or ""

    def make_group(self, name: str, project: str = "demo") -> str:
        """Create a security group, which is removed when the test is over.

        :param project: ``demo``, a user's, or ``service``, the driver's own
        """
        self._groups.append(self.create_group(name, project))
        return self._groups[-1]

    def make_network(self) -> str:
        """Create a network without a subnet, which is removed when the test is over."""
        self._networks.append(self.create_network(f"net-{new_id()}"))
        return self._networks[-1]

    def tidy(self) -> None:
        """Remove what a test made here."""
        while self._ports:
            self.delete_port(self._ports.pop())
        while self._groups:
            self.delete_group(self._groups.pop())
        while self._networks:
            self.delete_network(self._networks.pop())

    def leftovers(self) -> list[str]:
        """Name what of the tests is still there."""
        ports = [
            f"{port.name} {port.id} of {port.device_id!r}"
            for port in self._marked_ports()
        ]
        found = ports + self.groups_left()
        return [one for one in found if not any(kept in one for kept in self.kept)]

    def _marked_ports(self) -> list[Port]:
        ports = self.ports() if self.offers("ports") else []
        return [port for port in ports if self.is_marked(port.name or "")]

    def is_marked(self, name: str) -> bool:
        """Tell whether tests gave a name to a port, or are the reason for it."""
        servers = self.servers if self.offers("servers") else []
        members = {naming.member_port(server.compute_id) for server in servers}
        return name in members or name.startswith(MARKED)

    def load_balancer(
        self, amphorae: int = 2, topology: str = "ACTIVE_STANDBY", dual: bool = False
    ) -> LoadBalancer:
        """Return a load balancer of this world that exists nowhere yet."""
        lb_id = new_id()
        vip = VIP(
            load_balancer_id=lb_id,
            network_id=self.vip_network_id,
            subnet_id=self.vip_subnet_id,
            additional=[AdditionalVIP(subnet_id=self.vip_subnet6_id)] if dual else [],
        )
        return LoadBalancer(
            id=lb_id,
            name="contract",
            project_id=self.project_id,
            topology=topology,
            vip=vip,
            listeners=[
                Listener(
                    id=new_id(), protocol="HTTP", protocol_port=80, peer_port=1025
                ),
                Listener(id=new_id(), protocol="UDP", protocol_port=53),
            ],
            amphorae=[
                Amphora(
                    id=new_id(),
                    load_balancer_id=lb_id,
                    compute_id=server.compute_id,
                    lb_network_ip=server.lb_network_ip,
                    status=ALLOCATED,
                )
                for server in self.servers[:amphorae]
            ],
        )
