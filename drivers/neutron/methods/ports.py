# SPDX-License-Identifier: Apache-2.0
"""The methods of :class:`networker.drivers.interface.ports.Ports`."""

from __future__ import annotations

from networker import exceptions
from networker.drivers.neutron import addressing, creating, translate
from networker.drivers.neutron.errors import refused_as
from networker.drivers.neutron.methods.connected import Connected
from networker.models import FixedIP, Port


class PortMethods(Connected):
    """Ports made, changed and deleted one by one.

    :meth:`delete_port`, :meth:`set_port_admin_state_up` and :meth:`apply_qos_on_port` are
    one request each, and take nothing back: what the port was before is the caller's to
    know.
    """

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
        wanted = creating.Wanted(
            network_id=network_id,
            name=name or "",
            fixed_ips=fixed_ips or [],
            secondary_ips=secondary_ips or [],
            group_ids=security_group_ids or [],
            admin_state_up=admin_state_up,
            qos_policy_id=qos_policy_id,
            vnic_type=vnic_type,
        )
        with refused_as(exceptions.CreatePortException, network_id=network_id):
            return translate.port(creating.create(self._cloud, wanted))

    def delete_port(self, port_id: str) -> None:
        """Delete a port."""
        with refused_as(exceptions.NetworkServiceError, port_id=port_id):
            self._cloud.ports.delete(port_id)

    def plug_fixed_ip(
        self, port_id: str, subnet_id: str, ip_address: str | None = None
    ) -> Port:
        """Give a port an address on a subnet."""
        known = {"port_id": port_id, "subnet_id": subnet_id, "ip_address": ip_address}
        with refused_as(exceptions.NetworkException, **known):
            port = addressing.plug(self._cloud, port_id, subnet_id, ip_address)
            return translate.port(port)

    def unplug_fixed_ip(self, port_id: str, subnet_id: str) -> Port:
        """Take from a port all the addresses that it has on a subnet."""
        known = {"port_id": port_id, "subnet_id": subnet_id}
        with refused_as(exceptions.NetworkException, **known):
            port = addressing.unplug(self._cloud, port_id, subnet_id)
            return translate.port(port)

    def set_port_admin_state_up(self, port_id: str, state: bool) -> None:
        """Let a port carry traffic, or not."""
        with refused_as(exceptions.NetworkServiceError, port_id=port_id):
            self._cloud.ports.update(port_id, {"admin_state_up": state})

    def apply_qos_on_port(self, qos_id: str | None, port_id: str) -> None:
        """Set the QoS policy of a port."""
        known = {"port_id": port_id, "qos_policy_id": qos_id}
        with refused_as(exceptions.NetworkException, **known):
            self._cloud.ports.update(port_id, {"qos_policy_id": qos_id or None})
