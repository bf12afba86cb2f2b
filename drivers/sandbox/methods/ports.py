# SPDX-License-Identifier: Apache-2.0
"""The methods of :class:`networker.drivers.interface.ports.Ports`."""

from __future__ import annotations

from networker import exceptions
from networker.drivers.sandbox import single
from networker.drivers.sandbox.methods.transactions import Transactions
from networker.models import FixedIP, Port


class PortMethods(Transactions):
    """Ports made, changed and deleted one by one."""

    def create_port(
        self,
        network_id: str,
        name: str | None = None,
        fixed_ips: list[FixedIP] | None = None,
        secondary_ips: list[str] | None = None,
        security_group_ids: list[str] | None = None,
        admin_state_up: bool = True,
        qos_policy_id: str | None = None,
        vnic_type: str = "normal",
    ) -> Port:
        """Create a port of the service's own project."""
        wanted = Port(
            network_id=network_id,
            name=name,
            fixed_ips=fixed_ips or [],
            allowed_addresses=secondary_ips or [],
            security_group_ids=security_group_ids or [],
            admin_state_up=admin_state_up,
            qos_policy_id=qos_policy_id,
            vnic_type=vnic_type,
        )
        failure = exceptions.CreatePortException
        with self._change(1, failure, network_id=network_id) as tx:
            return single.create(tx, wanted)

    def delete_port(self, port_id: str) -> None:
        """Delete a port."""
        failure = exceptions.NetworkServiceError
        with self._removal(1, failure, port_id=port_id) as tx:
            single.delete(tx, port_id)

    def plug_fixed_ip(
        self, port_id: str, subnet_id: str, ip_address: str | None = None
    ) -> Port:
        """Give a port an address on a subnet."""
        known = {"port_id": port_id, "subnet_id": subnet_id, "ip_address": ip_address}
        with self._change(2, exceptions.NetworkException, **known) as tx:
            return single.add_address(tx, port_id, subnet_id, ip_address)

    def unplug_fixed_ip(self, port_id: str, subnet_id: str) -> Port:
        """Take from a port all the addresses that it has on a subnet."""
        with self._removal(2, exceptions.NetworkException) as tx:
            return single.remove_addresses(tx, port_id, subnet_id)

    def set_port_admin_state_up(self, port_id: str, state: bool) -> None:
        """Let a port carry traffic, or not."""
        failure = exceptions.NetworkServiceError
        with self._change(1, failure, port_id=port_id) as tx:
            single.set_admin_state(tx, port_id, state)

    def apply_qos_on_port(self, qos_id: str | None, port_id: str) -> None:
        """Set the QoS policy of a port."""
        with self._change(1, exceptions.NetworkException) as tx:
            single.set_policy(tx, port_id, qos_id)
