# SPDX-License-Identifier: Apache-2.0
"""A cloud with the lab's contents, and the servers that stand for amphorae there.

All that a run makes bears a mark, so that what a killed run left is removed by the next.
"""

from __future__ import annotations

import contextlib
import functools
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import openstack

from networker.drivers import naming
from networker.testing import processes
from tests.bench.conditions import Setup
from tests.bench.ends.lives import Place, Server
from tests.chaos.bench import Bench, until

#: What the ids of all load balancers and amphorae begin with, and the names of servers.
MARK = "be9c4a11"
SERVER = f"networker-bench-{MARK}-"
_MARKED = tuple(
    prefix + MARK for prefix in (naming.OURS, naming.VRRP, f"{naming.OURS}member-")
)
#: Seconds that Nova has for a server, and to see that a port is gone.
_PATIENCE = 120.0


def new_id() -> str:
    """Return an id that bears the mark."""
    return MARK + str(uuid.uuid4())[len(MARK) :]


class Site:
    """The cloud, as an operator sees it.

    :param cloud: its name in clouds.yaml
    """

    def __init__(self, cloud: str) -> None:
        connection = openstack.connect(cloud=cloud)
        self._neutron, self._nova = connection.network, connection.compute
        self._model = next(iter(self._nova.servers(name="^amphora-0$")))
        networks = {network.name: network for network in self._neutron.networks()}
        subnets = {subnet.name: subnet.id for subnet in self._neutron.subnets()}
        self._mgmt_id = networks["lb-mgmt-net"].id
        self._additional = [subnets["vip-subnet6"], subnets["vip-subnet"]]
        self.place = Place(
            cloud=cloud,
            project_id=networks["vip-net"].project_id,
            vip_network_id=networks["vip-net"].id,
            vip_subnet_id=subnets["vip-subnet"],
            member_network_id=networks["member-net-1"].id,
            member_subnet_id=subnets["member-subnet-1"],
        )
        self._servers: list[Any] = []

    @contextlib.contextmanager
    def swept(self) -> Iterator[None]:
        """Leave nothing behind that a run has made, this one or one before."""
        self._sweep()
        try:
            yield
        finally:
            self._sweep()

    def boot(self, count: int) -> list[Server]:
        """Make servers like amphora-0, all at the same time, and wait for them."""
        flavor = self._nova.find_flavor(self._model.flavor.name, ignore_missing=False)
        made = [
            self._nova.create_server(
                name=f"{SERVER}{number}",
                flavor_id=flavor.id,
                image_id=self._model.image.id,
                networks=[{"uuid": self._mgmt_id}],
            )
            for number in range(count)
        ]
        self._servers = [
            self._nova.wait_for_server(server, interval=0.5, wait=_PATIENCE)
            for server in made
        ]
        return [_amphora(server) for server in self._servers]

    def widen(self, balancer_id: str) -> list[dict[str, str]]:
        """Give a VIP's port two addresses more, and return those."""
        device = naming.vip_device(balancer_id)
        (port,) = self._neutron.ports(device_id=device)
        wanted = [{"subnet_id": subnet_id} for subnet_id in self._additional]
        had = [ip["ip_address"] for ip in port.fixed_ips]
        port = self._neutron.update_port(port, fixed_ips=[*port.fixed_ips, *wanted])
        return [
            {"subnet_id": ip["subnet_id"], "ip_address": ip["ip_address"]}
            for ip in port.fixed_ips
            if ip["ip_address"] not in had
        ]

    def settle(self) -> None:
        """Remove what lives have left, and wait until Nova has seen that it is gone.

        :raises TimeoutError: it did not
        """
        for port in list(self._neutron.ports()):
            if (port.name or "").startswith(_MARKED):
                self._neutron.delete_port(port)
        for group in list(self._neutron.security_groups()):
            if group.name.startswith(naming.DEVICE + MARK):
                self._neutron.delete_security_group(group)
        for server in self._servers:
            until(functools.partial(self._is_bare, server), "Nova", every=0.2)

    def _is_bare(self, server: Any) -> bool:
        return len(list(self._nova.server_interfaces(server))) == 1

    def _sweep(self) -> None:
        self._servers = []
        found = [s for s in self._nova.servers() if s.name.startswith(SERVER)]
        for server in found:
            self._nova.delete_server(server, ignore_missing=True)
        for server in found:
            self._nova.wait_for_delete(server, interval=0.5, wait=_PATIENCE)
        self.settle()


def _amphora(server: Any) -> Server:
    address = next(iter(server.addresses.values()))[0]["addr"]
    return Server(amphora_id="", compute_id=server.id, lb_network_ip=address)


def workers(
    setup: Setup, name: str, neutron: Mapping[str, object], **options: object
) -> Bench:
    """Return a bench whose workers drive a cloud; none of them is started.

    :param name: of the experiment
    :param neutron: options of [neutron], that name the cloud
    :param options: of [networker]
    """
    unique = f"{name}-{uuid.uuid4().hex[:8]}"
    settings: processes.Settings = {
        "DEFAULT": {"transport_url": setup.node.url},
        "networker": {
            "driver": "neutron",
            "workers": 1,
            "topic": unique,
            "exchange": unique,
            **options,
        },
        "neutron": neutron,
    }
    return Bench(setup.directory / unique, settings)
