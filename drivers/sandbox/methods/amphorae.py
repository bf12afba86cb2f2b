# SPDX-License-Identifier: Apache-2.0
"""The methods of :class:`networker.drivers.interface.amphorae.Amphorae`."""

from __future__ import annotations

from networker import exceptions
from networker.drivers.sandbox import configs, interfaces, plugging, unplugging
from networker.drivers.sandbox.errors import not_said
from networker.drivers.sandbox.methods.transactions import Transactions, about
from networker.models import (
    VIP,
    Amphora,
    AmphoraNetworkConfig,
    LoadBalancer,
    Subnet,
)


class AmphoraMethods(Transactions):
    """One amphora at a time."""

    def update_vip_sg(self, load_balancer: LoadBalancer, vip: VIP) -> str:
        """Make the VIP's security group, bring its rules in line, set it on the VIP."""
        failure = exceptions.PlugVIPException
        with self._change(3, failure, **about(load_balancer, vip)) as tx:
            return plugging.secure(tx, load_balancer, vip)

    def update_aap_port_sg(
        self, load_balancer: LoadBalancer, amphora: Amphora, vip: VIP
    ) -> None:
        """Set the VIP's security group and the user's on an amphora's VRRP port."""
        failure = exceptions.PlugVIPException
        known = {
            "load_balancer_id": load_balancer.id,
            "port_id": amphora.vrrp_port_id,
        }
        with self._change(2, failure, **known) as tx:
            plugging.secure_one(tx, load_balancer, vip, amphora)

    def plug_aap_port(
        self, load_balancer: LoadBalancer, vip: VIP, amphora: Amphora, subnet: Subnet
    ) -> Amphora:
        """Route the traffic of a VIP to one amphora."""
        failure = exceptions.PlugVIPException
        with self._change(3, failure, **about(load_balancer, vip)) as tx:
            return plugging.plug_one(tx, load_balancer, vip, amphora, subnet)

    def unplug_aap_port(self, vip: VIP, amphora: Amphora, subnet: Subnet) -> None:
        """Stop routing the traffic of a VIP to one amphora."""
        failure = exceptions.UnplugVIPException
        owner = vip.load_balancer_id or amphora.load_balancer_id
        known = {"load_balancer_id": owner, "port_id": amphora.vrrp_port_id}
        with self._removal(3, failure, **known) as tx:
            unplugging.unplug_one(tx, vip, amphora, subnet)

    def get_network_configs(
        self, load_balancer: LoadBalancer, amphora: Amphora | None = None
    ) -> dict[str, AmphoraNetworkConfig]:
        """Return what amphorae have to know of their networks."""
        with self._read() as tx, not_said():
            return configs.of(tx, load_balancer, amphora)

    def failover_preparation(self, amphora: Amphora) -> None:
        """Make an amphora's ports ready to outlive its server."""
        with self._change(2, exceptions.NetworkException) as tx:
            interfaces.release(tx, amphora)
