# SPDX-License-Identifier: Apache-2.0
"""The interface: servers' connections to networks."""

from __future__ import annotations

import abc

from networker.drivers.operation import operation
from networker.models import (
    Amphora,
    Delta,
    Interface,
    Port,
)


class Interfaces(abc.ABC):
    """Servers plugged into networks."""

    @operation("compute_id", "network_id", mutates=True)
    @abc.abstractmethod
    def plug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> Interface:
        """Connect a server to a network.

        :param compute_id: id of the amphora in the compute service
        :param network_id: id of the network
        :param ip_address: the address that the interface should get; any if None
        :returns: the interface
        :raises AmphoraNotFound: the server does not exist
        :raises NetworkNotFound: the network does not exist
        :raises AddressInUse: `ip_address` is held by another port
        :raises NoMoreAddresses: the network has no address left
        :raises PlugNetworkException: the cloud refused

        Idempotent by server, network and `ip_address`: another address is another
        interface. Source: seed ``plug_network(compute_id, network_id, ip_address=None)``.
        """

    @operation("compute_id", "network_id", mutates=True)
    @abc.abstractmethod
    def unplug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> None:
        """Disconnect a server from a network.

        Detaches the interfaces that the driver made, waits until they are detached, and
        deletes their ports, those that :meth:`failover_preparation` released included.
        Ports that it did not make, such as the one on the management network, and VRRP
        ports are never touched: one that carries a VIP as well stays until that is
        unplugged. Each port goes on its own: the error names those that could not.

        :param compute_id: id of the amphora in the compute service
        :param network_id: id of the network
        :param ip_address: only the interface with this address; all if None
        :raises AmphoraNotFound: nothing is plugged and the server does not exist
        :raises NetworkNotFound: nothing is plugged and the network does not exist
        :raises UnplugNetworkException: the only interfaces there are not the driver's,
            the cloud refused, or did not detach in time

        Idempotent.
        Source: seed ``unplug_network(compute_id, network_id, ip_address=None)``.
        """

    @operation("compute_id")
    @abc.abstractmethod
    def get_plugged_networks(self, compute_id: str) -> list[Interface]:
        """Return the interfaces of a server, the management network's included.

        :param compute_id: id of the amphora in the compute service
        :returns: one interface for each port, in no particular order
        :raises AmphoraNotFound: the server does not exist and no port belongs to it
        :raises NetworkException: the cloud refused

        Source: seed ``get_plugged_networks(compute_id)`` ("Instance" there is a slip).
        """

    @operation("amphora.compute_id", "port.id", mutates=True, since="1.1")
    @abc.abstractmethod
    def plug_port(self, amphora: Amphora, port: Port) -> Interface:
        """Attach a port to an amphora's server.

        :param amphora: needs `compute_id`
        :param port: needs `id`
        :returns: the interface
        :raises AmphoraNotFound: the server does not exist
        :raises PortNotFound: the port does not exist
        :raises PlugNetworkException: another server has the port, or the cloud refused

        Idempotent. Source: Octavia, ``plug_port(amphora, port)``.
        """

    @operation(
        "deltas.compute_id",
        "deltas.add_nics.network_id",
        "deltas.delete_nics.network_id",
        "deltas.add_subnets.subnet_id",
        "deltas.delete_subnets.subnet_id",
        "deltas.delete_subnets.port_id",
        mutates=True,
        since="1.2",
    )
    @abc.abstractmethod
    def apply_delta(self, deltas: list[Delta]) -> list[Interface]:
        """Change the plugging of one or several servers, all at the same time.

        For each server: connects it to the networks of `add_nics`, gives ports addresses
        on the subnets of `add_subnets` and takes from them those on `delete_subnets`, and
        then disconnects it from the networks of `delete_nics`. A port that is disconnected
        keeps its addresses until then.

        :param deltas: one for each server. An interface in `add_nics` has the addresses of
            its `fixed_ips`, any if there are none, and its `vnic_type`; a subnet in
            `add_subnets` without a port is for the interface that is new on its network.
            Of `delete_nics`, only the port with `port_id` is meant if that is given.
        :returns: delta by delta the interfaces that are new, and then those whose
            addresses were to change, in the order in which they are named
        :raises InvalidRequest: two deltas are about one server or port, one names a
            network, or a subnet for one interface, twice, or a subnet has neither a port
            nor a new interface
        :raises AmphoraNotFound: a server does not exist, see :meth:`plug_network` and
            :meth:`unplug_network`
        :raises NetworkNotFound: a network does not exist
        :raises SubnetNotFound: a subnet does not exist
        :raises PortNotFound: a port whose addresses are to change does not exist
        :raises AddressInUse: a wanted address is held by another port
        :raises NoMoreAddresses: a network or subnet has no address left
        :raises PlugNetworkException: the cloud refused an interface
        :raises UnplugNetworkException: the cloud refused to remove one, or it is not the
            driver's
        :raises NetworkException: the cloud refused to change addresses

        Idempotent by server and network, as :meth:`plug_network` is, of which it finds the
        interfaces again. When it raises, what it had added is gone and addresses are what
        they were; interfaces that it had removed by then stay removed.
        Source: Octavia, the tasks ``CalculateDelta`` and ``HandleNetworkDeltas``.
        """
