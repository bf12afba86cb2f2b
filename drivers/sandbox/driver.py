# SPDX-License-Identifier: Apache-2.0
"""The sandbox driver: a network that exists in one SQLite file only."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from oslo_config import cfg
from typing_extensions import override

from networker.context import require_time, stay_ours
from networker.drivers.base import NetworkDriver
from networker.drivers.sandbox.backdoor import Backdoor
from networker.drivers.sandbox.errors import not_said
from networker.drivers.sandbox.operations import (
    allocate_vip,
    apply_delta,
    apply_qos_on_port,
    create_port,
    deallocate_vip,
    delete_port,
    failover_preparation,
    get_network_configs,
    get_plugged_networks,
    lookups,
    plug_aap_port,
    plug_network,
    plug_port,
    plug_vip,
    set_port_admin_state_up,
    unplug_aap_port,
    unplug_network,
    unplug_vip,
    update_aap_port_sg,
    update_vip,
    update_vip_sg,
)
from networker.drivers.sandbox.populate import populate
from networker.drivers.sandbox.records import ports
from networker.drivers.sandbox.records.database import Database
from networker.drivers.sandbox.topology import PACKAGED
from networker.models import (
    VIP,
    Amphora,
    AmphoraNetworkConfig,
    Delta,
    FixedIP,
    Interface,
    LoadBalancer,
    Network,
    NetworkIPAvailability,
    Port,
    QosPolicy,
    SecurityGroup,
    Subnet,
    UserContext,
)


class SandboxDriver(NetworkDriver):
    """A network that exists in one SQLite file only, and is strict about it.

    Each method is one transaction. Before it, the method sleeps as long as a cloud would
    need: so many waves of requests, one after another, where what can be asked at the
    same time is one wave. What a transaction made after its caller's deadline is undone;
    what it removed is not, since finishing that late is harmless.

    :param conf: its group ``[sandbox]`` says where the file is, what a new one begins
        with, and how many seconds a wave takes
    :raises SandboxError: the file is no sandbox, or cannot be used
    :raises TopologyError: the file is new, and its topology is malformed
    """

    #: What is in the sandbox, and what happens there behind the interface's back.
    backdoor: Backdoor

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        topology = Path(conf.sandbox.topology or PACKAGED).absolute()
        fill = functools.partial(populate, path=topology)
        self._database = Database(Path(conf.sandbox.database), fill)
        self._latency = conf.sandbox.latency
        self.backdoor = Backdoor(self._database)
        self._database.check()

    def close(self) -> None:
        """Do nothing: whatever a method opens, it closes."""

    @contextlib.contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        time.sleep(self._latency)
        with self._database.read() as tx:
            yield tx

    @contextlib.contextmanager
    def _change(self, waves: int) -> Iterator[sqlite3.Connection]:
        with self._removal(waves) as tx:
            yield tx
            require_time()

    @contextlib.contextmanager
    def _removal(self, waves: int) -> Iterator[sqlite3.Connection]:
        time.sleep(self._latency * waves)
        stay_ours()
        with self._database.write() as tx:
            yield tx

    # A virtual IP, from its allocation to its end.

    @override
    def allocate_vip(self, load_balancer: LoadBalancer) -> VIP:
        with self._change(1) as tx:
            return allocate_vip.run(tx, load_balancer)

    @override
    def deallocate_vip(self, vip: VIP) -> None:
        with self._removal(4) as tx:
            deallocate_vip.run(tx, vip)

    @override
    def plug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> list[Amphora]:
        with self._change(4) as tx:
            return plug_vip.run(tx, load_balancer, vip)

    @override
    def unplug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> None:
        with self._removal(3) as tx:
            unplug_vip.run(tx, load_balancer, vip)

    @override
    def update_vip(self, load_balancer: LoadBalancer, for_delete: bool = False) -> None:
        with self._change(2) as tx:
            update_vip.run(tx, load_balancer, for_delete=for_delete)

    # The VIP on one amphora, and what the amphora has to know.

    @override
    def update_vip_sg(self, load_balancer: LoadBalancer, vip: VIP) -> str:
        with self._change(3) as tx:
            return update_vip_sg.run(tx, load_balancer, vip)

    @override
    def update_aap_port_sg(
        self, load_balancer: LoadBalancer, amphora: Amphora, vip: VIP
    ) -> None:
        with self._change(2) as tx:
            update_aap_port_sg.run(tx, load_balancer, amphora, vip)

    @override
    def plug_aap_port(
        self, load_balancer: LoadBalancer, vip: VIP, amphora: Amphora, subnet: Subnet
    ) -> Amphora:
        with self._change(3) as tx:
            return plug_aap_port.run(tx, load_balancer, vip, amphora, subnet)

    @override
    def unplug_aap_port(self, vip: VIP, amphora: Amphora, subnet: Subnet) -> None:
        with self._removal(3) as tx:
            unplug_aap_port.run(tx, vip, amphora, subnet)

    @override
    def get_network_configs(
        self, load_balancer: LoadBalancer, amphora: Amphora | None = None
    ) -> dict[str, AmphoraNetworkConfig]:
        with self._read() as tx, not_said():
            return get_network_configs.run(tx, load_balancer, amphora)

    @override
    def failover_preparation(self, amphora: Amphora) -> None:
        with self._change(2) as tx:
            failover_preparation.run(tx, amphora)

    # Servers plugged into networks.

    @override
    def plug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> Interface:
        with self._change(2) as tx:
            return plug_network.run(tx, compute_id, network_id, ip_address)

    @override
    def unplug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> None:
        with self._removal(3) as tx:
            unplug_network.run(tx, compute_id, network_id, ip_address)

    @override
    def get_plugged_networks(self, compute_id: str) -> list[Interface]:
        with self._read() as tx:
            return get_plugged_networks.run(tx, compute_id)

    @override
    def plug_port(self, amphora: Amphora, port: Port) -> Interface:
        with self._change(1) as tx:
            return plug_port.run(tx, amphora, port)

    @override
    def apply_delta(self, deltas: list[Delta]) -> list[Interface]:
        with self._change(apply_delta.waves(deltas)) as tx:
            return apply_delta.run(tx, deltas)

    # Ports made, changed and deleted one by one.

    @override
    def create_port(
        self,
        network_id: str,
        name: str | None = None,
        fixed_ips: list[FixedIP] | None = None,
        secondary_ips: list[str] | None = None,
        security_group_ids: list[str] | None = None,
        admin_state_up: bool = True,
        qos_policy_id: str | None = None,
        vnic_type: str = "normal",
    ) -> Port:
        wanted = Port(
            network_id=network_id,
            name=name,
            fixed_ips=fixed_ips or [],
            allowed_addresses=secondary_ips or [],
            security_group_ids=security_group_ids or [],
            admin_state_up=admin_state_up,
            qos_policy_id=qos_policy_id,
            vnic_type=vnic_type,
        )
        with self._change(1) as tx:
            return create_port.run(tx, wanted)

    @override
    def delete_port(self, port_id: str) -> None:
        with self._removal(1) as tx:
            delete_port.run(tx, port_id)

    @override
    def plug_fixed_ip(
        self, port_id: str, subnet_id: str, ip_address: str | None = None
    ) -> Port:
        with self._change(2) as tx:
            return ports.add_address(tx, port_id, subnet_id, ip_address)

    @override
    def unplug_fixed_ip(self, port_id: str, subnet_id: str) -> Port:
        with self._removal(2) as tx:
            return ports.remove_addresses(tx, port_id, subnet_id)

    @override
    def set_port_admin_state_up(self, port_id: str, state: bool) -> None:
        with self._change(1) as tx:
            set_port_admin_state_up.run(tx, port_id, state)

    @override
    def apply_qos_on_port(self, qos_id: str | None, port_id: str) -> None:
        with self._change(1) as tx:
            apply_qos_on_port.run(tx, port_id, qos_id)

    # Questions that change nothing.

    @override
    def get_network(
        self, network_id: str, context: UserContext | None = None
    ) -> Network:
        with self._read() as tx:
            return lookups.network(tx, network_id, context)

    @override
    def get_subnet(self, subnet_id: str, context: UserContext | None = None) -> Subnet:
        with self._read() as tx:
            return lookups.subnet(tx, subnet_id, context)

    @override
    def get_port(self, port_id: str, context: UserContext | None = None) -> Port:
        with self._read() as tx:
            return lookups.port(tx, port_id, context)

    @override
    def get_networks(self, network_ids: list[str]) -> list[Network]:
        with self._read() as tx, not_said():
            return [lookups.network(tx, one, None) for one in network_ids]

    @override
    def get_subnets(self, subnet_ids: list[str]) -> list[Subnet]:
        with self._read() as tx, not_said():
            return [lookups.subnet(tx, one, None) for one in subnet_ids]

    @override
    def get_ports(self, port_ids: list[str]) -> list[Port]:
        with self._read() as tx, not_said():
            return [lookups.port(tx, one, None) for one in port_ids]

    @override
    def get_network_by_name(self, network_name: str) -> Network:
        with self._read() as tx:
            return lookups.network_named(tx, network_name)

    @override
    def get_subnet_by_name(self, subnet_name: str) -> Subnet:
        with self._read() as tx:
            return lookups.subnet_named(tx, subnet_name)

    @override
    def get_port_by_name(self, port_name: str) -> Port:
        with self._read() as tx:
            return lookups.port_where(tx, name=port_name)

    @override
    def get_port_by_net_id_device_id(self, network_id: str, device_id: str) -> Port:
        with self._read() as tx:
            return lookups.port_where(tx, network_id=network_id, device_id=device_id)

    @override
    def get_security_group(self, sg_name: str) -> SecurityGroup:
        with self._read() as tx:
            return lookups.security_group_named(tx, sg_name)

    @override
    def get_security_group_by_id(
        self, sg_id: str, context: UserContext | None = None
    ) -> SecurityGroup:
        with self._read() as tx:
            return lookups.security_group(tx, sg_id, context)

    @override
    def get_qos_policy(
        self, qos_policy_id: str, context: UserContext | None = None
    ) -> QosPolicy:
        with self._read() as tx:
            return lookups.qos_policy(tx, qos_policy_id, context)

    @override
    def get_network_ip_availability(self, network: Network) -> NetworkIPAvailability:
        with self._read() as tx:
            return lookups.ip_availability(tx, network.id or "")

    @override
    def qos_enabled(self) -> bool:
        with self._read():
            return True

    @override
    def sec_grp_enabled(self) -> bool:
        with self._read():
            return True
