# SPDX-License-Identifier: Apache-2.0
"""A small controller: how networker is used, and how a controller tests itself.

It knows :class:`NetworkDriver` and nothing of what is behind it.
"""

from __future__ import annotations

import dataclasses

from networker import exceptions
from networker.drivers import NetworkDriver
from networker.models import Interface, LoadBalancer


@dataclasses.dataclass
class Controller:
    """Creates and deletes load balancers on whatever network it is given."""

    network: NetworkDriver

    def create(self, lb: LoadBalancer, member_networks: list[str]) -> LoadBalancer:
        """Allocate the VIP, plug it in and connect the amphorae to their members.

        What was done is undone when a step fails, and the error raised again.
        """
        lb.vip = self.network.allocate_vip(lb)
        try:
            lb.amphorae = self.network.plug_vip(lb, lb.vip)
            for network_id in member_networks:
                self.connect(lb, network_id)
        except exceptions.NetworkException:
            self.delete(lb, member_networks)
            raise
        return lb

    def connect(self, lb: LoadBalancer, network_id: str) -> list[Interface]:
        """Connect every amphora to a network."""
        return [
            self.network.plug_network(amphora.compute_id or "", network_id)
            for amphora in lb.amphorae
        ]

    def delete(self, lb: LoadBalancer, member_networks: list[str]) -> None:
        """Undo everything; every step can be repeated, so this can too."""
        for amphora in lb.amphorae:
            for network_id in member_networks:
                self.network.unplug_network(amphora.compute_id or "", network_id)
        if lb.vip:
            self.network.unplug_vip(lb, lb.vip)
            self.network.deallocate_vip(lb.vip)
