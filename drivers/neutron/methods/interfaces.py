# SPDX-License-Identifier: Apache-2.0
"""The methods of :class:`networker.drivers.interface.interfaces.Interfaces`."""

from __future__ import annotations

from networker import exceptions
from networker.drivers.neutron import attaching
from networker.drivers.neutron.deltas import apply
from networker.drivers.neutron.errors import refused_as
from networker.drivers.neutron.interfaces import Interfaces
from networker.drivers.neutron.methods.connected import Connected
from networker.models import Amphora, Delta, Interface, Port


class InterfaceMethods(Connected):
    """Servers' connections to networks."""

    def plug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> Interface:
        """Connect a server to a network."""
        known = {"network_id": network_id, "ip_address": ip_address}
        failure = exceptions.PlugNetworkException
        with refused_as(failure, compute_id=compute_id, **known):
            found = Interfaces(self._cloud)
            return found.plug(compute_id, network_id, ip_address)

    def unplug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> None:
        """Disconnect a server from a network."""
        known = {"network_id": network_id, "ip_address": ip_address}
        failure = exceptions.UnplugNetworkException
        with refused_as(failure, compute_id=compute_id, **known):
            Interfaces(self._cloud).unplug(compute_id, network_id, ip_address)

    def get_plugged_networks(self, compute_id: str) -> list[Interface]:
        """Return the interfaces of a server, the management network's included."""
        with refused_as(exceptions.NetworkException):
            return Interfaces(self._cloud).plugged(compute_id)

    def plug_port(self, amphora: Amphora, port: Port) -> Interface:
        """Attach a port to an amphora's server."""
        compute_id, port_id = amphora.compute_id or "", port.id or ""
        known = {"network_id": port.network_id, "port_id": port_id}
        failure = exceptions.PlugNetworkException
        with refused_as(failure, compute_id=compute_id, **known):
            return attaching.attach(self._cloud, amphora, port_id)

    def apply_delta(self, deltas: list[Delta]) -> list[Interface]:
        """Change the plugging of one or several servers, all at the same time."""
        return apply(self._cloud, deltas)
