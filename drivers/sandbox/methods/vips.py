# SPDX-License-Identifier: Apache-2.0
"""The methods of :class:`networker.drivers.interface.vips.Vips`."""

from __future__ import annotations

from networker import exceptions
from networker.drivers.sandbox import plugging, unplugging, vips
from networker.drivers.sandbox.methods.transactions import Transactions, about
from networker.models import VIP, Amphora, LoadBalancer


class VipMethods(Transactions):
    """A virtual IP, from its allocation to its end."""

    def allocate_vip(self, load_balancer: LoadBalancer) -> VIP:
        """Reserve the virtual IP of a load balancer."""
        failure, vip = exceptions.AllocateVIPException, _vip(load_balancer)
        known = {**about(load_balancer, vip), "ip_address": vip.ip_address}
        with self._change(1, failure, **known) as tx:
            return vips.allocate(tx, load_balancer, vip)

    def deallocate_vip(self, vip: VIP) -> None:
        """Remove everything that reserves a virtual IP."""
        failure = exceptions.DeallocateVIPException
        known = {"load_balancer_id": vip.load_balancer_id, "port_id": vip.port_id}
        with self._removal(4, failure, **known) as tx:
            vips.deallocate(tx, vip)

    def plug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> list[Amphora]:
        """Route the traffic of a VIP to the load balancer's amphorae."""
        failure = exceptions.PlugVIPException
        with self._change(4, failure, **about(load_balancer, vip)) as tx:
            return plugging.plug(tx, load_balancer, vip)

    def unplug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> None:
        """Stop routing the traffic of a VIP to the load balancer's amphorae."""
        failure = exceptions.UnplugVIPException
        with self._removal(3, failure, **about(load_balancer, vip)) as tx:
            unplugging.unplug(tx, load_balancer, vip)

    def update_vip(self, load_balancer: LoadBalancer, for_delete: bool = False) -> None:
        """Bring the VIP's security group in line with the load balancer's listeners."""
        failure, vip = exceptions.PlugVIPException, _vip(load_balancer)
        with self._change(2, failure, **about(load_balancer, vip)) as tx:
            plugging.update(tx, load_balancer, vip, for_delete)


def _vip(load_balancer: LoadBalancer) -> VIP:
    # The interface has refused a load balancer without one already.
    return load_balancer.vip or VIP()
