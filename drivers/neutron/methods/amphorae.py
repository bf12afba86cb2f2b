# SPDX-License-Identifier: Apache-2.0
"""The methods of :class:`networker.drivers.interface.amphorae.Amphorae`."""

from __future__ import annotations

from networker import exceptions
from networker.drivers.neutron import configs, plugging_one, unplugging, vip_groups
from networker.drivers.neutron.errors import refused_as
from networker.drivers.neutron.interfaces import Interfaces
from networker.drivers.neutron.methods.connected import Connected, about, about_amphora
from networker.models import (
    VIP,
    Amphora,
    AmphoraNetworkConfig,
    LoadBalancer,
    Subnet,
)


class AmphoraMethods(Connected):
    """One amphora at a time."""

    def update_vip_sg(self, load_balancer: LoadBalancer, vip: VIP) -> str | None:
        """Make the VIP's security group, bring its rules in line, and set it."""
        with refused_as(exceptions.PlugVIPException, **about(load_balancer, vip)):
            return vip_groups.update(self._cloud, load_balancer, vip)

    def update_aap_port_sg(
        self, load_balancer: LoadBalancer, amphora: Amphora, vip: VIP
    ) -> None:
        """Set the VIP's security group and the user's on an amphora's VRRP port."""
        known = {
            "load_balancer_id": load_balancer.id,
            "port_id": amphora.vrrp_port_id,
        }
        with refused_as(exceptions.PlugVIPException, **known):
            vip_groups.update_amphora(self._cloud, load_balancer, amphora, vip)

    def plug_aap_port(
        self, load_balancer: LoadBalancer, vip: VIP, amphora: Amphora, subnet: Subnet
    ) -> Amphora:
        """Route the traffic of a VIP to one amphora."""
        with refused_as(exceptions.PlugVIPException, **about(load_balancer, vip)):
            return plugging_one.plug(self._cloud, load_balancer, vip, amphora, subnet)

    def unplug_aap_port(self, vip: VIP, amphora: Amphora, subnet: Subnet) -> None:
        """Stop routing the traffic of a VIP to one amphora."""
        with refused_as(exceptions.UnplugVIPException, **about_amphora(vip, amphora)):
            unplugging.unplug_one(self._cloud, vip, amphora, subnet)

    def get_network_configs(
        self, load_balancer: LoadBalancer, amphora: Amphora | None = None
    ) -> dict[str, AmphoraNetworkConfig]:
        """Return what amphorae have to know of their networks."""
        with refused_as(exceptions.NetworkException):
            return configs.of(self._cloud, load_balancer, amphora)

    def failover_preparation(self, amphora: Amphora) -> None:
        """Make an amphora's ports ready to outlive its server."""
        with refused_as(exceptions.NetworkException):
            Interfaces(self._cloud).release(amphora)
