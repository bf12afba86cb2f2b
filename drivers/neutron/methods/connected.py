# SPDX-License-Identifier: Apache-2.0
"""What the methods of the driver have in common: the cloud that they work with."""

from __future__ import annotations

from networker.drivers.base import NetworkDriver
from networker.drivers.neutron.cloud import Cloud
from networker.models import VIP, Amphora, LoadBalancer


class Connected(NetworkDriver):
    """A part of the driver.

    :param cloud: what they work with
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud


def vip_of(load_balancer: LoadBalancer) -> VIP:
    """Return a load balancer's VIP, which the interface has made sure that it has."""
    return load_balancer.vip or VIP()


def about(load_balancer: LoadBalancer, vip: VIP) -> dict[str, str | None]:
    """Return what errors say of a load balancer's VIP."""
    return {"load_balancer_id": load_balancer.id, "port_id": vip.port_id}


def about_amphora(vip: VIP, amphora: Amphora) -> dict[str, str | None]:
    """Return what errors say of an amphora and the VIP that it carries."""
    return {
        "load_balancer_id": vip.load_balancer_id or amphora.load_balancer_id,
        "port_id": amphora.vrrp_port_id,
    }
