# SPDX-License-Identifier: Apache-2.0
"""Fill a new sandbox from a topology."""

from __future__ import annotations

import ipaddress
import sqlite3
from pathlib import Path

from networker import exceptions
from networker.drivers import naming
from networker.drivers.sandbox.errors import Rejected, TopologyError
from networker.drivers.sandbox.records import inventory, ports
from networker.drivers.sandbox.topology import (
    NetworkEntry,
    QosPolicyEntry,
    ServerEntry,
    SubnetEntry,
    identify,
    load,
    project_id,
)
from networker.models import FixedIP, Port

#: First octets of the MAC addresses that a cloud gives by itself.
PREFIX = "fa:16:3e"


def populate(tx: sqlite3.Connection, path: Path) -> None:
    """Make the networks, subnets, servers and QoS policies that a topology file names.

    :raises TopologyError: it cannot be read, or is malformed
    """
    topology = load(path)
    projects = {network.name: network.project for network in topology.networks}
    for network in topology.networks:
        _add_network(tx, network)
    for subnet in topology.subnets:
        _add_subnet(tx, subnet, projects[subnet.network])
    for policy in topology.qos_policies:
        _add_policy(tx, policy)
    for index, server in enumerate(topology.servers):
        try:
            _add_server(tx, server)
        except (Rejected, exceptions.NoMoreAddresses) as error:
            raise TopologyError(f"{path}: {error} - at `$.servers[{index}]`") from error


def _add_network(tx: sqlite3.Connection, network: NetworkEntry) -> None:
    tx.execute(
        "INSERT INTO networks VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?)",
        (
            identify("network", network.name),
            network.name,
            project_id(network.project),
            network.router_external,
            network.shared,
            network.port_security_enabled,
            network.mtu,
            network.provider_network_type,
            network.provider_physical_network,
            network.provider_segmentation_id,
        ),
    )


def _add_subnet(tx: sqlite3.Connection, subnet: SubnetEntry, project: str) -> None:
    cidr = ipaddress.ip_network(subnet.cidr)
    tx.execute(
        "INSERT INTO subnets VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            identify("subnet", subnet.name),
            identify("network", subnet.network),
            subnet.name,
            project_id(project),
            str(cidr),
            cidr.version,
            subnet.gateway,
        ),
    )


def _add_policy(tx: sqlite3.Connection, policy: QosPolicyEntry) -> None:
    row = (
        identify("qos policy", policy.name),
        policy.name,
        project_id(policy.project),
        policy.shared,
    )
    tx.execute("INSERT INTO qos_policies VALUES (?, ?, ?, ?)", row)


def _add_server(tx: sqlite3.Connection, entry: ServerEntry) -> None:
    server = inventory.ServerRecord(
        identify("server", entry.name), entry.name, project_id(entry.project)
    )
    row = (server.id, server.name, server.project_id)
    tx.execute("INSERT INTO servers VALUES (?, ?, ?)", row)
    for index, network in enumerate(entry.networks):
        port = Port(
            id=identify("port", f"{entry.name}/{index}"),
            network_id=identify("network", network),
            project_id=server.project_id,
            mac_address=naming.mac_address(PREFIX, "boot", server.id, str(index)),
            fixed_ips=[FixedIP()],
        )
        ports.attach(tx, ports.add(tx, port), server)
        tx.execute("UPDATE ports SET made_at_boot = 1 WHERE id = ?", (port.id,))
