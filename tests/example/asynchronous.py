# SPDX-License-Identifier: Apache-2.0
"""A controller on asyncio: what all load balancers' VIPs are, asked for at once."""

import asyncio

from oslo_config import cfg

from networker.models import LoadBalancer, Port
from networker.rpc import aio


async def vip_ports(conf: cfg.ConfigOpts, balancers: list[LoadBalancer]) -> list[Port]:
    """Return the port of each VIP."""
    ids = [lb.vip.port_id for lb in balancers if lb.vip and lb.vip.port_id]
    async with aio.connect(conf) as network, asyncio.timeout(30):
        return await asyncio.gather(*map(network.get_port, ids))
