# SPDX-License-Identifier: Apache-2.0
"""The file that says which networks, subnets and servers a new sandbox begins with."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import yaml

from networker.drivers.sandbox.errors import TopologyError

NAMESPACE = uuid.UUID("5d7c1f0e-3c55-4b0a-9d53-6a0f4c1b7e21")
PACKAGED = Path(__file__).with_name("topology.yaml")

Name = Annotated[str, msgspec.Meta(min_length=1)]


class _Entry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name


class NetworkEntry(_Entry):
    """A network of the file."""

    project: Name = "service"
    mtu: Annotated[int, msgspec.Meta(ge=68, le=65535)] = 1500
    router_external: bool = False
    shared: bool = False
    port_security_enabled: bool = True
    provider_network_type: str | None = None
    provider_physical_network: str | None = None
    provider_segmentation_id: int | None = None


class SubnetEntry(_Entry):
    """A subnet of the file."""

    network: Name
    cidr: Name
    gateway_ip: str | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def gateway(self) -> str | None:
        """The gateway's address: the first of the subnet unless the file names one."""
        if self.gateway_ip is msgspec.UNSET:
            return str(ipaddress.ip_network(self.cidr)[1])
        return str(ipaddress.ip_address(self.gateway_ip)) if self.gateway_ip else None


class ServerEntry(_Entry):
    """A server of the file."""

    project: Name = "service"
    networks: list[Name] = []


class QosPolicyEntry(_Entry):
    """A QoS policy of the file."""

    project: Name = "service"
    shared: bool = False


class Topology(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    networks: list[NetworkEntry]
    subnets: list[SubnetEntry] = []
    servers: list[ServerEntry] = []
    qos_policies: list[QosPolicyEntry] = []


def identify(kind: str, name: str) -> str:
    """Return the id of what the file calls `name`.

    :param kind: ``network``, ``subnet``, ``server``, ``port`` or ``qos policy``
    """
    return str(uuid.uuid5(NAMESPACE, f"{kind}:{name}"))


def project_id(name: str) -> str:
    """Return the id of a project."""
    return uuid.uuid5(NAMESPACE, f"project:{name}").hex


def load(path: Path) -> Topology:
    """Read and check a topology file.

    :raises TopologyError: it cannot be read, or is malformed
    """
    try:
        topology = msgspec.convert(yaml.safe_load(path.read_bytes()), Topology)
        _check(topology)
    except OSError as error:
        raise TopologyError(f"{path}: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or yaml.Mark("", 0, 0, 0, None, 0)
        where = f"line {mark.line + 1}, column {mark.column + 1}"
        raise TopologyError(f"{path}: {error.problem} - at {where}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise TopologyError(f"{path}: {' '.join(str(error).split())}") from error
    return topology


def _check(topology: Topology) -> None:
    for kind in ("networks", "subnets", "servers", "qos_policies"):
        _check_names(kind, getattr(topology, kind))
    networks = {network.name for network in topology.networks}
    for index, subnet in enumerate(topology.subnets):
        where = f"$.subnets[{index}]"
        _check_networks(f"{where}.network", [subnet.network], networks)
        _check_subnet(where, subnet, topology.subnets[:index])
    for index, server in enumerate(topology.servers):
        _check_networks(f"$.servers[{index}].networks", server.networks, networks)


def _check_names(kind: str, entries: Sequence[_Entry]) -> None:
    names = [entry.name for entry in entries]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise _wrong(f"name {name!r} is taken", f"$.{kind}[{index}].name")


def _check_networks(where: str, wanted: Iterable[str], known: set[str]) -> None:
    for name in wanted:
        if name not in known:
            raise _wrong(f"there is no network {name!r}", where)


def _check_subnet(where: str, subnet: SubnetEntry, before: list[SubnetEntry]) -> None:
    try:
        cidr = ipaddress.ip_network(subnet.cidr)
    except ValueError as error:
        raise _wrong(str(error), f"{where}.cidr") from error
    if cidr.num_addresses < 4:
        raise _wrong(f"{cidr} has no room for ports", f"{where}.cidr")
    for other in before:
        if other.network == subnet.network and _overlap(subnet.cidr, other.cidr):
            raise _wrong(f"{cidr} overlaps {other.name}", f"{where}.cidr")
    try:
        outside = subnet.gateway and ipaddress.ip_address(subnet.gateway) not in cidr
    except ValueError as error:
        raise _wrong(str(error), f"{where}.gateway_ip") from error
    if outside:
        raise _wrong(f"{subnet.gateway} is outside {cidr}", f"{where}.gateway_ip")


def _overlap(one: str, other: str) -> bool:
    left, right = ipaddress.ip_network(one), ipaddress.ip_network(other)
    return left[0] in right or right[0] in left


def _wrong(what: str, where: str) -> ValueError:
    return ValueError(f"{what} - at `{where}`")
