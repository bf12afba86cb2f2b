# SPDX-License-Identifier: Apache-2.0
"""What the contract suite knows of a network besides the interface under test.

A test acts through the interface and looks through its :class:`World`, which asks the
network itself. One exists for each kind of network.
"""

from __future__ import annotations

import abc
import dataclasses
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
    Listener,
    LoadBalancer,
    Port,
)

#: What the ids of everything that tests make begin with, so that what a killed run left
#: behind can be told from a real load balancer's.
MARK = "7e577e57"


def new_id() -> str:
    """Return an id that bears the mark."""
    return MARK + str(uuid.uuid4())[len(MARK) :]


def twice_at_once(call: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
    """Make a call twice at the same time, as two workers might, and return both."""
    with futures.ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(call, *args), pool.submit(call, *args)
        return first.result(), second.result()


@dataclasses.dataclass(frozen=True)
class Server:
    """A server of the cloud on which an amphora could run."""

    compute_id: str
    lb_network_ip: str


class World(abc.ABC):
    """A network with the contents that the lab cloud has."""

    project_id: str
    servers: Sequence[Server]
    mgmt_network_id: str
    vip_network_id: str
    vip_subnet_id: str
    vip_subnet6_id: str
    member_network_ids: Sequence[str]

    @abc.abstractmethod
    def ports(self, **filters: str) -> list[Port]:
        """Return ports whose attributes have the given values."""

    @abc.abstractmethod
    def rules(self, group_name: str) -> set[Rule] | None:
        """Return the ingress rules of a group, None if there is no such group."""

    @abc.abstractmethod
    def group_ids(self, group_name: str) -> list[str]:
        """Return the ids of all groups with a name."""

    @abc.abstractmethod
    def make_port(self, network_id: str, name: str, ip_address: str = "") -> Port:
        """Create a port that somebody else owns."""

    @abc.abstractmethod
    def make_group(self, name: str) -> str:
        """Create a user's security group and return its id."""

    @abc.abstractmethod
    def delete_group(self, group_id: str) -> None:
        """Delete a security group."""

    @abc.abstractmethod
    def delete_port(self, port_id: str) -> None:
        """Delete a port, whosoever it is."""

    @abc.abstractmethod
    def occupy(self, port_id: str, compute_id: str) -> None:
        """Make a port a server's behind the driver's back."""

    @abc.abstractmethod
    def sweep(self) -> None:
        """Remove everything that bears the mark, and member ports of the servers."""

    def port(self, port_id: str | None) -> Port | None:
        """Return a port, None if it does not exist."""
        return next(iter(self.ports(id=port_id)), None) if port_id else None

    def leftovers(self) -> list[str]:
        """Name what of the tests is still there."""
        ours = (naming.OURS + MARK, naming.vrrp_port(MARK), f"stranger-{MARK}")
        members = {naming.member_port(server.compute_id) for server in self.servers}
        return [
            f"{port.name} {port.id} of {port.device_id!r}"
            for port in self.ports()
            if (port.name or "").startswith(ours) or port.name in members
        ] + self.groups_left()

    @abc.abstractmethod
    def groups_left(self) -> list[str]:
        """Name the security groups that bear the mark."""

    def stranger(self, network_id: str, ip_address: str = "") -> Port:
        """Create somebody else's port, findable by the mark."""
        return self.make_port(network_id, f"stranger-{new_id()}", ip_address)

    def strangers(self) -> list[Port]:
        """Return the strangers' ports that tests made."""
        marked = f"stranger-{MARK}"
        return [port for port in self.ports() if (port.name or "").startswith(marked)]

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
