# SPDX-License-Identifier: Apache-2.0
"""What the contract suite knows of a network besides the interface under test.

A test acts through the interface and looks through its :class:`World`, which asks the
network itself. One exists for each kind of network.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import uuid
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any

from networker.drivers import naming
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

#: What Octavia calls ports on member networks.
MEMBER = f"{naming.OURS}member-"
#: What the ids of everything that tests make begin with, so that what a killed run left
#: behind can be told from a real load balancer's.
MARK = "7e577e57"
#: What the names of ports that tests make begin with.
MARKED = tuple(
    prefix + MARK for prefix in (naming.OURS, naming.VRRP, MEMBER, "stranger-", "port-")
)


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


class World(abc.ABC):
    """A network with the contents that the lab cloud has."""

    #: The project of the users' networks and load balancers.
    project_id: str
    servers: Sequence[Server]
    mgmt_network_id: str
    mgmt_subnet_id: str
    vip_network_id: str
    vip_subnet_id: str
    vip_subnet6_id: str
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

    @abc.abstractmethod
    def user_context(self) -> UserContext:
        """Return who a user of the project of the load balancers is."""

    @abc.abstractmethod
    def ports(self, **filters: str) -> list[Port]:
        """Return ports whose attributes have the given values."""

    @abc.abstractmethod
    def rules(self, group_name: str) -> set[Rule] | None:
        """Return the ingress rules of a group, None if there is no such group."""

    @abc.abstractmethod
    def all_rules(self, group_name: str) -> list[str]:
        """Return all rules of a group, those that no driver makes included, as text."""

    @abc.abstractmethod
    def add_rule(self, group_name: str, **rule: Any) -> None:
        """Add a rule to a group, as Neutron's API takes it."""

    @abc.abstractmethod
    def remove_rule(self, group_name: str, rule: Rule) -> None:
        """Take a rule from a group."""

    @abc.abstractmethod
    def group_ids(self, group_name: str) -> list[str]:
        """Return the ids of all groups of the service's with a name."""

    @abc.abstractmethod
    def delete_group(self, group_id: str) -> None:
        """Delete a security group."""

    @abc.abstractmethod
    def delete_port(self, port_id: str) -> None:
        """Delete a port, whosoever it is."""

    @abc.abstractmethod
    def set_groups(self, port_id: str, group_ids: list[str]) -> None:
        """Put a user's port into security groups, and into no others."""

    @abc.abstractmethod
    def occupy(self, port_id: str, compute_id: str) -> None:
        """Make a port a server's behind the driver's back."""

    @abc.abstractmethod
    def small_subnet(self) -> Subnet:
        """Return a subnet, the only one of its network, that has two addresses."""

    @abc.abstractmethod
    def _make_network(self, name: str) -> str:
        """Create a user's network and return its id."""

    @abc.abstractmethod
    def make_subnet(self, network_id: str, cidr: str, *, slaac: bool = False) -> str:
        """Create a subnet without a gateway on such a network, and return its id.

        :param slaac: whether ports derive their addresses from their MAC addresses, where
            there are clouds of which that can be asked
        """

    @abc.abstractmethod
    def delete_subnet(self, subnet_id: str) -> None:
        """Delete a subnet that no port chose an address on."""

    @abc.abstractmethod
    def delete_network(self, network_id: str) -> None:
        """Delete a network."""

    @abc.abstractmethod
    def sweep(self) -> None:
        """Remove everything that bears the mark, and member ports of the servers."""

    @abc.abstractmethod
    def groups_left(self) -> list[str]:
        """Name the security groups that bear the mark."""

    @abc.abstractmethod
    def _make_port(self, network_id: str, name: str, places: list[FixedIP]) -> Port:
        """Create a user's port."""

    @abc.abstractmethod
    def _make_group(self, name: str, project: str) -> str:
        """Create a security group and return its id."""

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
        port = self._make_port(network_id, name or f"stranger-{new_id()}", places)
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
        self._groups.append(self._make_group(name, project))
        return self._groups[-1]

    def make_network(self) -> str:
        """Create a network without a subnet, which is removed when the test is over."""
        self._networks.append(self._make_network(f"net-{new_id()}"))
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
            for port in self.ports()
            if self.is_marked(port.name or "")
        ]
        found = ports + self.groups_left()
        return [one for one in found if not any(kept in one for kept in self.kept)]

    def is_marked(self, name: str) -> bool:
        """Tell whether tests gave a name to a port, or are the reason for it."""
        members = {naming.member_port(server.compute_id) for server in self.servers}
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
