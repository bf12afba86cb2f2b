# SPDX-License-Identifier: Apache-2.0
"""A load balancer as Octavia's database gives it to a controller: a graph with cycles."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from octavia.common import constants
from octavia.common.data_models import (
    AdditionalVip,
    Amphora,
    L7Policy,
    L7Rule,
    Listener,
    ListenerCidr,
    LoadBalancer,
    Member,
    Pool,
    Vip,
)

from networker.drivers.sandbox.backdoor import Backdoor


class Balancer:
    """A load balancer of two amphorae with an address on each of two subnets.

    :param backdoor: of the sandbox on whose networks and servers it is
    """

    def __init__(self, backdoor: Backdoor) -> None:
        self.networks = {network.name: network.id for network in backdoor.networks()}
        self.subnets = {subnet.name: subnet.id for subnet in backdoor.subnets()}
        self.servers = backdoor.servers()
        self.lb = balancer(self.networks["vip-net"], self.subnets["vip-subnet"])
        self.lb.project_id = project = backdoor.networks()[0].project_id
        other = AdditionalVip(
            load_balancer_id=self.lb.id,
            subnet_id=self.subnets["vip-subnet6"],
            network_id=self.networks["vip-net"],
        )
        self.lb.additional_vips.append(other)
        ports = backdoor.ports(network_id=self.networks["lb-mgmt-net"])
        addresses = {port.device_id: port.fixed_ips[0].ip_address for port in ports}
        for name in ("amphora-0", "amphora-1"):
            server = self.servers[name]
            self.lb.amphorae.append(amphora(self.lb, server, addresses[server]))
        assert project

    def take(self, vip: Any, additional: list[Any]) -> None:
        """Store what allocate_vip returned, as Octavia's database does."""
        self.lb.vip, self.lb.additional_vips = vip, additional

    def store(self, plugged: Any) -> None:
        """Store what plug_aap_port returned."""
        (row,) = [one for one in self.lb.amphorae if one.id == plugged.id]
        for name in ("vrrp_ip", "ha_ip", "vrrp_port_id", "ha_port_id"):
            setattr(row, name, getattr(plugged, name))


def balancer(network_id: str | None = None, subnet_id: str | None = None) -> Any:
    """Return a load balancer with two listeners and nothing allocated yet."""
    lb = LoadBalancer(
        id=new(),
        project_id=new(),
        name="lb",
        topology=constants.TOPOLOGY_ACTIVE_STANDBY,
        provisioning_status=constants.PENDING_CREATE,
        created_at=now(),
    )
    lb.vip = Vip(
        load_balancer_id=lb.id,
        network_id=network_id,
        subnet_id=subnet_id,
        load_balancer=lb,
        vnic_type=constants.VNIC_TYPE_NORMAL,
    )
    lb.listeners = [listener(lb, 80), listener(lb, 443, "10.0.0.0/8", "192.0.2.0/24")]
    return lb


def listener(lb: Any, port: int, *cidrs: str) -> Any:
    """Return a listener of a load balancer."""
    made = Listener(
        id=new(),
        load_balancer_id=lb.id,
        load_balancer=lb,
        protocol=constants.PROTOCOL_TCP,
        protocol_port=port,
        peer_port=1024 + port,
        provisioning_status=constants.ACTIVE,
    )
    made.allowed_cidrs = [ListenerCidr(listener_id=made.id, cidr=c) for c in cidrs]
    return made


def amphora(lb: Any, compute_id: str | None, lb_network_ip: str | None) -> Any:
    """Return an amphora of a load balancer."""
    return Amphora(
        id=new(),
        load_balancer_id=lb.id,
        load_balancer=lb,
        compute_id=compute_id,
        lb_network_ip=lb_network_ip,
        status=constants.AMPHORA_ALLOCATED,
        cert_expiration=now(),
        created_at=now(),
    )


def grown(members: int, rules: int) -> Any:
    """Return a load balancer with as much behind it as a database can hold."""
    lb = balancer(new(), new())
    lb.vip.ip_address, lb.vip.port_id, lb.vip.qos_policy_id = "10.20.0.9", new(), new()
    for _ in range(2):
        one = amphora(lb, new(), "10.90.0.7")
        one.vrrp_ip, one.ha_ip = "10.20.0.7", lb.vip.ip_address
        one.vrrp_port_id, one.ha_port_id = new(), lb.vip.port_id
        lb.amphorae.append(one)
    pool = Pool(id=new(), load_balancer=lb, load_balancer_id=lb.id)
    pool.members = [
        Member(
            id=new(),
            pool=pool,
            subnet_id=new(),
            ip_address=f"10.1.{n // 250}.{n % 250}",
        )
        for n in range(members)
    ]
    lb.pools.append(pool)
    first = lb.listeners[0]
    first.default_pool, first.load_balancer = pool, lb
    policy = L7Policy(id=new(), listener=first, redirect_pool=pool)
    policy.l7rules = [L7Rule(id=new(), l7policy=policy) for _ in range(rules)]
    first.l7policies.append(policy)
    return lb


def new() -> str:
    """Return a new id."""
    return str(uuid.uuid4())


def now() -> datetime.datetime:
    """Return the time as a database has it."""
    return datetime.datetime.now(datetime.UTC)
