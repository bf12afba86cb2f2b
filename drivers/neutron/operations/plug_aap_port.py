# SPDX-License-Identifier: Apache-2.0
"""Route the traffic of a VIP to one amphora."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import msgspec

from networker import exceptions
from networker.drivers.flow import Task, task
from networker.drivers.neutron.api.answers import GroupAnswer, PortAnswer
from networker.drivers.neutron.resources import ownership, security_groups, vrrp_ports
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.vip_group import look_for_groups
from networker.drivers.neutron.resources.vrrp_ports import VrrpPorts
from networker.models import VIP, Amphora, LoadBalancer, Subnet


def run(
    cloud: Cloud,
    load_balancer: LoadBalancer,
    vip: VIP,
    amphora: Amphora,
    subnet: Subnet,
) -> Amphora:
    """Route the traffic of a VIP to one amphora."""
    place = {"subnet_id": subnet.id, "network_id": subnet.network_id}
    placed = msgspec.structs.replace(vip, **place)
    owner = load_balancer.id or ""
    return ownership.repeat_if_gone(
        lambda relied: _Plugging(cloud, owner, placed, amphora, relied).run()
    )


@dataclasses.dataclass(frozen=True)
class _Plugging:
    """One call of plug_aap_port, as tasks.

    :param owner: the load balancer's id
    :param relied: ids of what it found or made
    """

    cloud: Cloud
    owner: str
    vip: VIP
    amphora: Amphora
    relied: set[str]

    def run(self) -> Amphora:
        """Run all tasks, and return the amphora with what is known of its port."""
        ports = VrrpPorts(self.cloud, self.owner, self.relied)
        found = self.cloud.flows.run("plug_aap_port: look", self._looks())
        about: dict[str, Any] = {"vip": self.vip, "group_id": self._group(**found)}
        claim = task(
            ports.claim,
            name="port",
            provides="claimed",
            revert=self.cloud.ports.disclaim,
            amphora=self.amphora,
            plugged=found["ports"],
            **about,
        )
        change = task(
            ports.change,
            name="change",
            provides="now",
            revert=self.cloud.ports.revert,
            **about,
        )
        attach = ports.attaching(self.amphora, "now")
        done = self.cloud.flows.run(
            "plug_aap_port", [claim], [change], [attach], timely=True
        )
        return vrrp_ports.filled(self.amphora, self.vip, done["now"].port)

    def _looks(self) -> list[Task]:
        return [
            task(
                self.cloud.ports.list,
                name="ports",
                provides="ports",
                network_id=self.vip.network_id,
                device_id=vrrp_ports.devices([self.amphora]),
            ),
            look_for_groups(self.cloud, self.owner),
        ]

    def _group(
        self, groups: Sequence[GroupAnswer] | None, ports: Sequence[PortAnswer]
    ) -> str | None:
        """Return the id of the VIP's group, None if the cloud has no groups."""
        if groups is None:
            return None
        used = list(ports)
        if len(groups) > 1 and self.vip.port_id:
            used.insert(0, self.cloud.ports.get(self.vip.port_id))
        group = security_groups.choose(groups, used)
        if group is None:
            raise exceptions.MissingVIPSecurityGroup(load_balancer_id=self.owner)
        self.relied.add(group["id"])
        return str(group["id"])
