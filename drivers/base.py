# SPDX-License-Identifier: Apache-2.0
"""The network driver interface: what a controller calls and what a driver implements.

:class:`NetworkDriver` is the one source of truth. The proxy, the server's endpoint, the
schema of the messages, the command line and the reference are all derived from it.
"""

from __future__ import annotations

import abc
import inspect
from typing import Any

from networker.drivers.operation import Operation, checked, operation
from networker.models import (
    VIP,
    Amphora,
    Interface,
    LoadBalancer,
    Network,
    Port,
    Subnet,
)

#: Version of the interface: methods and optional arguments raise the minor number,
#: everything else the major one. ``tests/contract/<version>.json`` is its snapshot.
INTERFACE_VERSION = "1.0"


class Misconfigured(Exception):
    """A driver cannot work with its configuration; the message says what to mend."""


class NetworkDriver(abc.ABC):
    """Everything that a load-balancer controller needs of a network.

    Implementations keep no state between calls and may run in any number of copies.
    Every method that changes something (`mutates`) is idempotent: made again, after
    success, failure or a lost answer, or twice at once, it ends in the same single
    result. When it raises, what it had done is undone.

    Any method may raise :class:`~networker.exceptions.InvalidRequest` (an id that it
    needs is empty; nothing was asked of the cloud) and
    :class:`~networker.exceptions.CloudUnavailable` (the cloud gave no answer in time).
    Any mutator may raise :class:`~networker.exceptions.QuotaExceeded`.

    The required ids are checked before the code of an implementation runs: a missing id
    in a query to the cloud would otherwise select everybody's resources.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, declared in operations().items():
            method = vars(cls).get(name)
            if method is not None:
                signature = inspect.signature(getattr(NetworkDriver, name))
                setattr(cls, name, checked(name, declared, signature, method))

    def check(self) -> None:  # noqa: B027 - a driver may have nothing to check
        """Find out whether calls could succeed; a worker does so before it serves.

        :raises Misconfigured: saying in one line what the operator has to mend
        :raises CloudUnavailable: the cloud cannot be reached just now
        """

    def close(self) -> None:  # noqa: B027 - a driver may hold nothing
        """Release connections and threads; the driver is not used afterwards."""

    @operation("load_balancer.id", "load_balancer.vip", mutates=True)
    @abc.abstractmethod
    def allocate_vip(self, load_balancer: LoadBalancer) -> VIP:
        """Reserve the virtual IP of a load balancer.

        With ``vip.port_id`` the port is taken over as it is, and survives
        :meth:`deallocate_vip` unless it was made by this method. Otherwise a port is made
        on ``vip.network_id`` (or the network of ``vip.subnet_id``), with ``vip.ip_address``
        if given and one address for each of ``vip.additional``. It is named
        ``octavia-lb-<id>``, belongs to the load balancer's project and is down.

        :param load_balancer: needs `id`, and `vip` with a port, subnet or network
        :returns: the VIP, its addresses, `port_id`, `subnet_id`, `network_id` and
            `octavia_owned` filled in; further addresses are in `additional`
        :raises VIPInUse: a wanted address is held by another port
        :raises NoMoreAddresses: the subnet has none left
        :raises AllocateVIPException: the cloud refused, or the port that was given does
            not fit the VIP
        :raises PortNotFound: the port that was given does not exist
        :raises SubnetNotFound: a subnet does not exist
        :raises NetworkNotFound: the network does not exist

        Idempotent by load balancer: a second call returns the same port and addresses.
        Source: seed ``allocate_vip(loadbalancer)``.
        """

    @operation(mutates=True)
    @abc.abstractmethod
    def deallocate_vip(self, vip: VIP) -> None:
        """Remove everything that reserves a virtual IP.

        Removes the load balancer's security group, VRRP ports that are left over, and
        the VIP's port if :meth:`allocate_vip` made it. A port that a user brought stays,
        without the load balancer's security group.

        :param vip: needs `port_id`, `load_balancer_id`, or both; of a port that a user
            brought, the load balancer's id is needed to find its security group
        :raises VIPConfigurationNotFound: it has neither
        :raises VIPInUse: something else, such as a server, uses the VIP's port
        :raises DeallocateVIPException: the cloud refused

        Idempotent: what is gone already is success. Source: seed ``deallocate_vip(vip)``.
        """

    @operation("load_balancer.id", "vip.port_id", mutates=True)
    @abc.abstractmethod
    def plug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> list[Amphora]:
        """Route the traffic of a VIP to the load balancer's amphorae.

        Makes the security group ``lb-<id>`` with rules for the listeners, their peer
        ports and, for ``ACTIVE_STANDBY``, VRRP and AH, and sets it on the VIP's port with
        the user's ``vip.sg_ids``. Every amphora that is ALLOCATED gets a VRRP port
        ``octavia-lb-vrrp-<amphora id>`` on the VIP's subnet that may send from all the
        VIP's addresses.

        :param load_balancer: needs `id` and, for each amphora, `id` and `compute_id`;
            `topology` and `listeners` shape the rules
        :param vip: as :meth:`allocate_vip` returned it
        :returns: the ALLOCATED amphorae with `vrrp_ip`, `ha_ip`, `vrrp_port_id` and
            `ha_port_id` filled in
        :raises PortNotFound: the VIP's port does not exist
        :raises AmphoraNotFound: an amphora's server does not exist
        :raises NoMoreAddresses: the subnet has no address left for a VRRP port
        :raises PlugVIPException: the cloud refused

        Idempotent by amphora. Source: seed ``plug_vip(loadbalancer, vip)``.
        """

    @operation("load_balancer.id", mutates=True)
    @abc.abstractmethod
    def unplug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> None:
        """Stop routing the traffic of a VIP to the load balancer's amphorae.

        Detaches the VRRP ports from the servers, waits until they are detached, and
        deletes them. Amphorae whose server is gone are no error.

        :param load_balancer: needs `id` and its `amphorae`
        :param vip: needs `subnet_id` or `network_id`
        :raises PluggedVIPNotFound: nothing is plugged and the VIP's subnet does not exist
        :raises UnplugVIPException: the cloud refused, or did not detach in time

        Idempotent. Source: seed ``unplug_vip(loadbalancer, vip)``.
        """

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
        Ports that it did not make, such as the one on the management network, are never
        touched.

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

    @operation("load_balancer.id", "load_balancer.vip.ip_address", mutates=True)
    @abc.abstractmethod
    def update_vip(self, load_balancer: LoadBalancer) -> None:
        """Bring the VIP's security group in line with the load balancer's listeners.

        Rules that are missing are added before others are removed, and rules that the
        driver does not make (egress, other protocols) are kept.

        :param load_balancer: needs `id`, `vip` with its addresses, `listeners` and
            `topology`
        :raises PluggedVIPNotFound: the VIP has no security group yet: call plug_vip
        :raises PlugVIPException: the cloud refused

        Idempotent. Source: seed ``update_vip(loadbalancer)``.
        """

    @operation("network_id")
    @abc.abstractmethod
    def get_network(self, network_id: str) -> Network:
        """Return a network.

        :param network_id: its id
        :raises NetworkNotFound: it does not exist
        :raises NetworkException: the cloud refused

        Source: seed ``get_network(network_id)``; Neutron API v2, show network.
        """

    @operation("subnet_id")
    @abc.abstractmethod
    def get_subnet(self, subnet_id: str) -> Subnet:
        """Return a subnet.

        :param subnet_id: its id
        :raises SubnetNotFound: it does not exist
        :raises NetworkException: the cloud refused

        Source: seed ``get_subnet(subnet_id)``; Neutron API v2, show subnet.
        """

    @operation("port_id")
    @abc.abstractmethod
    def get_port(self, port_id: str) -> Port:
        """Return a port.

        :param port_id: its id
        :raises PortNotFound: it does not exist
        :raises NetworkException: the cloud refused

        Source: seed ``get_port(port_id)``; Neutron API v2, show port.
        """

    @operation("amphora.compute_id", "amphora.lb_network_ip", mutates=True)
    @abc.abstractmethod
    def failover_preparation(self, amphora: Amphora) -> None:
        """Make an amphora's ports ready to outlive its server.

        Releases every port of the server but the one on the management network: its
        `device_id` is blanked, so that deleting the server leaves it and another server
        can take it, and its DNS name is cleared where the cloud has one, so that it can
        be attached under another name.

        :param amphora: needs `compute_id` and `lb_network_ip`
        :raises PortNotFound: the server has no port at all
        :raises NetworkException: the cloud refused

        Idempotent. Source: seed ``failover_preparation(amphora)``; the DNS name:
        Octavia's fix of Launchpad bug 1597451.
        """


def operations() -> dict[str, Operation]:
    """Return the methods of the interface, by name, in alphabetical order."""
    return {
        name: vars(getattr(NetworkDriver, name))["operation"]
        for name in sorted(NetworkDriver.__abstractmethods__)
    }
