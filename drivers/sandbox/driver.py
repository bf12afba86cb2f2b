# SPDX-License-Identifier: Apache-2.0
"""The sandbox driver."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from oslo_config import cfg

from networker import exceptions
from networker.context import stay_ours
from networker.drivers.base import NetworkDriver
from networker.drivers.deadline import require_time
from networker.drivers.sandbox import interfaces, plugging, ports, records, vips
from networker.drivers.sandbox.backdoor import Backdoor
from networker.drivers.sandbox.database import Database
from networker.drivers.sandbox.errors import Refused
from networker.drivers.sandbox.populate import populate
from networker.drivers.sandbox.topology import PACKAGED
from networker.models import (
    VIP,
    Amphora,
    Interface,
    LoadBalancer,
    Network,
    Port,
    Subnet,
)


class SandboxDriver(Backdoor, NetworkDriver):
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

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        topology = Path(conf.sandbox.topology or PACKAGED).absolute()
        fill = functools.partial(populate, path=topology)
        super().__init__(Database(Path(conf.sandbox.database), fill))
        self._latency: float = conf.sandbox.latency
        self._database.check()

    def close(self) -> None:
        """Do nothing: whatever a method opens, it closes."""

    def allocate_vip(self, load_balancer: LoadBalancer) -> VIP:
        """Reserve the virtual IP of a load balancer."""
        failure = exceptions.AllocateVIPException
        with self._change(1, failure, load_balancer_id=load_balancer.id) as tx:
            return vips.allocate(tx, load_balancer, _vip(load_balancer))

    def deallocate_vip(self, vip: VIP) -> None:
        """Remove everything that reserves a virtual IP."""
        failure = exceptions.DeallocateVIPException
        with self._removal(4, failure, load_balancer_id=vip.load_balancer_id) as tx:
            vips.deallocate(tx, vip)

    def plug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> list[Amphora]:
        """Route the traffic of a VIP to the load balancer's amphorae."""
        failure = exceptions.PlugVIPException
        with self._change(4, failure, load_balancer_id=load_balancer.id) as tx:
            return plugging.plug(tx, load_balancer, vip)

    def unplug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> None:
        """Stop routing the traffic of a VIP to the load balancer's amphorae."""
        failure = exceptions.UnplugVIPException
        with self._removal(3, failure, load_balancer_id=load_balancer.id) as tx:
            plugging.unplug(tx, load_balancer, vip)

    def plug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> Interface:
        """Connect a server to a network."""
        failure = exceptions.PlugNetworkException
        about = {"network_id": network_id, "ip_address": ip_address}
        with self._change(2, failure, compute_id=compute_id, **about) as tx:
            return interfaces.plug(tx, compute_id, network_id, ip_address)

    def unplug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> None:
        """Disconnect a server from a network."""
        failure = exceptions.UnplugNetworkException
        about = {"network_id": network_id, "ip_address": ip_address}
        with self._removal(3, failure, compute_id=compute_id, **about) as tx:
            interfaces.unplug(tx, compute_id, network_id, ip_address)

    def get_plugged_networks(self, compute_id: str) -> list[Interface]:
        """Return the interfaces of a server, the management network's included."""
        with self._read() as tx:
            return interfaces.plugged(tx, compute_id)

    def update_vip(self, load_balancer: LoadBalancer) -> None:
        """Bring the VIP's security group in line with the load balancer's listeners."""
        failure = exceptions.PlugVIPException
        with self._change(2, failure, load_balancer_id=load_balancer.id) as tx:
            plugging.update(tx, load_balancer, _vip(load_balancer))

    def get_network(self, network_id: str) -> Network:
        """Return a network."""
        with self._read() as tx:
            return records.network(tx, network_id)

    def get_subnet(self, subnet_id: str) -> Subnet:
        """Return a subnet."""
        with self._read() as tx:
            return records.subnet(tx, subnet_id)

    def get_port(self, port_id: str) -> Port:
        """Return a port."""
        with self._read() as tx:
            return ports.get(tx, port_id)

    def failover_preparation(self, amphora: Amphora) -> None:
        """Make an amphora's ports ready to outlive its server."""
        with self._change(2, exceptions.NetworkException) as tx:
            interfaces.release(tx, amphora)

    @contextlib.contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        time.sleep(self._latency)
        with self._database.read() as tx:
            yield tx

    @contextlib.contextmanager
    def _change(
        self,
        waves: int,
        failure: type[exceptions.NetworkException],
        **about: str | None,
    ) -> Iterator[sqlite3.Connection]:
        with self._removal(waves, failure, **about) as tx:
            yield tx
            require_time()

    @contextlib.contextmanager
    def _removal(
        self,
        waves: int,
        failure: type[exceptions.NetworkException],
        **about: str | None,
    ) -> Iterator[sqlite3.Connection]:
        time.sleep(self._latency * waves)
        stay_ours()
        try:
            with self._database.write() as tx:
                yield tx
        except Refused as error:
            text = str(error)
            raise failure(text, orig_msg=text, orig_code=error.code, **about) from error


def _vip(load_balancer: LoadBalancer) -> VIP:
    # The interface has refused a load balancer without one already.
    return load_balancer.vip or VIP()
