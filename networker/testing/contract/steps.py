# SPDX-License-Identifier: Apache-2.0
"""What several tests do before that which they are about."""

from __future__ import annotations

from collections.abc import Callable

import tenacity

from networker.drivers.base import NetworkDriver
from networker.drivers.rules import Rule
from networker.models import VIP, Amphora, LoadBalancer, Subnet

NOWHERE = "11111111-2222-4333-8444-555555555555"
#: The rules of the load balancers that a world makes, with an IPv4 address.
V4_RULES = {
    Rule("IPv4", "tcp", 80),
    Rule("IPv4", "tcp", 1025),
    Rule("IPv4", "udp", 53),
    Rule("IPv4", "112"),
    Rule("IPv4", "51"),
}


def until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda done: not done),
        wait=tenacity.wait_fixed(0.2),
        stop=tenacity.stop_after_delay(30),
    )(true)


def allocate(network: NetworkDriver, lb: LoadBalancer) -> VIP:
    """Give a load balancer its VIP."""
    lb.vip = network.allocate_vip(lb)
    return lb.vip


def secure(network: NetworkDriver, lb: LoadBalancer) -> VIP:
    """Give a load balancer its VIP, and the VIP its security group."""
    vip = allocate(network, lb)
    network.update_vip_sg(lb, vip)
    return vip


def plug(network: NetworkDriver, lb: LoadBalancer) -> VIP:
    """Give a load balancer its VIP, and plug it into all its amphorae."""
    vip = allocate(network, lb)
    lb.amphorae = network.plug_vip(lb, vip)
    return vip


def subnet_of(vip: VIP) -> Subnet:
    """Return a VIP's subnet as far as it has to be known."""
    return Subnet(id=vip.subnet_id, network_id=vip.network_id)


def plug_one(network: NetworkDriver, lb: LoadBalancer, index: int = 0) -> Amphora:
    """Plug a VIP that has its security group into one amphora."""
    vip = lb.vip or VIP()
    plugged = network.plug_aap_port(lb, vip, lb.amphorae[index], subnet_of(vip))
    lb.amphorae[index] = plugged
    return plugged
