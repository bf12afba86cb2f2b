# SPDX-License-Identifier: Apache-2.0
"""The methods of :class:`networker.drivers.interface.interfaces.Interfaces`."""

from __future__ import annotations

from networker import exceptions
from networker.drivers.delta import NewInterface, OldInterface
from networker.drivers.sandbox import deltas as changing
from networker.drivers.sandbox import interfaces
from networker.drivers.sandbox.methods.transactions import Transactions
from networker.models import Amphora, Delta, FixedIP, Interface, Port


class InterfaceMethods(Transactions):
    """Servers plugged into networks."""

    def plug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> Interface:
        """Connect a server to a network."""
        failure = exceptions.PlugNetworkException
        about = {"network_id": network_id, "ip_address": ip_address}
        with self._change(2, failure, compute_id=compute_id, **about) as tx:
            places = [FixedIP(ip_address=ip_address)] if ip_address else []
            return interfaces.plug(tx, NewInterface(compute_id, network_id, places))

    def unplug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> None:
        """Disconnect a server from a network."""
        failure = exceptions.UnplugNetworkException
        about = {"network_id": network_id, "ip_address": ip_address}
        with self._removal(3, failure, compute_id=compute_id, **about) as tx:
            gone = OldInterface(compute_id, network_id, address=ip_address)
            interfaces.unplug(tx, gone)

    def get_plugged_networks(self, compute_id: str) -> list[Interface]:
        """Return the interfaces of a server, the management network's included."""
        with self._read() as tx:
            return interfaces.plugged(tx, compute_id)

    def plug_port(self, amphora: Amphora, port: Port) -> Interface:
        """Attach a port to an amphora's server."""
        failure = exceptions.PlugNetworkException
        about = {"compute_id": amphora.compute_id, "network_id": port.network_id}
        with self._change(1, failure, **about) as tx:
            return interfaces.plug_port(tx, amphora, port)

    def apply_delta(self, deltas: list[Delta]) -> list[Interface]:
        """AddressChange the plugging of one or several servers, all at the same time."""
        waves, failure = changing.waves(deltas), exceptions.NetworkException
        with self._change(waves, failure) as tx:
            return changing.apply(tx, deltas)
