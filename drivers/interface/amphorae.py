# SPDX-License-Identifier: Apache-2.0
"""The interface: one amphora at a time."""

from __future__ import annotations

import abc

from networker.drivers.operation import operation
from networker.models import (
    VIP,
    Amphora,
    AmphoraNetworkConfig,
    LoadBalancer,
    Subnet,
)


class Amphorae(abc.ABC):
    """The VIP on one amphora, and what the amphora has to know."""

    @operation("load_balancer.id", "vip.port_id", mutates=True, since="1.1")
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

    @operation("load_balancer.id", "amphora.vrrp_port_id", mutates=True, since="1.1")
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

    @operation("amphora.id", "subnet.network_id", mutates=True, since="1.1")
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
