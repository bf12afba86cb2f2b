# SPDX-License-Identifier: Apache-2.0
"""Where load balancers live: what a sandbox or a cloud holds that an experiment uses."""

from __future__ import annotations

import abc
import random
import uuid
from collections.abc import Sequence
from typing import Any, Self

import openstack

from networker.drivers import naming
from networker.drivers.sandbox.backdoor import Backdoor
from networker.models import ALLOCATED, VIP, Amphora, Listener, LoadBalancer
from tests.chaos.bench import until

#: What the ids of all load balancers and the names of all servers here begin with.
MARK = "c4a05"
#: Attributes of the cloud that change without anybody's doing.
_VOLATILE = {"updated_at", "revision_number", "location"}
_MADE = 120.0


class Ground(abc.ABC):
    """A network with servers that belong to one experiment.

    :param seed: of the load balancers' ids
    """

    servers: Sequence[tuple[str, str]]
    project_id: str
    vip_network_id: str
    vip_subnet_id: str
    member_network_ids: Sequence[str]

    def __init__(self, seed: int) -> None:
        # Two runs with one seed must not meet on one cloud.
        self.mark = f"{MARK}{uuid.uuid4().hex[:3]}"
        self._rng = random.Random(seed)

    @abc.abstractmethod
    def snapshot(self) -> dict[str, list[Any]]:
        """Return all that could differ afterwards: ports and groups, to the last item."""

    def new_id(self) -> str:
        """Return an id that bears the mark."""
        made = uuid.UUID(int=self._rng.getrandbits(128))
        return self.mark + str(made)[len(self.mark) :]

    def load_balancer(self, place: int) -> LoadBalancer:
        """Return a load balancer that exists nowhere yet, on two servers of its own.

        :param place: who shares one shares the servers
        """
        lb_id = self.new_id()
        servers = self.servers[2 * place : 2 * place + 2]
        return LoadBalancer(
            id=lb_id,
            project_id=self.project_id,
            topology="ACTIVE_STANDBY",
            vip=VIP(
                load_balancer_id=lb_id,
                network_id=self.vip_network_id,
                subnet_id=self.vip_subnet_id,
            ),
            listeners=[Listener(id=self.new_id(), protocol="HTTP", protocol_port=80)],
            amphorae=[
                Amphora(
                    id=self.new_id(),
                    load_balancer_id=lb_id,
                    compute_id=compute_id,
                    lb_network_ip=address,
                    status=ALLOCATED,
                )
                for compute_id, address in servers
            ],
        )


class SandboxGround(Ground):
    """A sandbox, all of it."""

    def __init__(self, sandbox: Backdoor, seed: int) -> None:
        super().__init__(seed)
        self._sandbox = sandbox
        networks = {n.name: n for n in sandbox.networks()}
        subnets = {s.name: s.id or "" for s in sandbox.subnets()}
        self.project_id = networks["vip-net"].project_id or ""
        self.vip_network_id = networks["vip-net"].id or ""
        self.vip_subnet_id = subnets["vip-subnet"]
        self.member_network_ids = [networks[f"member-net-{i}"].id or "" for i in (1, 2)]
        addresses = {
            port.device_id: port.fixed_ips[0].ip_address or ""
            for port in sandbox.ports()
        }
        self.servers = [
            (compute_id, addresses[compute_id])
            for _, compute_id in sorted(sandbox.servers().items())
        ]

    def snapshot(self) -> dict[str, list[Any]]:
        tables = self._sandbox.tables()
        return {kind: tables[kind] for kind in ("ports", "security_groups")}


class CloudGround(Ground):
    """What in a cloud belongs to this experiment; a context manager that removes it.

    :param cloud: its name in clouds.yaml
    :param own: how many servers to make; those named ``amphora-<number>`` are used if 0
    """

    def __init__(self, cloud: str, seed: int, own: int = 0) -> None:
        super().__init__(seed)
        connection = openstack.connect(cloud=cloud)
        self._neutron, self._nova = connection.network, connection.compute
        networks = {n.name: n for n in self._neutron.networks()}
        self.project_id = networks["vip-net"].project_id
        self.vip_network_id = networks["vip-net"].id
        subnets = {s.name: s.id for s in self._neutron.subnets()}
        self.vip_subnet_id = subnets["vip-subnet"]
        self.member_network_ids = [networks[f"member-net-{i}"].id for i in (1, 2)]
        self._management = networks["lb-mgmt-net"].id
        self._own = own

    def __enter__(self) -> Self:
        """Make the servers, or find them."""
        found = sorted(self._nova.servers(name="^amphora-[0-9]+$"), key=_name)
        try:
            found = self._make(found[0]) if self._own else found
        except BaseException:
            self.__exit__()
            raise
        self.servers = [
            (server.id, server.addresses["lb-mgmt-net"][0]["addr"]) for server in found
        ]
        return self

    def __exit__(self, *error: object) -> None:
        """Remove everything that bears the mark."""
        for server in self._nova.servers(name=f"^{self._prefix}"):
            self._nova.delete_server(server)
        for port in self._ports():
            if naming.OURS in port.name:
                self._neutron.delete_port(port)
        for group in self._groups():
            self._neutron.delete_security_group(group)

    def snapshot(self) -> dict[str, list[Any]]:
        return {
            "ports": sorted(map(_stable, self._ports()), key=_id),
            "security_groups": sorted(map(_stable, self._groups()), key=_id),
        }

    @property
    def _prefix(self) -> str:
        return f"chaos-{self.mark}-"

    def _make(self, like: Any) -> list[Any]:
        for number in range(self._own):
            self._nova.create_server(
                name=f"{self._prefix}{number}",
                image_id=like.image.id,
                flavor_id=self._flavor(like),
                networks=[{"uuid": self._management}],
            )
        until(lambda: len(self._active()) == self._own, "servers", _MADE, every=0.5)
        return self._active()

    def _flavor(self, like: Any) -> str:
        name = like.flavor.get("original_name")
        return next(str(f.id) for f in self._nova.flavors() if f.name == name)

    def _active(self) -> list[Any]:
        servers = self._nova.servers(name=f"^{self._prefix}")
        return sorted((s for s in servers if s.status == "ACTIVE"), key=_name)

    def _ports(self) -> list[Any]:
        servers = [compute_id for compute_id, _ in getattr(self, "servers", ())]
        return [
            port
            for port in self._neutron.ports()
            if self.mark in f"{port.name} {port.device_id}"
            or port.device_id in servers
            or port.name in map(naming.member_port, servers)
        ]

    def _groups(self) -> list[Any]:
        return [g for g in self._neutron.security_groups() if self.mark in g.name]


def _name(server: Any) -> str:
    return str(server.name)


def _id(row: dict[str, Any]) -> str:
    return str(row["id"])


def _stable(resource: Any) -> dict[str, Any]:
    return {k: v for k, v in resource.to_dict().items() if k not in _VOLATILE}
