# SPDX-License-Identifier: Apache-2.0
"""The interface: a virtual IP, from its allocation to its end."""

from __future__ import annotations

import abc

from networker.drivers.operation import operation
from networker.models import (
    VIP,
    Amphora,
    LoadBalancer,
)


class Vips(abc.ABC):
    """What a load balancer does with its VIP."""

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

    @operation(mutates=True)
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
        :raises VIPInUse: another load balancer uses the VIP's port
        :raises InvalidRequest: a field of a listener is wrong; the error has its path
        :raises PlugVIPException: the cloud refused

        Idempotent by amphora. Source: seed ``plug_vip(loadbalancer, vip)``.
        """

    @operation("load_balancer.id", mutates=True)
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
