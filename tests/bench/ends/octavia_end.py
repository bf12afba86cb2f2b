# SPDX-License-Identifier: Apache-2.0
"""Octavia's own driver, in Octavia's environment."""

from __future__ import annotations

import pathlib
import uuid
import warnings
from collections.abc import Sequence
from typing import Any

from octavia.common import clients, config, constants
from octavia.common.data_models import (
    AdditionalVip,
    Amphora,
    Listener,
    LoadBalancer,
    Vip,
)
from octavia.network.data_models import Subnet
from octavia.network.drivers.neutron import allowed_address_pairs

from tests.bench.ends import lives, loop
from tests.octavia.flows import settings


class Life:
    """A load balancer, and what Octavia's controller asks of its driver for it.

    :param driver: Octavia's
    :param step: the first one
    """

    def __init__(self, driver: Any, place: lives.Place, step: lives.Step) -> None:
        self._driver, self._place = driver, place
        self._lb = lb = LoadBalancer(
            id=step.balancer_id,
            name="bench",
            project_id=place.project_id,
            topology=constants.TOPOLOGY_ACTIVE_STANDBY,
        )
        lb.vip = Vip(
            load_balancer_id=lb.id,
            load_balancer=lb,
            network_id=place.vip_network_id,
            subnet_id=place.vip_subnet_id,
            octavia_owned=True,
        )
        self._servers = step.servers
        self._listen(lives.PORTS)

    def allocate_vip(self) -> None:
        """Allocate the VIP."""
        self._lb.vip, self._lb.additional_vips = self._driver.allocate_vip(self._lb)

    def update_vip_sg(self) -> None:
        """Make the security group, or bring it in line."""
        self._driver.update_vip_sg(self._lb, self._lb.vip)

    def update_vip(self) -> None:
        """Bring the rules in line with the listeners."""
        self._driver.update_vip(self._lb)

    def add_listeners(self) -> None:
        """Do so with more listeners."""
        self._listen((*lives.PORTS, *lives.MORE_PORTS))
        self.update_vip()

    def remove_listeners(self) -> None:
        """Do so without them."""
        self._listen(lives.PORTS)
        self.update_vip()

    def plug_vip(self) -> None:
        """Plug the VIP into all amphorae, one after another, as Octavia does."""
        self._be_amphorae()
        subnet = self._driver.get_subnet(self._lb.vip.subnet_id)
        for amphora in self._lb.amphorae:
            self._plug(amphora, subnet)

    def plug_aap_port(self, index: int) -> None:
        """Plug the VIP into one amphora."""
        if index == 0:
            self._be_amphorae()
        vip = self._lb.vip
        subnet = Subnet(id=vip.subnet_id, network_id=vip.network_id)
        self._plug(self._lb.amphorae[index], subnet)

    def widen(self, additional: list[dict[str, str]]) -> None:
        """Learn of addresses that the VIP's port has been given."""
        vip = self._lb.vip
        self._lb.additional_vips = [
            AdditionalVip(
                load_balancer_id=self._lb.id,
                load_balancer=self._lb,
                network_id=vip.network_id,
                port_id=vip.port_id,
                **address,
            )
            for address in additional
        ]

    def get_network_configs(self) -> None:
        """Read what the amphorae have to know."""
        found = self._driver.get_network_configs(self._lb)
        assert len(found) == len(self._lb.amphorae)

    def unplug_vip(self) -> None:
        """Unplug the VIP from all amphorae."""
        self._driver.unplug_vip(self._lb, self._lb.vip)

    def deallocate_vip(self) -> None:
        """Remove the VIP, and with it the ports that the amphorae still have."""
        self._driver.deallocate_vip(self._lb.vip)

    def create(self) -> None:
        """Do all that a new load balancer with a member needs."""
        self.allocate_vip()
        self.update_vip_sg()
        self.plug_vip()
        for amphora in self._lb.amphorae:
            self._driver.plug_port(amphora, self._member_port(amphora))
        self.get_network_configs()

    def delete(self) -> None:
        """Undo it all; Octavia leaves the ports on the member network to somebody else."""
        for amphora in self._lb.amphorae:
            self._driver.unplug_network(
                amphora.compute_id, self._place.member_network_id
            )
        self.unplug_vip()
        self.deallocate_vip()

    def _listen(self, ports: Sequence[int]) -> None:
        self._lb.listeners = [
            Listener(
                id=str(uuid.uuid4()),
                load_balancer_id=self._lb.id,
                load_balancer=self._lb,
                protocol=constants.PROTOCOL_TCP,
                protocol_port=port,
                peer_port=lives.PEER_PORT + number,
                provisioning_status=constants.ACTIVE,
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
                load_balancer=self._lb,
                status=constants.AMPHORA_ALLOCATED,
            )
            for server in self._servers
        ]

    def _plug(self, amphora: Any, subnet: Any) -> None:
        plugged = self._driver.plug_aap_port(self._lb, self._lb.vip, amphora, subnet)
        for name in ("vrrp_ip", "ha_ip", "vrrp_port_id", "ha_port_id"):
            setattr(amphora, name, getattr(plugged, name))

    def _member_port(self, amphora: Any) -> Any:
        return self._driver.create_port(
            self._place.member_network_id,
            name=f"octavia-lb-member-{amphora.id}",
            fixed_ips=[{"subnet_id": self._place.member_subnet_id}],
        )


def main() -> None:
    """Take the steps that are ordered."""
    warnings.simplefilter("ignore")  # those of Octavia and of what it needs
    _, told = loop.role()
    place = lives.Place(**told.place)
    path = pathlib.Path(told.config).with_name("octavia.conf")
    settings.write(path, settings.access(place.cloud))
    config.init(["--config-file", str(path)])
    driver: Any = allowed_address_pairs.AllowedAddressPairsDriver()
    # The token and the versions are no step's.
    driver.get_network(place.vip_network_id)
    driver.compute.manager.list(limit=1)
    sessions = [
        clients.NeutronAuth.neutron_client.session.session,
        clients.NovaAuth.nova_client.client.session.session,
    ]
    lives.obey(lambda step: Life(driver, place, step), sessions)


main()
