# SPDX-License-Identifier: Apache-2.0
"""Route the traffic of a VIP to the load balancer's amphorae."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from networker.drivers import naming, rules
from networker.drivers.flow import OnFailure, Task, task
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import PortAnswer
from networker.drivers.neutron.resources import ownership, vrrp_ports
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.group_agreement import Agreed, GroupAgreement
from networker.drivers.neutron.resources.ownership import Claimed
from networker.drivers.neutron.resources.security_group_rules import RuleChange
from networker.drivers.neutron.resources.vip_group import (
    VipGroup,
    look_for_groups,
    refuse_others,
)
from networker.drivers.neutron.resources.vrrp_ports import VrrpPorts
from networker.drivers.vip import allocated
from networker.models import VIP, Amphora, LoadBalancer


def run(cloud: Cloud, load_balancer: LoadBalancer, vip: VIP) -> list[Amphora]:
    """Route the traffic of a VIP to the load balancer's amphorae."""
    amphorae = allocated(load_balancer)
    # A wrong CIDR is refused before anything is asked of the cloud.
    rules.wanted(load_balancer, vip)
    return ownership.repeat_if_gone(
        lambda relied: _Plugging(cloud, load_balancer, vip, amphorae, relied).run()
    )


@dataclasses.dataclass(frozen=True)
class _Plugging:
    """One call of plug_vip, as tasks.

    :param relied: ids of what it found or made
    """

    cloud: Cloud
    load_balancer: LoadBalancer
    vip: VIP
    amphorae: Sequence[Amphora]
    relied: set[str]

    def run(self) -> list[Amphora]:
        """Run all tasks, and return the amphorae with what is known of their ports."""
        owner = self.load_balancer.id or ""
        groups = look_for_groups(self.cloud, owner)
        near = task(self._near, name="ports")
        users = task(self._users_port, name="the user's port")
        found = self.cloud.flows.run("plug_vip: look", [groups, near, users])
        port = self._port(found[near], found[users])
        vip = translation.vip(self.vip, port, owner)
        plugged = [one for one in found[near] if one["id"] != port["id"]]
        plugged = [one for one in plugged if one["network_id"] == vip.network_id]
        if found[groups] is None:
            return self._without_groups(vip, port, plugged)
        vip_group = task(
            self._groups.prepare,
            name="security group",
            revert=self._groups.revert,
            vip=vip,
            port=port,
            groups=found[groups],
            plugged=plugged,
        )
        return self._on(vip_group)

    def _near(self) -> list[PortAnswer]:
        """Return the VIP's port, if the driver made it, and what may be the amphorae's."""
        device = naming.vip_device(self.load_balancer.id or "")
        devices = [device, *vrrp_ports.devices(self.amphorae)]
        find = self.cloud.ports.list
        if self.vip.network_id:
            return find(network_id=self.vip.network_id, device_id=devices)
        names = [naming.vrrp_port(amphora.id or "") for amphora in self.amphorae]
        named = find(name=names) if names else []
        return named + find(device_id=[one for one in devices if one])

    def _users_port(self) -> PortAnswer | None:
        # Ports that the driver made are found by their device, without this request.
        if self.vip.octavia_owned is not False:
            return None
        return self.cloud.ports.get(self.vip.port_id or "")

    def _port(
        self, ports: Sequence[PortAnswer], users_port: PortAnswer | None
    ) -> PortAnswer:
        found = {port["id"]: port for port in ports}
        port_id = self.vip.port_id or ""
        return users_port or found.get(port_id) or self.cloud.ports.get(port_id)

    def _on(self, vip_group: Task[VipGroup]) -> list[Amphora]:
        fill = self._groups.filling(vip_group)
        claims = [self._claim_task(vip_group, one) for one in self.amphorae]
        attaches = map(self._ports.attaching, self.amphorae, claims)
        agree, tidy = self._agreement(vip_group, fill, claims)
        making: list[Task[Any]] = [fill, *claims, agree]
        then: list[Task[Any]] = [tidy]
        # Nova, which takes longest, need not wait for the rules. But it changes ports, and
        # so does agreeing on a group where there are groups of the user's.
        (then if self.vip.sg_ids else making).extend(attaches)
        done = self.cloud.flows.run("plug_vip", [vip_group], making, then, timely=True)
        now = [done[agree].latest(done[claim].port).port for claim in claims]
        return self._filled(done[vip_group].vip, now)

    def _without_groups(
        self, vip: VIP, port: PortAnswer, plugged: Sequence[PortAnswer]
    ) -> list[Amphora]:
        """Plug the VIP on a cloud that has no security groups."""
        refuse_others(self.cloud, port, self.load_balancer.id or "")
        plugging = self._ports.plugging
        each = [plugging(vip, None, one, plugged) for one in self.amphorae]
        tasks = [one for tasks in each for one in tasks]
        done = self.cloud.flows.run("plug_vip", tasks, timely=True)
        return self._filled(vip, [done[change].port for _, change, _ in each])

    def _filled(self, vip: VIP, ports: Sequence[PortAnswer]) -> list[Amphora]:
        pairs = zip(self.amphorae, ports, strict=True)
        return [vrrp_ports.filled(amphora, vip, port) for amphora, port in pairs]

    @property
    def _groups(self) -> GroupAgreement:
        return GroupAgreement(self.cloud, self.load_balancer, self.relied)

    @property
    def _ports(self) -> VrrpPorts:
        return VrrpPorts(self.cloud, self.load_balancer.id or "", self.relied)

    def _claim_task(self, vip_group: Task[VipGroup], amphora: Amphora) -> Task[Claimed]:
        return task(
            self._claim,
            name=f"port of {amphora.id}",
            revert=self.cloud.ports.disclaim,
            vip_group=vip_group,
            amphora=amphora,
        )

    def _claim(self, vip_group: VipGroup, amphora: Amphora) -> Claimed:
        group_id = str(vip_group.group["id"])
        return self._ports.claim(vip_group.vip, group_id, amphora, vip_group.plugged)

    def _agreement(
        self,
        vip_group: Task[VipGroup],
        fill: Task[RuleChange],
        claims: Sequence[Task[Claimed]],
    ) -> tuple[Task[Agreed], Task[None]]:
        """Return the task that agrees on the group, and the one that tidies up after it."""
        groups = self._groups

        def agree(
            vip_group: VipGroup,
            on_failure: OnFailure,
            _filled: RuleChange,  # a group that has no rules yet must not win
            **claims: Claimed,
        ) -> Agreed:
            return groups.reach(vip_group, _in_order(claims), on_failure)

        def tidy(vip_group: VipGroup, agreed: Agreed, **claims: Claimed) -> None:
            groups.tidy(vip_group, agreed, _in_order(claims))

        about: dict[str, Any] = {one.name: one for one in claims}
        about["vip_group"] = vip_group
        agreed = task(
            agree, name="agree on a group", reverts_itself=True, _filled=fill, **about
        )
        return agreed, task(tidy, name="tidy", agreed=agreed, **about)


def _in_order(claims: Mapping[str, Claimed]) -> list[Claimed]:
    """Return ports in the order in which every call for these amphorae has them."""
    return [claims[name] for name in sorted(claims)]
