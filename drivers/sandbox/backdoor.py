# SPDX-License-Identifier: Apache-2.0
"""What happens in a sandbox behind the interface's back.

Tests look at the whole state with it, and do what other users of a cloud do. Nothing of
it is part of the network driver interface, nor reached over the bus.
"""

from __future__ import annotations

import ipaddress
import sqlite3
import uuid
from collections.abc import Iterable
from typing import Any

from networker.drivers import naming
from networker.drivers.rules import Rule
from networker.drivers.sandbox.populate import PREFIX
from networker.drivers.sandbox.records import inventory, ports, security_groups
from networker.drivers.sandbox.records.database import Database
from networker.drivers.sandbox.records.schema import BOOLEANS
from networker.drivers.sandbox.topology import project_id
from networker.models import FixedIP, Network, Port, Subnet


class Backdoor:
    """Looks and acts past the interface.

    :param database: the state of the sandbox
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def networks(self) -> list[Network]:
        """Return all networks."""
        with self._database.read() as tx:
            return inventory.networks(tx)

    def subnets(self) -> list[Subnet]:
        """Return all subnets."""
        with self._database.read() as tx:
            return inventory.subnets(tx)

    def servers(self) -> dict[str, str]:
        """Return the ids of all servers by name."""
        with self._database.read() as tx:
            return {server.name: server.id for server in inventory.servers(tx)}

    def ports(self, **filters: object) -> list[Port]:
        """Return all ports, or those whose fields equal `filters`, oldest first.

        :param filters: fields of :class:`~networker.models.Port`
        """
        with self._database.read() as tx:
            found = ports.select(tx)
        return [
            port
            for port in found
            if all(getattr(port, field) == value for field, value in filters.items())
        ]

    def security_groups(self) -> dict[str, security_groups.SecurityGroup]:
        """Return all security groups by name.

        Of several with one name, the driver's own is there rather than others', and the
        oldest; :meth:`tables` has them all.
        """
        with self._database.read() as tx:
            found = security_groups.everything(tx)
        found.sort(key=lambda group: group.project_id != security_groups.SERVICE)
        return {group.name: group for group in reversed(found)}

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return the whole state as rows of plain values, by kind."""
        with self._database.read() as tx:
            names = {group.id: group.name for group in security_groups.everything(tx)}
            return {
                "networks": list(map(_row, tx.execute("SELECT * FROM networks"))),
                "subnets": list(map(_row, tx.execute("SELECT * FROM subnets"))),
                "servers": list(map(_row, tx.execute("SELECT * FROM servers"))),
                "qos_policies": list(
                    map(_row, tx.execute("SELECT * FROM qos_policies"))
                ),
                "ports": [
                    _with_lists(row, ports.get(tx, row["id"]), names)
                    for row in tx.execute("SELECT * FROM ports").fetchall()
                ],
                "security_groups": [
                    {
                        **row,
                        "rules": [
                            _text(r) for r in security_groups.rules_of(tx, row["id"])
                        ],
                    }
                    for row in tx.execute("SELECT * FROM security_groups").fetchall()
                ],
            }

    def create_port(
        self,
        network_id: str,
        *,
        subnet_id: str | None = None,
        ip_address: str | None = None,
        **fields: Any,
    ) -> Port:
        """Make a stranger's port.

        :param network_id: where
        :param subnet_id: the subnet of its address; any if None
        :param ip_address: its address; any if None
        :param fields: further fields of :class:`~networker.models.Port`
        :returns: the port
        :raises NetworkNotFound: the network does not exist
        :raises ValueError: an address, a group or the MAC address does not fit
        :raises AddressInUse: another port holds the address
        :raises NoMoreAddresses: none is left
        """
        wanted = [FixedIP(subnet_id=subnet_id, ip_address=ip_address)]
        random = naming.mac_address(PREFIX, str(uuid.uuid4()))
        usual = {
            "project_id": project_id("demo"),
            "mac_address": random,
            "fixed_ips": wanted,
        }
        with self._database.write() as tx:
            inventory.network(tx, network_id)
            return ports.add(tx, Port(network_id=network_id, **{**usual, **fields}))

    def create_network(self, name: str, project: str = "demo") -> Network:
        """Make a user's network, which has no subnet.

        :param project: name of the project
        """
        network_id = str(uuid.uuid4())
        row = (network_id, name, project_id(project))
        with self._database.write() as tx:
            tx.execute(
                "INSERT INTO networks (id, name, project_id, router_external, shared, "
                "port_security_enabled, mtu) VALUES (?, ?, ?, 0, 0, 1, 1450)",
                row,
            )
            return inventory.network(tx, network_id)

    def create_subnet(
        self, network_id: str, cidr: str, gateway_ip: str | None = None
    ) -> Subnet:
        """Make a user's subnet.

        :raises NetworkNotFound: the network does not exist
        """
        subnet_id = str(uuid.uuid4())
        with self._database.write() as tx:
            of = inventory.network(tx, network_id)
            version = ipaddress.ip_network(cidr).version
            row = (subnet_id, network_id, "", of.project_id, cidr, version, gateway_ip)
            tx.execute("INSERT INTO subnets VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            return inventory.subnet(tx, subnet_id)

    def delete_subnet(self, subnet_id: str) -> None:
        """Remove a subnet, whose addresses all ports lose."""
        with self._database.write() as tx:
            tx.execute("DELETE FROM fixed_ips WHERE subnet_id = ?", (subnet_id,))
            tx.execute("DELETE FROM subnets WHERE id = ?", (subnet_id,))

    def delete_network(self, network_id: str) -> None:
        """Remove a network with its ports and subnets."""
        with self._database.write() as tx:
            tx.execute("DELETE FROM networks WHERE id = ?", (network_id,))

    def delete_port(self, port_id: str) -> None:
        """Remove a port; it is no error if it is gone."""
        with self._database.write() as tx:
            ports.delete(tx, port_id)

    def attach(self, port_id: str, compute_id: str) -> Port:
        """Give a port to a server.

        :raises PortNotFound: the port does not exist
        :raises AmphoraNotFound: the server does not exist
        :raises ValueError: another device has the port
        """
        with self._database.write() as tx:
            port = ports.get(tx, port_id)
            return ports.attach(tx, port, inventory.server(tx, compute_id))

    def detach(self, port_id: str) -> None:
        """Take a port from its server."""
        with self._database.write() as tx:
            ports.detach(tx, port_id)

    def delete_server(self, compute_id: str) -> None:
        """Remove a server as Nova does: with the ports that were made at its boot.

        Other ports are detached, and stay.
        """
        with self._database.write() as tx:
            tx.execute("DELETE FROM servers WHERE id = ?", (compute_id,))
            tx.execute(
                "DELETE FROM ports WHERE device_id = ? AND made_at_boot", (compute_id,)
            )
            for port in ports.select(tx, device_id=compute_id):
                ports.detach(tx, port.id)

    def create_security_group(
        self, name: str, project: str = "demo", rules: Iterable[Rule] = ()
    ) -> str:
        """Make a user's security group, and return its id.

        :param project: name of the project
        :param rules: what it lets in
        """
        with self._database.write() as tx:
            group_id = security_groups.add(tx, name, project_id(project))
            security_groups.reconcile(tx, group_id, set(rules))
            return group_id

    def delete_security_group(self, group_id: str) -> None:
        """Delete a security group, which is taken from all ports."""
        with self._database.write() as tx:
            security_groups.delete(tx, group_id)


def _row(row: sqlite3.Row) -> dict[str, Any]:
    return {
        name: bool(row[name]) if name in BOOLEANS else row[name]
        for name in row.keys()  # noqa: SIM118
    }


def _with_lists(row: sqlite3.Row, port: Port, names: dict[str, str]) -> dict[str, Any]:
    return {
        **_row(row),
        "addresses": [fixed_ip.ip_address for fixed_ip in port.fixed_ips],
        "allowed_addresses": port.allowed_addresses,
        "security_groups": [names[group_id] for group_id in port.security_group_ids],
    }


def _text(rule: dict[str, Any]) -> str:
    parts = ("direction", "ethertype", "protocol", "port_range_min", "remote_ip_prefix")
    return " ".join(str(rule[part]) for part in parts if rule[part])
