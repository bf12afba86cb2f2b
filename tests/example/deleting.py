# SPDX-License-Identifier: Apache-2.0
"""How a controller hands over what it does not wait for."""

from __future__ import annotations

from networker.models import LoadBalancer
from networker.rpc import Casts


def hand_over(casts: Casts, lb: LoadBalancer) -> list[str]:
    """Let the workers remove a load balancer's VIP, and return the operations' ids.

    Casts may run at once and in any order, and what is gone already is no error.

    :param casts: such as ``client.cast``
    """
    if lb.vip is None:
        return []
    return [
        casts.unplug_vip(load_balancer=lb, vip=lb.vip),
        casts.deallocate_vip(lb.vip),
    ]
