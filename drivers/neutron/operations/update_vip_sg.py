# SPDX-License-Identifier: Apache-2.0
"""Make the security group of a VIP, bring its rules in line, and set it on the VIP."""

from __future__ import annotations

import dataclasses
import functools

from networker.context import require_time
from networker.drivers import rules
from networker.drivers.flow import Task, reverting, task
from networker.drivers.neutron.resources import ownership
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.group_agreement import GroupAgreement
from networker.drivers.neutron.resources.vip_group import (
    VipGroup,
    VipGroups,
    look_for_groups,
)
from networker.models import VIP, LoadBalancer


def run(cloud: Cloud, load_balancer: LoadBalancer, vip: VIP) -> str | None:
    """Make the VIP's security group, bring its rules in line, and set it on the VIP."""
    # A wrong CIDR is refused before anything is asked of the cloud.
    rules.wanted(load_balancer, vip)
    return ownership.repeat_if_gone(
        lambda relied: _Updating(cloud, load_balancer, vip, relied).run()
    )


@dataclasses.dataclass(frozen=True)
class _Updating:
    """One call of update_vip_sg, as tasks.

    :param relied: ids of what it found or made
    """

    cloud: Cloud
    load_balancer: LoadBalancer
    vip: VIP
    relied: set[str]

    def run(self) -> str | None:
        """Bring everything in line, and return the id of the group."""
        owner, port_id = self.load_balancer.id or "", self.vip.port_id or ""
        get = self.cloud.ports.get
        port = task(get, name="port", provides="port", port_id=port_id)
        found = self.cloud.flows.run(
            "update_vip_sg: look", [port, look_for_groups(self.cloud, owner)]
        )
        if found["groups"] is None:
            return None
        prepare = functools.partial(
            self._groups.prepare, self.vip, found["port"], found["groups"]
        )
        if found["groups"]:
            return self._update(prepare())
        return self._make(
            task(
                prepare,
                name="security group",
                provides="vip_group",
                revert=self._groups.revert,
            )
        )

    def _make(self, vip_group: Task) -> str:
        """Make the group, and fill it while the port is put into it."""
        agreement = self._agreement
        agree = task(
            agreement.reach,
            name="agree on a group",
            provides="agreed",
            revert=agreement.revert,
        )
        fill = task(self._groups.fill, name="rules", revert=self.cloud.rules.revert)
        done = self.cloud.flows.run(
            "update_vip_sg",
            [vip_group],
            [fill, agree],
            [task(agreement.tidy, name="tidy")],
            timely=True,
        )
        return str(done["agreed"].group["id"])

    @property
    def _groups(self) -> VipGroups:
        return VipGroups(self.cloud, self.load_balancer, self.relied)

    @property
    def _agreement(self) -> GroupAgreement:
        return GroupAgreement(self.cloud, self.load_balancer, self.relied)

    def _update(self, vip_group: VipGroup) -> str:
        """Change what is not as it should be of a group that is there."""
        wanted = rules.wanted(self.load_balancer, vip_group.vip)
        at_once = self.cloud.remove_rules_at_once
        with reverting("update_vip_sg") as on_failure:
            change = self.cloud.rules.change(vip_group.group, wanted, at_once)
            on_failure(self.cloud.rules.revert, change)
            agreed = self._agreement.reach(vip_group)
            on_failure(self._agreement.revert, agreed)
            self._agreement.tidy(vip_group, agreed)
            require_time()
        return str(agreed.group["id"])
