# SPDX-License-Identifier: Apache-2.0
"""The fewest requests that make and remove a load balancer, sent by hand.

Nothing is found again, agreed on or taken back, as any driver has to. So no driver is
faster on the same cloud.
"""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split

import contextlib
from collections.abc import Sequence
from concurrent import futures
from typing import Any

import openstack

from networker.drivers import naming
from tests.bench.ends import lives, loop
from tests.chaos.bench import until

#: Nova detaches ports after it has answered. Seconds between two looks.
_LOOK_EVERY = 0.5


class Life:
    """A load balancer, and the requests for it.

    :param pool: has a thread for each of the requests that are sent at the same time
    """

    def __init__(
        self,
        connection: openstack.connection.Connection,
        pool: futures.Executor,
        place: lives.Place,
        step: lives.Step,
    ) -> None:
        self._neutron, self._nova = connection.network, connection.compute
        self._submit, self._place = pool.submit, place
        self._id, self._servers = step.balancer_id, step.servers
        self._vip: dict[str, Any] = {}
        self._group: dict[str, Any] = {}
        self._vrrp: list[dict[str, Any]] = []
        self._members: list[dict[str, Any]] = []

    def create(self) -> None:
        """Do what the drivers do in a step of this name."""
        members = self._submit(self._plug_members)
        group = self._submit(self._make_group)
        self._vip = self._make_vip()
        self._group = group.result()
        rules, port = self._submit(self._make_rules), self._submit(self._put)
        address = self._vip["fixed_ips"][0]["ip_address"]
        pairs = [{"ip_address": address}]
        own = {"allowed_address_pairs": pairs, "security_groups": [self._group["id"]]}
        names = [naming.vrrp_port(server.amphora_id) for server in self._servers]
        network, subnet = self._place.vip_network_id, self._place.vip_subnet_id
        self._vrrp = self._make_ports(names, network, subnet, own)
        self._attach(self._vrrp)
        for part in (members, rules, port):
            part.result()
        ids = "&".join(f"id={port['id']}" for port in (self._vip, *self._vrrp))
        paths = f"/ports?{ids}", f"/networks?id={network}", f"/subnets?id={subnet}"
        self._all(self._neutron.get, *paths)

    def delete(self) -> None:
        """Do what the drivers do in a step of this name."""
        pairs = zip(self._servers, self._members, strict=True)
        paths = [f"{_interfaces(one)}/{port['id']}" for one, port in pairs]
        self._all(self._nova.delete, *paths)
        until(self._is_detached, "Nova", every=_LOOK_EVERY)
        ports = [*self._members, *self._vrrp, self._vip]
        self._all(self._neutron.delete, *(f"/ports/{port['id']}" for port in ports))
        self._all(self._neutron.delete, f"/security-groups/{self._group['id']}")

    def _plug_members(self) -> None:
        names = [naming.member_port(server.amphora_id) for server in self._servers]
        place = self._place
        network, subnet = place.member_network_id, place.member_subnet_id
        self._members = self._make_ports(names, network, subnet, {})
        self._attach(self._members)

    def _make_vip(self) -> dict[str, Any]:
        body = {
            "name": naming.vip_port(self._id),
            "project_id": self._place.project_id,
            "network_id": self._place.vip_network_id,
            "fixed_ips": [{"subnet_id": self._place.vip_subnet_id}],
            "device_id": naming.vip_device(self._id),
            "device_owner": naming.OWNER,
            "admin_state_up": False,
        }
        made: dict[str, Any] = self._post("/ports", {"port": body})["port"]
        return made

    def _make_group(self) -> dict[str, Any]:
        body = {"security_group": {"name": naming.vip_device(self._id)}}
        made: dict[str, Any] = self._post("/security-groups", body)["security_group"]
        return made

    def _make_rules(self) -> None:
        ports = [
            *lives.PORTS,
            *(lives.PEER_PORT + n for n, _ in enumerate(lives.PORTS)),
        ]
        whats: list[dict[str, Any]] = [
            {"protocol": "tcp", "port_range_min": port, "port_range_max": port}
            for port in ports
        ]
        whats += [{"protocol": protocol} for protocol in ("112", "51")]
        where = {
            "security_group_id": self._group["id"],
            "direction": "ingress",
            "ethertype": "IPv4",
        }
        bodies = [where | what for what in whats]
        self._post("/security-group-rules", {"security_group_rules": bodies})

    def _put(self) -> None:
        """Put the VIP's port into the group."""
        change = {"port": {"security_groups": [self._group["id"]]}}
        _good(self._neutron.put(f"/ports/{self._vip['id']}", json=change))

    def _make_ports(
        self, names: Sequence[str], network: str, subnet: str, more: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Make ports with one request."""
        where = {"network_id": network, "fixed_ips": [{"subnet_id": subnet}]}
        bodies = [{"name": name, **where, **more} for name in names]
        made: list[dict[str, Any]] = self._post("/ports", {"ports": bodies})["ports"]
        return made

    def _attach(self, ports: Sequence[dict[str, Any]]) -> None:
        """Attach a port to each server."""

        def attach(server: lives.Server, port: dict[str, Any]) -> None:
            body = {"interfaceAttachment": {"port_id": port["id"]}}
            _good(self._nova.post(_interfaces(server), json=body))

        parts = [
            self._submit(attach, *pair)
            for pair in zip(self._servers, ports, strict=True)
        ]
        for part in parts:
            part.result()

    def _is_detached(self) -> bool:
        ids = "&".join(f"id={port['id']}" for port in self._members)
        found = _good(self._neutron.get(f"/ports?{ids}&fields=device_id"))["ports"]
        return not any(port["device_id"] for port in found)

    def _post(self, path: str, body: object) -> dict[str, Any]:
        return _good(self._neutron.post(path, json=body))

    def _all(self, send: Any, *paths: str) -> None:
        """Send requests at the same time."""
        for part in [self._submit(send, path) for path in paths]:
            _good(part.result())


def _interfaces(server: lives.Server) -> str:
    return f"/servers/{server.compute_id}/os-interface"


def _good(answer: Any) -> dict[str, Any]:
    """Return what an answer says.

    :raises requests.HTTPError: the cloud refused
    """
    answer.raise_for_status()
    told: dict[str, Any] = answer.json() if answer.content else {}
    return told


def main() -> None:
    """Take the steps that are ordered."""
    _, told = loop.role()
    place = lives.Place(**told.place)
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(openstack.connect(cloud=place.cloud))
        pool = stack.enter_context(futures.ThreadPoolExecutor(16))
        # The token and the versions are no step's.
        _good(connection.network.get(f"/networks/{place.vip_network_id}"))
        _good(connection.compute.get("/servers?limit=1"))
        lives.obey(
            lambda step: Life(connection, pool, place, step),
            [connection.session.session],
        )


main()
