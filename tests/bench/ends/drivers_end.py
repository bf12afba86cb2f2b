# SPDX-License-Identifier: Apache-2.0
"""networker's neutron driver, in this process or behind the bus."""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split

import contextlib
import pathlib
import uuid
from collections.abc import Sequence
from concurrent import futures
from typing import Any

from networker import rpc
from networker.drivers.base import NetworkDriver
from networker.drivers.neutron.driver import NeutronDriver
from networker.models import (
    ALLOCATED,
    VIP,
    AdditionalVIP,
    Amphora,
    Delta,
    FixedIP,
    Interface,
    Listener,
    LoadBalancer,
    Subnet,
)
from networker.testing import processes
from tests.bench.ends import lives, loop


class Life:
    """A load balancer, and what a controller asks of its network for it.

    :param network: a driver, or a client for one
    :param step: the first one
    """

    def __init__(
        self, network: NetworkDriver, place: lives.Place, step: lives.Step
    ) -> None:
        self._network, self._place = network, place
        self._servers = step.servers
        self._vip = VIP(
            load_balancer_id=step.balancer_id,
            network_id=place.vip_network_id,
            subnet_id=place.vip_subnet_id,
        )
        self._lb = LoadBalancer(
            id=step.balancer_id,
            name="bench",
            project_id=place.project_id,
            topology="ACTIVE_STANDBY",
            vip=self._vip,
        )
        self._listen(lives.PORTS)

    def allocate_vip(self) -> None:
        """Allocate the VIP."""
        self._lb.vip = self._vip = self._network.allocate_vip(self._lb)

    def update_vip_sg(self) -> None:
        """Make the security group, or bring it in line."""
        self._network.update_vip_sg(self._lb, self._vip)

    def update_vip(self) -> None:
        """Bring the rules in line with the listeners."""
        self._network.update_vip(self._lb)

    def add_listeners(self) -> None:
        """Do so with more listeners."""
        self._listen((*lives.PORTS, *lives.MORE_PORTS))
        self.update_vip()

    def remove_listeners(self) -> None:
        """Do so without them."""
        self._listen(lives.PORTS)
        self.update_vip()

    def plug_vip(self) -> None:
        """Plug the VIP into all amphorae."""
        self._be_amphorae()
        self._lb.amphorae = self._network.plug_vip(self._lb, self._vip)

    def plug_aap_port(self, index: int) -> None:
        """Plug the VIP into one amphora."""
        if index == 0:
            self._be_amphorae()
        subnet = Subnet(id=self._vip.subnet_id, network_id=self._vip.network_id)
        self._lb.amphorae[index] = self._network.plug_aap_port(
            self._lb, self._vip, self._lb.amphorae[index], subnet
        )

    def widen(self, additional: list[dict[str, str]]) -> None:
        """Learn of addresses that the VIP's port has been given."""
        self._vip.additional = [
            AdditionalVIP(
                load_balancer_id=self._lb.id,
                network_id=self._vip.network_id,
                port_id=self._vip.port_id,
                **address,
            )
            for address in additional
        ]

    def get_network_configs(self) -> None:
        """Read what the amphorae have to know."""
        found = self._network.get_network_configs(self._lb)
        assert len(found) == len(self._lb.amphorae)

    def unplug_vip(self) -> None:
        """Unplug the VIP from all amphorae."""
        self._network.unplug_vip(self._lb, self._vip)

    def deallocate_vip(self) -> None:
        """Remove the VIP, and with it the ports that the amphorae still have."""
        self._network.deallocate_vip(self._vip)

    def create(self) -> None:
        """Do all that a new load balancer with a member needs.

        The members' networks have nothing to do with the VIP, so both are plugged at once.
        """
        with futures.ThreadPoolExecutor(1) as pool:
            deltas = self._deltas(adding=True)
            members = pool.submit(self._network.apply_delta, deltas)
            self.allocate_vip()
            self.plug_vip()  # makes the security group
            members.result()
        self.get_network_configs()

    def delete(self) -> None:
        """Undo it all; deallocating a VIP removes the VRRP ports, too."""
        self._network.apply_delta(self._deltas(adding=False))
        self.deallocate_vip()

    def _listen(self, ports: Sequence[int]) -> None:
        self._lb.listeners = [
            Listener(
                id=str(uuid.uuid4()),
                load_balancer_id=self._lb.id,
                protocol="TCP",
                protocol_port=port,
                peer_port=lives.PEER_PORT + number,
                provisioning_status="ACTIVE",
            )
            for number, port in enumerate(ports)
        ]

    def _be_amphorae(self) -> None:
        self._lb.amphorae = [
            Amphora(
                id=server.amphora_id,
                compute_id=server.compute_id,
                lb_network_ip=server.lb_network_ip,
                load_balancer_id=self._lb.id,
                status=ALLOCATED,
            )
            for server in self._servers
        ]

    def _deltas(self, *, adding: bool) -> list[Delta]:
        place = self._place
        address = FixedIP(subnet_id=place.member_subnet_id)
        nics = [Interface(network_id=place.member_network_id, fixed_ips=[address])]
        return [
            Delta(
                amphora_id=server.amphora_id,
                compute_id=server.compute_id,
                add_nics=nics if adding else [],
                delete_nics=[] if adding else nics,
            )
            for server in self._servers
        ]


def main() -> None:
    """Take the steps that are ordered, as the role says.

    The role is `driver` for the driver in this process, `bus` for workers that have it.
    """
    role, told = loop.role()
    place = lives.Place(**told.place)
    conf = processes.configuration(pathlib.Path(told.config))
    with contextlib.ExitStack() as stack:
        network: Any
        sessions = []
        if role == "bus":
            network = stack.enter_context(rpc.connect(conf))
        else:
            network = stack.enter_context(contextlib.closing(NeutronDriver(conf)))
            network.check()
            sessions = [network.cloud.session.connection().session.session]
        # The token, the versions and the extensions are no step's.
        network.get_network(place.vip_network_id)
        network.qos_enabled()
        network.sec_grp_enabled()
        lives.obey(lambda step: Life(network, place, step), sessions)


main()
