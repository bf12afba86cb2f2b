# SPDX-License-Identifier: Apache-2.0
"""The interface: single ports."""

from __future__ import annotations

import abc

from networker.drivers.operation import operation
from networker.models import (
    FixedIP,
    Port,
)


class Ports(abc.ABC):
    """Ports made, changed and deleted one by one."""

    @operation("network_id", mutates=True, since="1.1")
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

    @operation("port_id", mutates=True, since="1.1")
    @abc.abstractmethod
    def delete_port(self, port_id: str) -> None:
        """Delete a port.

        :param port_id: its id
        :raises NetworkServiceError: the cloud refused

        Idempotent: a port that is gone already is success.
        Source: Octavia, ``delete_port(port_id)``.
        """

    @operation("port_id", "subnet_id", mutates=True, since="1.1")
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

    @operation("port_id", "subnet_id", mutates=True, since="1.1")
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

    @operation("port_id", mutates=True, since="1.1")
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

    @operation("port_id", mutates=True, since="1.1")
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
