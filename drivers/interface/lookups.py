# SPDX-License-Identifier: Apache-2.0
"""The interface: what there is."""

from __future__ import annotations

import abc

from networker.drivers.operation import operation
from networker.models import (
    Network,
    NetworkIPAvailability,
    Port,
    QosPolicy,
    SecurityGroup,
    Subnet,
    UserContext,
)


class Lookups(abc.ABC):
    """Questions that change nothing."""

    @operation("network_id", added={"context": "1.1"})
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

    @operation("subnet_id", added={"context": "1.1"})
    @abc.abstractmethod
    def get_subnet(self, subnet_id: str, context: UserContext | None = None) -> Subnet:
        """Return a subnet.

        :param subnet_id: its id
        :param context: the user who asks; the service itself if None
        :raises SubnetNotFound: it does not exist, or its asker may not see it
        :raises NetworkException: the cloud refused, or does not know the token

        Source: seed ``get_subnet(subnet_id)``; Neutron API v2, show subnet.
        """

    @operation("port_id", added={"context": "1.1"})
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

    @operation("sg_id", since="1.1")
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

    @operation("qos_policy_id", since="1.1")
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

    @operation("network.id", since="1.1")
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
