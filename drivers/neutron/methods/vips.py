# SPDX-License-Identifier: Apache-2.0
"""The methods of :class:`networker.drivers.interface.vips.Vips`."""

from __future__ import annotations

from networker import exceptions
from networker.drivers.neutron import plugging, unplugging, vip_groups
from networker.drivers.neutron.errors import refused_as
from networker.drivers.neutron.methods.connected import Connected, about, vip_of
from networker.drivers.neutron.vips import Vips
from networker.models import VIP, Amphora, LoadBalancer


class VipMethods(Connected):
    """A virtual IP, from its allocation to its end."""

    def allocate_vip(self, load_balancer: LoadBalancer) -> VIP:
        """Reserve the virtual IP of a load balancer."""
        vip = vip_of(load_balancer)
        known = {**about(load_balancer, vip), "ip_address": vip.ip_address}
        with refused_as(exceptions.AllocateVIPException, **known):
            return Vips(self._cloud).allocate(load_balancer, vip)

    def deallocate_vip(self, vip: VIP) -> None:
        """Remove everything that reserves a virtual IP."""
        known = {"load_balancer_id": vip.load_balancer_id, "port_id": vip.port_id}
        with refused_as(exceptions.DeallocateVIPException, **known):
            Vips(self._cloud).deallocate(vip)

    def plug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> list[Amphora]:
        """Route the traffic of a VIP to the load balancer's amphorae."""
        with refused_as(exceptions.PlugVIPException, **about(load_balancer, vip)):
            return plugging.plug(self._cloud, load_balancer, vip)

    def unplug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> None:
        """Stop routing the traffic of a VIP to the load balancer's amphorae."""
        with refused_as(exceptions.UnplugVIPException, **about(load_balancer, vip)):
            unplugging.unplug(self._cloud, load_balancer, vip)

    def update_vip(self, load_balancer: LoadBalancer, for_delete: bool = False) -> None:
        """Bring the VIP's security group in line with the load balancer's listeners."""
        vip = vip_of(load_balancer)
        with refused_as(exceptions.PlugVIPException, **about(load_balancer, vip)):
            vip_groups.update_rules(
                self._cloud, load_balancer, vip, for_delete=for_delete
            )
