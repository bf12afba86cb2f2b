# SPDX-License-Identifier: Apache-2.0
"""A load balancer's life: every method that changes something, from nothing to nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from networker.models import Listener, LoadBalancer
from tests.chaos.grounds import Ground

#: Makes a call: the name of a method, and its arguments.
Perform = Callable[..., Any]
#: Ports that a load balancer has when everything is plugged.
PORTS = 1 + 2 + 2 * 2


def create(ground: Ground, lb: LoadBalancer, perform: Perform) -> None:
    """Allocate and plug everything."""
    lb.vip = perform("allocate_vip", lb)
    lb.amphorae = perform("plug_vip", lb, lb.vip)
    for amphora in lb.amphorae:
        for network_id in ground.member_network_ids:
            perform("plug_network", amphora.compute_id, network_id)
    dns = Listener(id=ground.new_id(), protocol="UDP", protocol_port=53)
    lb.listeners = [*lb.listeners, dns]
    perform("update_vip", lb)


def destroy(ground: Ground, lb: LoadBalancer, perform: Perform) -> None:
    """Release the second amphora's ports, and remove everything."""
    perform("failover_preparation", lb.amphorae[1])
    for amphora in lb.amphorae:
        for network_id in ground.member_network_ids:
            perform("unplug_network", amphora.compute_id, network_id)
    perform("unplug_vip", lb, lb.vip)
    perform("deallocate_vip", lb.vip)
