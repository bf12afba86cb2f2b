# SPDX-License-Identifier: Apache-2.0
"""The network driver interface: what a controller calls and what a driver implements.

:class:`NetworkDriver` is the one source of truth. The proxy, the server's endpoint, the
schema of the messages, the command line and the reference are all derived from it.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

from networker import exceptions
from networker.drivers.operation import Operation, edge, operation
from networker.models import (
    VIP,
    Amphora,
    AmphoraNetworkConfig,
    Delta,
    FixedIP,
    Interface,
    LoadBalancer,
    Network,
    NetworkIPAvailability,
    Port,
    QosPolicy,
    SecurityGroup,
    Subnet,
    UserContext,
)

#: Version of the interface: methods and optional arguments raise the minor number,
#: everything else the major one. ``tests/contract/<version>.json`` is its snapshot.
INTERFACE_VERSION = "1.3"


class Misconfigured(Exception):
    """A driver cannot work with its configuration; the message says what to mend."""


class NetworkDriver(abc.ABC):
    """Everything that a load-balancer controller needs of a network.

    Implementations keep no state between calls and may run in any number of copies.
    Every method that changes something (`mutates`) is idempotent: made again, after
    success, failure or a lost answer, or twice at once, it ends in the same single
    result. When it raises, what it had done is undone.

    Any method may raise :class:`~networker.exceptions.InvalidRequest` (an id that it
    needs is empty; nothing was asked of the cloud),
    :class:`~networker.exceptions.CloudUnavailable` (the cloud gave no answer in time) and
    :class:`~networker.exceptions.NotImplementedByDriver` (the driver does not have it yet).
    Any mutator may raise :class:`~networker.exceptions.QuotaExceeded`, and one that
    detaches :class:`~networker.exceptions.TimeoutException`.

    A `context` says on whose behalf something is looked up: with that user's token, so
    that a user learns of nothing, and uses nothing, that the cloud hides from them. The
    token serves for that one read only, and crosses the bus sealed.

    The required ids are checked before the code of an implementation runs: a missing id
    in a query to the cloud would otherwise select everybody's resources.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Implementations raise refusals: as what each method fails, and which ids its
        # errors are about, is said here, with the method.
        for name, declared in operations().items():
            method = vars(cls).get(name)
            if method is not None:
                setattr(cls, name, edge(getattr(NetworkDriver, name), declared, method))

    def check(self) -> Sequence[str] | None:
        """Find out whether calls could succeed; a worker does so before it serves.

        :returns: what may not be right and does not keep it from serving, a line for each
        :raises Misconfigured: saying in one line what the operator has to mend
        :raises CloudUnavailable: the cloud cannot be reached just now
        """
        return ()

    def describe(self) -> dict[str, str]:
        """Return, by name, where the network is, for the log and for the operator."""
        return {}

    def close(self) -> None:  # noqa: B027 - a driver may have nothing to release
        """Release connections and threads; the driver is not used afterwards."""

    # A virtual IP, from its allocation to its end.

    @operation(
        "load_balancer.id",
        "load_balancer.vip",
        mutates=True,
        fails_as=exceptions.AllocateVIPException,
        about={
            "load_balancer_id": "load_balancer.id",
            "port_id": "load_balancer.vip.port_id",
            "ip_address": "load_balancer.vip.ip_address",
        },
    )
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
        :raises VIPInUse: a wanted address is held by another port, or the port that was
            given is used by another load balancer
        :raises NoMoreAddresses: the subnet has none left
        :raises AllocateVIPException: the cloud refused, the port that was given does not
            fit the VIP, or the network gives ports no address
        :raises PortNotFound: the port that was given does not exist
        :raises SubnetNotFound: a subnet does not exist
        :raises NetworkNotFound: the network does not exist

        Idempotent by load balancer: a second call returns the same port and addresses.
        Source: seed ``allocate_vip(loadbalancer)``.
        """

    @operation(
        mutates=True,
        fails_as=exceptions.DeallocateVIPException,
        about={"load_balancer_id": "vip.load_balancer_id", "port_id": "vip.port_id"},
    )
    @abc.abstractmethod
    def deallocate_vip(self, vip: VIP) -> None:
        """Remove everything that reserves a virtual IP.

        Removes the load balancer's security group, VRRP ports that are left over, and
        the VIP's port if :meth:`allocate_vip` made it. A port that a user brought stays,
        with the security groups that it had before.

        :param vip: needs `port_id`, `load_balancer_id`, or both; of a port that a user
            brought, the load balancer's id is needed to find its security group
        :raises VIPConfigurationNotFound: it has neither
        :raises VIPInUse: something else, such as a server, uses the VIP's port
        :raises DeallocateVIPException: the cloud refused

        Idempotent: what is gone already is success. Source: seed ``deallocate_vip(vip)``.
        """

    @operation(
        "load_balancer.id",
        "vip.port_id",
        mutates=True,
        fails_as=exceptions.PlugVIPException,
        about={"load_balancer_id": "load_balancer.id", "port_id": "vip.port_id"},
    )
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
        :raises VIPInUse: another load balancer uses the VIP's port
        :raises InvalidRequest: a field of a listener is wrong; the error has its path
        :raises PlugVIPException: the cloud refused

        Idempotent by amphora. Source: seed ``plug_vip(loadbalancer, vip)``.
        """

    @operation(
        "load_balancer.id",
        mutates=True,
        fails_as=exceptions.UnplugVIPException,
        about={"load_balancer_id": "load_balancer.id", "port_id": "vip.port_id"},
    )
    @abc.abstractmethod
    def unplug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> None:
        """Stop routing the traffic of a VIP to the load balancer's amphorae.

        Detaches the VRRP ports from the servers, waits until they are detached, and
        deletes them; a port that the server had before has again what it had. Each port
        goes on its own: the error names those that could not. Amphorae whose server is
        gone are no error.

        :param load_balancer: needs `id` and its `amphorae`
        :param vip: needs `subnet_id` or `network_id`
        :raises PluggedVIPNotFound: nothing is plugged and the VIP's subnet does not exist
        :raises UnplugVIPException: the cloud refused, or did not detach in time

        Idempotent. Source: seed ``unplug_vip(loadbalancer, vip)``.
        """

    @operation(
        "load_balancer.id",
        "load_balancer.vip.ip_address",
        mutates=True,
        added={"for_delete": "1.1"},
        fails_as=exceptions.PlugVIPException,
        about={
            "load_balancer_id": "load_balancer.id",
            "port_id": "load_balancer.vip.port_id",
        },
    )
    @abc.abstractmethod
    def update_vip(self, load_balancer: LoadBalancer, for_delete: bool = False) -> None:
        """Bring the VIP's security group in line with the load balancer's listeners.

        Rules that are missing are added before others are removed, and rules that the
        driver does not make (egress, other protocols) are kept.

        :param load_balancer: needs `id`, `vip` with its addresses, `listeners` and
            `topology`
        :param for_delete: whether a listener is being deleted, so that it is no error
            that the security group is gone already
        :raises MissingVIPSecurityGroup: the VIP has none yet: call plug_vip or
            update_vip_sg
        :raises InvalidRequest: a field of a listener is wrong; the error has its path
        :raises PlugVIPException: the cloud refused

        Idempotent. Source: seed ``update_vip(loadbalancer)``.
        """

    # The VIP on one amphora, and what the amphora has to know.

    @operation(
        "load_balancer.id",
        "vip.port_id",
        mutates=True,
        since="1.1",
        fails_as=exceptions.PlugVIPException,
        about={"load_balancer_id": "load_balancer.id", "port_id": "vip.port_id"},
    )
    @abc.abstractmethod
    def update_vip_sg(self, load_balancer: LoadBalancer, vip: VIP) -> str | None:
        """Make the VIP's security group, bring its rules in line, and set it on the VIP.

        The group is ``lb-<id>`` of the service's own project; a group of that name in
        another project is not taken for it. The VIP's port gets it and the user's
        ``vip.sg_ids``, and no other.

        :param load_balancer: needs `id`; `topology` and `listeners` shape the rules
        :param vip: as :meth:`allocate_vip` returned it
        :returns: the group's id; None where the cloud has no security groups
        :raises PortNotFound: the VIP's port does not exist
        :raises PlugVIPException: the cloud refused

        Idempotent. Source: Octavia, ``update_vip_sg(load_balancer, vip)``.
        """

    @operation(
        "load_balancer.id",
        "amphora.vrrp_port_id",
        mutates=True,
        since="1.1",
        fails_as=exceptions.PlugVIPException,
        about={
            "load_balancer_id": "load_balancer.id",
            "port_id": "amphora.vrrp_port_id",
        },
    )
    @abc.abstractmethod
    def update_aap_port_sg(
        self, load_balancer: LoadBalancer, amphora: Amphora, vip: VIP
    ) -> None:
        """Set the VIP's security group and the user's on an amphora's VRRP port.

        :param load_balancer: needs `id`
        :param amphora: needs `vrrp_port_id`; one that is DELETED has nothing to change
        :param vip: its `sg_ids` are the user's groups
        :raises PortNotFound: the VRRP port does not exist
        :raises MissingVIPSecurityGroup: the VIP has none yet: call update_vip_sg
        :raises PlugVIPException: the cloud refused

        Idempotent.
        Source: Octavia, ``update_aap_port_sg(load_balancer, amphora, vip)``.
        """

    @operation(
        "load_balancer.id",
        "vip.ip_address",
        "amphora.id",
        "amphora.compute_id",
        "subnet.id",
        "subnet.network_id",
        mutates=True,
        since="1.1",
        fails_as=exceptions.PlugVIPException,
        about={"load_balancer_id": "load_balancer.id", "port_id": "vip.port_id"},
    )
    @abc.abstractmethod
    def plug_aap_port(
        self, load_balancer: LoadBalancer, vip: VIP, amphora: Amphora, subnet: Subnet
    ) -> Amphora:
        """Route the traffic of a VIP to one amphora.

        The amphora gets a VRRP port ``octavia-lb-vrrp-<id>`` on the subnet, which is in
        the VIP's security group and the user's from the beginning, and may send from all
        the VIP's addresses. A port that it has on the network already is used, but never
        the one on the management network.

        :param load_balancer: needs `id`
        :param vip: with its addresses, `sg_ids` and `port_id`
        :param amphora: needs `id` and `compute_id`
        :param subnet: the VIP's subnet; needs `id` and `network_id`
        :returns: the amphora with `vrrp_ip`, `ha_ip`, `vrrp_port_id` and `ha_port_id`
        :raises AmphoraNotFound: the amphora's server does not exist
        :raises SubnetNotFound: the subnet does not exist
        :raises MissingVIPSecurityGroup: the VIP has none yet: call update_vip_sg
        :raises NoMoreAddresses: the subnet has no address left
        :raises PlugVIPException: the cloud refused

        Idempotent by amphora.
        Source: Octavia, ``plug_aap_port(load_balancer, vip, amphora, subnet)``.
        """

    @operation(
        "amphora.id",
        "subnet.network_id",
        mutates=True,
        since="1.1",
        fails_as=exceptions.UnplugVIPException,
        about={
            "load_balancer_id": "vip.load_balancer_id or amphora.load_balancer_id",
            "port_id": "amphora.vrrp_port_id",
        },
    )
    @abc.abstractmethod
    def unplug_aap_port(self, vip: VIP, amphora: Amphora, subnet: Subnet) -> None:
        """Stop routing the traffic of a VIP to one amphora.

        Detaches the VRRP port from the server, waits until it is detached, and deletes
        it. A port that the server had before it was plugged loses the VIP only.

        :param vip: whose traffic it is
        :param amphora: needs `id`; `compute_id` and `vrrp_port_id` as far as known
        :param subnet: the VIP's subnet; needs `network_id`
        :raises UnplugVIPException: the cloud refused, or did not detach in time

        Idempotent: what is gone already, port, server or subnet, is success.
        Source: Octavia, ``unplug_aap_port(vip, amphora, subnet)``.
        """

    @operation("load_balancer.vip.port_id", since="1.1")
    @abc.abstractmethod
    def get_network_configs(
        self, load_balancer: LoadBalancer, amphora: Amphora | None = None
    ) -> dict[str, AmphoraNetworkConfig]:
        """Return what amphorae have to know of their networks.

        :param load_balancer: needs `vip` and `amphorae` with their ports and addresses
        :param amphora: the only one to look at; all that are not DELETED if None
        :returns: by the ids of amphorae. Of several, one whose ports cannot be found is
            left out; of the one that was asked for, that is an error. Ports have their
            `network`, and a VRRP port's MAC address and MTU are there.
        :raises PortNotFound: the amphora that was asked for lacks a port
        :raises SubnetNotFound: a subnet does not exist
        :raises NetworkException: the cloud refused

        Source: Octavia, ``get_network_configs(load_balancer, amphora=None)``.
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

    # Servers plugged into networks.

    @operation(
        "compute_id",
        "network_id",
        mutates=True,
        fails_as=exceptions.PlugNetworkException,
        about={
            "compute_id": "compute_id",
            "network_id": "network_id",
            "ip_address": "ip_address",
        },
    )
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

    @operation(
        "compute_id",
        "network_id",
        mutates=True,
        fails_as=exceptions.UnplugNetworkException,
        about={
            "compute_id": "compute_id",
            "network_id": "network_id",
            "ip_address": "ip_address",
        },
    )
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

    @operation(
        "amphora.compute_id",
        "port.id",
        mutates=True,
        since="1.1",
        fails_as=exceptions.PlugNetworkException,
        about={
            "compute_id": "amphora.compute_id",
            "network_id": "port.network_id",
            "port_id": "port.id",
        },
    )
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

    # Ports made, changed and deleted one by one.

    @operation(
        "network_id",
        mutates=True,
        since="1.1",
        fails_as=exceptions.CreatePortException,
        about={"network_id": "network_id"},
    )
    @abc.abstractmethod
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
        """Create a port of the service's own project.

        :param network_id: where
        :param name: its name, by which the same port is meant when the call is repeated;
            without one, each call makes another port, and only a copy of the same
            request finds it again
        :param fixed_ips: subnets, addresses, or both; one that the network chooses if
            None or empty
        :param secondary_ips: addresses that it may send from besides its own
        :param security_group_ids: its security groups; the project's default one if None
            or empty
        :param admin_state_up: whether it carries traffic
        :param qos_policy_id: its QoS policy
        :param vnic_type: ``normal``, ``direct``, ...
        :returns: the port
        :raises NetworkNotFound: the network does not exist
        :raises SubnetNotFound: a subnet does not exist
        :raises AddressInUse: a wanted address is held by another port
        :raises NoMoreAddresses: there is no address left
        :raises QuotaExceeded: the project may not have more ports
        :raises CreatePortException: the cloud refused, or a port of that name was made
            with other addresses

        Idempotent by network and name: the port that an earlier call made is returned,
        with its groups, QoS policy and secondary addresses as they are wanted now.
        Source: Octavia, ``create_port``.
        """

    @operation(
        "port_id",
        mutates=True,
        since="1.1",
        fails_as=exceptions.NetworkServiceError,
        about={"port_id": "port_id"},
    )
    @abc.abstractmethod
    def delete_port(self, port_id: str) -> None:
        """Delete a port.

        :param port_id: its id
        :raises NetworkServiceError: the cloud refused

        Idempotent: a port that is gone already is success.
        Source: Octavia, ``delete_port(port_id)``.
        """

    @operation(
        "port_id",
        "subnet_id",
        mutates=True,
        since="1.1",
        about={
            "port_id": "port_id",
            "subnet_id": "subnet_id",
            "ip_address": "ip_address",
        },
    )
    @abc.abstractmethod
    def plug_fixed_ip(
        self, port_id: str, subnet_id: str, ip_address: str | None = None
    ) -> Port:
        """Give a port an address on a subnet.

        :param port_id: id of the port
        :param subnet_id: id of the subnet
        :param ip_address: the address; any if None
        :returns: the port as it is then
        :raises PortNotFound: the port does not exist
        :raises SubnetNotFound: the subnet does not exist
        :raises AddressInUse: `ip_address` is held by another port
        :raises NoMoreAddresses: the subnet has no address left
        :raises NetworkException: the cloud refused

        Idempotent: a port that has `ip_address`, or any address on the subnet if that is
        None, is left as it is. Other addresses that it is given at the same time stay.
        Source: Octavia, ``plug_fixed_ip(port_id, subnet_id, ip_address=None)``.
        """

    @operation(
        "port_id",
        "subnet_id",
        mutates=True,
        since="1.1",
        about={"port_id": "port_id", "subnet_id": "subnet_id"},
    )
    @abc.abstractmethod
    def unplug_fixed_ip(self, port_id: str, subnet_id: str) -> Port:
        """Take from a port all the addresses that it has on a subnet.

        :param port_id: id of the port
        :param subnet_id: id of the subnet
        :returns: the port as it is then
        :raises PortNotFound: the port does not exist
        :raises NetworkException: the cloud refused

        Idempotent. Source: Octavia, ``unplug_fixed_ip(port_id, subnet_id)``.
        """

    @operation(
        "port_id",
        mutates=True,
        since="1.1",
        fails_as=exceptions.NetworkServiceError,
        about={"port_id": "port_id"},
    )
    @abc.abstractmethod
    def set_port_admin_state_up(self, port_id: str, state: bool) -> None:
        """Let a port carry traffic, or not.

        :param port_id: id of the port
        :param state: whether it does
        :raises PortNotFound: the port does not exist
        :raises NetworkServiceError: the cloud refused

        Idempotent. Source: Octavia, ``set_port_admin_state_up(port_id, state)``.
        """

    def admin_down_port(self, port_id: str) -> None:
        """Keep a port from carrying traffic.

        The same as :meth:`set_port_admin_state_up` with False, under the name by which
        Octavia's DeletePort task asks for it.

        :param port_id: id of the port
        """
        self.set_port_admin_state_up(port_id, False)

    @operation(
        "port_id",
        mutates=True,
        since="1.1",
        about={"port_id": "port_id", "qos_policy_id": "qos_id"},
    )
    @abc.abstractmethod
    def apply_qos_on_port(self, qos_id: str | None, port_id: str) -> None:
        """Set the QoS policy of a port.

        :param qos_id: id of the policy; None for no policy
        :param port_id: id of the port
        :raises PortNotFound: the port does not exist
        :raises QosPolicyNotFound: the policy does not exist
        :raises NetworkException: the cloud refused, or has no QoS

        Idempotent. Source: Octavia, ``apply_qos_on_port(qos_id, port_id)``.
        """

    # Questions that change nothing.

    @operation(
        "network_id", added={"context": "1.1"}, about={"network_id": "network_id"}
    )
    @abc.abstractmethod
    def get_network(
        self, network_id: str, context: UserContext | None = None
    ) -> Network:
        """Return a network.

        :param network_id: its id
        :param context: the user who asks; the service itself if None
        :raises NetworkNotFound: it does not exist, or its asker may not see it
        :raises NetworkException: the cloud refused, or does not know the token

        Source: seed ``get_network(network_id)``; Neutron API v2, show network.
        """

    @operation("subnet_id", added={"context": "1.1"}, about={"subnet_id": "subnet_id"})
    @abc.abstractmethod
    def get_subnet(self, subnet_id: str, context: UserContext | None = None) -> Subnet:
        """Return a subnet.

        :param subnet_id: its id
        :param context: the user who asks; the service itself if None
        :raises SubnetNotFound: it does not exist, or its asker may not see it
        :raises NetworkException: the cloud refused, or does not know the token

        Source: seed ``get_subnet(subnet_id)``; Neutron API v2, show subnet.
        """

    @operation("port_id", added={"context": "1.1"}, about={"port_id": "port_id"})
    @abc.abstractmethod
    def get_port(self, port_id: str, context: UserContext | None = None) -> Port:
        """Return a port.

        :param port_id: its id
        :param context: the user who asks; the service itself if None
        :raises PortNotFound: it does not exist, or its asker may not see it
        :raises NetworkException: the cloud refused, or does not know the token

        Source: seed ``get_port(port_id)``; Neutron API v2, show port.
        """

    @operation("network_ids", since="1.2")
    @abc.abstractmethod
    def get_networks(self, network_ids: list[str]) -> list[Network]:
        """Return several networks, asked for at once.

        :param network_ids: their ids; one may be there several times
        :returns: one for each id, in that order
        :raises NetworkNotFound: one does not exist; the first of those that do not
        :raises NetworkException: the cloud refused

        Source: Neutron API v2, list networks, filtered by several ids.
        """

    @operation("subnet_ids", since="1.2")
    @abc.abstractmethod
    def get_subnets(self, subnet_ids: list[str]) -> list[Subnet]:
        """Return several subnets, asked for at once.

        :param subnet_ids: their ids; one may be there several times
        :returns: one for each id, in that order
        :raises SubnetNotFound: one does not exist; the first of those that do not
        :raises NetworkException: the cloud refused

        Source: Neutron API v2, list subnets, filtered by several ids.
        """

    @operation("port_ids", since="1.2")
    @abc.abstractmethod
    def get_ports(self, port_ids: list[str]) -> list[Port]:
        """Return several ports, asked for at once.

        :param port_ids: their ids; one may be there several times
        :returns: one for each id, in that order
        :raises PortNotFound: one does not exist; the first of those that do not
        :raises NetworkException: the cloud refused

        Source: Neutron API v2, list ports, filtered by several ids.
        """

    @operation("network_name", since="1.1")
    @abc.abstractmethod
    def get_network_by_name(self, network_name: str) -> Network:
        """Return the network with a name.

        :param network_name: its name; of several the one with the smallest id is returned
        :raises NetworkNotFound: there is none that the service can see
        :raises NetworkException: the cloud refused

        Source: Octavia, ``get_network_by_name(network_name)``.
        """

    @operation("subnet_name", since="1.1")
    @abc.abstractmethod
    def get_subnet_by_name(self, subnet_name: str) -> Subnet:
        """Return the subnet with a name.

        :param subnet_name: its name; of several the one with the smallest id is returned
        :raises SubnetNotFound: there is none that the service can see
        :raises NetworkException: the cloud refused

        Source: Octavia, ``get_subnet_by_name(subnet_name)``.
        """

    @operation("port_name", since="1.1")
    @abc.abstractmethod
    def get_port_by_name(self, port_name: str) -> Port:
        """Return the port with a name.

        :param port_name: its name; of several the one with the smallest id is returned
        :raises PortNotFound: there is none that the service can see
        :raises NetworkException: the cloud refused

        Source: Octavia, ``get_port_by_name(port_name)``.
        """

    @operation("network_id", "device_id", since="1.1")
    @abc.abstractmethod
    def get_port_by_net_id_device_id(self, network_id: str, device_id: str) -> Port:
        """Return a port that a device has on a network.

        :param network_id: id of the network
        :param device_id: id of a server, or ``lb-<id>``; of several ports the one with
            the smallest id is returned
        :raises PortNotFound: there is none
        :raises NetworkException: the cloud refused

        Source: Octavia, ``get_port_by_net_id_device_id(network_id, device_id)``.
        """

    @operation("sg_name", since="1.1")
    @abc.abstractmethod
    def get_security_group(self, sg_name: str) -> SecurityGroup | None:
        """Return the service's own security group with a name.

        :param sg_name: its name; of several the oldest is returned
        :returns: the group; None where the cloud has no security groups
        :raises SecurityGroupNotFound: the service's project has none of that name
        :raises NetworkException: the cloud refused

        Source: Octavia, ``get_security_group(sg_name)``.
        """

    @operation("sg_id", since="1.1", about={"security_group_id": "sg_id"})
    @abc.abstractmethod
    def get_security_group_by_id(
        self, sg_id: str, context: UserContext | None = None
    ) -> SecurityGroup:
        """Return a security group.

        :param sg_id: its id
        :param context: the user who asks; the service itself if None
        :raises SecurityGroupNotFound: it does not exist, or its asker may not see it
        :raises NetworkException: the cloud refused, or does not know the token

        Source: Octavia, ``get_security_group_by_id(sg_id, context=None)``.
        """

    @operation("qos_policy_id", since="1.1", about={"qos_policy_id": "qos_policy_id"})
    @abc.abstractmethod
    def get_qos_policy(
        self, qos_policy_id: str, context: UserContext | None = None
    ) -> QosPolicy:
        """Return a QoS policy.

        :param qos_policy_id: its id
        :param context: the user who asks; the service itself if None
        :raises QosPolicyNotFound: it does not exist, or its asker may not see it
        :raises NetworkException: the cloud refused, or does not know the token

        Source: Octavia, ``get_qos_policy(qos_policy_id, context=None)``.
        """

    @operation("network.id", since="1.1", about={"network_id": "network.id"})
    @abc.abstractmethod
    def get_network_ip_availability(self, network: Network) -> NetworkIPAvailability:
        """Return how many addresses a network and its subnets have and use.

        :param network: needs `id`
        :returns: the numbers, subnet by subnet
        :raises NetworkNotFound: the network does not exist
        :raises NetworkException: the cloud refused, or does not tell the service

        Source: Octavia, ``get_network_ip_availability(network)``.
        """

    @operation(since="1.1")
    @abc.abstractmethod
    def qos_enabled(self) -> bool:
        """Tell whether the cloud has QoS policies for ports.

        :returns: whether it has
        :raises NetworkException: the cloud refused

        Source: Octavia, ``qos_enabled()``.
        """

    @operation(since="1.1")
    @abc.abstractmethod
    def sec_grp_enabled(self) -> bool:
        """Tell whether the cloud has security groups.

        :returns: whether it has
        :raises NetworkException: the cloud refused

        Source: Octavia, the attribute ``sec_grp_enabled`` of its neutron driver.
        """


def operations() -> dict[str, Operation]:
    """Return the methods of the interface, by name, in alphabetical order."""
    return {
        name: vars(getattr(NetworkDriver, name))["operation"]
        for name in sorted(NetworkDriver.__abstractmethods__)
    }
