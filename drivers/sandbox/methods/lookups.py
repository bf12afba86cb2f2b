# SPDX-License-Identifier: Apache-2.0
"""The methods of :class:`networker.drivers.interface.lookups.Lookups`."""

from __future__ import annotations

from networker.drivers.sandbox import lookups
from networker.drivers.sandbox.errors import not_said
from networker.drivers.sandbox.methods.transactions import Transactions
from networker.models import (
    Network,
    NetworkIPAvailability,
    Port,
    QosPolicy,
    SecurityGroup,
    Subnet,
    UserContext,
)


class LookupMethods(Transactions):
    """Questions that change nothing."""

    def get_network(
        self, network_id: str, context: UserContext | None = None
    ) -> Network:
        """Return a network."""
        with self._read() as tx:
            return lookups.network(tx, network_id, context)

    def get_subnet(self, subnet_id: str, context: UserContext | None = None) -> Subnet:
        """Return a subnet."""
        with self._read() as tx:
            return lookups.subnet(tx, subnet_id, context)

    def get_port(self, port_id: str, context: UserContext | None = None) -> Port:
        """Return a port."""
        with self._read() as tx:
            return lookups.port(tx, port_id, context)

    def get_networks(self, network_ids: list[str]) -> list[Network]:
        """Return several networks, asked for at once."""
        with self._read() as tx, not_said():
            return [lookups.network(tx, network_id, None) for network_id in network_ids]

    def get_subnets(self, subnet_ids: list[str]) -> list[Subnet]:
        """Return several subnets, asked for at once."""
        with self._read() as tx, not_said():
            return [lookups.subnet(tx, subnet_id, None) for subnet_id in subnet_ids]

    def get_ports(self, port_ids: list[str]) -> list[Port]:
        """Return several ports, asked for at once."""
        with self._read() as tx, not_said():
            return [lookups.port(tx, port_id, None) for port_id in port_ids]

    def get_network_by_name(self, network_name: str) -> Network:
        """Return the network with a name."""
        with self._read() as tx:
            return lookups.network_named(tx, network_name)

    def get_subnet_by_name(self, subnet_name: str) -> Subnet:
        """Return the subnet with a name."""
        with self._read() as tx:
            return lookups.subnet_named(tx, subnet_name)

    def get_port_by_name(self, port_name: str) -> Port:
        """Return the port with a name."""
        with self._read() as tx:
            return lookups.port_where(tx, name=port_name)

    def get_port_by_net_id_device_id(self, network_id: str, device_id: str) -> Port:
        """Return a port that a device has on a network."""
        with self._read() as tx:
            return lookups.port_where(tx, network_id=network_id, device_id=device_id)

    def get_security_group(self, sg_name: str) -> SecurityGroup:
        """Return the service's own security group with a name."""
        with self._read() as tx:
            return lookups.security_group_named(tx, sg_name)

    def get_security_group_by_id(
        self, sg_id: str, context: UserContext | None = None
    ) -> SecurityGroup:
        """Return a security group."""
        with self._read() as tx:
            return lookups.security_group(tx, sg_id, context)

    def get_qos_policy(
        self, qos_policy_id: str, context: UserContext | None = None
    ) -> QosPolicy:
        """Return a QoS policy."""
        with self._read() as tx:
            return lookups.qos_policy(tx, qos_policy_id, context)

    def get_network_ip_availability(self, network: Network) -> NetworkIPAvailability:
        """Return how many addresses a network and its subnets have and use."""
        with self._read() as tx:
            return lookups.ip_availability(tx, network.id or "")

    def qos_enabled(self) -> bool:
        """Tell that the sandbox has QoS policies for ports."""
        with self._read():
            return True

    def sec_grp_enabled(self) -> bool:
        """Tell that the sandbox has security groups."""
        with self._read():
            return True
