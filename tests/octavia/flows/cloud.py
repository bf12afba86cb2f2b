# SPDX-License-Identifier: Apache-2.0
"""The cloud as its operator sees it: what a run made there, and how to remove it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from typing import Any

import openstack
import tenacity
from openstack.compute.v2.server import Server
from openstack.network.v2.port import Port
from openstack.network.v2.security_group import SecurityGroup

#: Seconds that Nova has to delete a server.
_PATIENCE = 120.0


@dataclasses.dataclass(frozen=True)
class View:
    """What belongs to a load balancer.

    :param attached: ids of the ports that Nova lists for these servers
    """

    ports: list[Port]
    groups: list[SecurityGroup]
    servers: list[Server]
    attached: set[str]


class Cloud:
    """A cloud with the contents that the lab has.

    :param name: its name in clouds.yaml; the user must see all projects
    """

    def __init__(self, name: str) -> None:
        self.name = name
        connection = openstack.connect(cloud=name)
        self._network, self._compute = connection.network, connection.compute
        networks = {n.name: n for n in self._network.networks()}
        self.networks = _ids(networks.values())
        self.subnets = _ids(self._network.subnets())
        self.policies = _ids(self._network.qos_policies())
        self.flavors = _ids(self._compute.flavors())
        self.projects = {
            "user": str(networks["vip-net"].project_id),
            "service": str(connection.current_project_id),
        }
        owned = self._network.security_groups(project_id=self.projects["service"])
        self.mgmt_group = _ids(owned)["lb-mgmt-sec-grp"]

    def names(self) -> dict[str, str]:
        """Return what ids are called that are not made by a run."""
        owners = {id_: name for name, id_ in self.projects.items()}
        names = {
            g.id: f"{g.name} of {owners.get(g.project_id)}"
            for g in self._network.security_groups(name="default")
        }
        for found in (self.networks, self.subnets, self.policies):
            names |= {id_: name for name, id_ in found.items()}
        return {**names, **owners, self.mgmt_group: "lb-mgmt-sec-grp"}

    def look(self, ids: Collection[str]) -> View:
        """Return every port, group and server that mentions one of these ids."""

        def ours(*texts: str | None) -> bool:
            return any(one in text for text in texts if text for one in ids)

        servers = [s for s in self._compute.servers() if ours(s.id, s.name)]
        groups = [g for g in self._network.security_groups() if ours(g.name)]
        group_ids = {g.id for g in groups}
        devices = {s.id for s in servers}
        ports = [
            p
            for p in self._network.ports()
            if ours(p.id, p.name, p.device_id, p.description)
            or p.device_id in devices
            or group_ids & set(p.security_group_ids)
        ]
        return View(ports, groups, servers, self._attached(servers))

    def user_group(self, load_balancer_id: str) -> str:
        """Make a security group of the user's for a load balancer, and return its id."""
        group = self._network.create_security_group(
            name=f"users-{load_balancer_id}", project_id=self.projects["user"]
        )
        return str(group.id)

    def delete_user_group(self, load_balancer_id: str) -> None:
        """Delete it, if it was made."""
        group = self._network.find_security_group(f"users-{load_balancer_id}")
        if group:
            self._network.delete_security_group(group)

    def sweep(self, ids: Collection[str]) -> None:
        """Delete all that mentions one of these ids."""
        view = self.look(ids)
        for server in view.servers:
            self._compute.delete_server(server)
        for server in view.servers:
            self._wait_until_gone(server)
        # Nova deletes the ports that it made.
        for port in self.look(ids).ports:
            self._network.delete_port(port)
        for group in view.groups:
            self._network.delete_security_group(group)

    def _attached(self, servers: list[Server]) -> set[str]:
        found: set[str] = set()
        for server in servers:
            try:
                found |= {i.port_id for i in self._compute.server_interfaces(server)}
            except openstack.exceptions.NotFoundException:
                continue  # deleted meanwhile
        return found

    def _wait_until_gone(self, server: Server) -> None:
        tenacity.Retrying(
            retry=tenacity.retry_if_result(bool),
            wait=tenacity.wait_fixed(0.5),
            stop=tenacity.stop_after_delay(_PATIENCE),
        )(self._compute.find_server, server.id)


def _ids(resources: Iterable[Any]) -> dict[str, str]:
    return {resource.name: resource.id for resource in resources}
