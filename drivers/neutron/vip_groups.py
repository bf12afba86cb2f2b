# SPDX-License-Identifier: Apache-2.0
"""The security group of a VIP: update_vip_sg, update_aap_port_sg and update_vip."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

from networker import exceptions
from networker.drivers import naming, rules
from networker.drivers.deadline import require_time
from networker.drivers.flow import Step, step, undoing
from networker.drivers.neutron import lending, marks, security_groups
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.grounding import Ground, Grounding, look
from networker.drivers.neutron.group_rules import Change
from networker.drivers.neutron.ports import Claimed, difference
from networker.drivers.neutron.settling import Settlement
from networker.drivers.neutron.translate import Json
from networker.drivers.vip import is_deleted
from networker.models import VIP, Amphora, LoadBalancer


def update(cloud: Cloud, load_balancer: LoadBalancer, vip: VIP) -> str | None:
    """Do what :meth:`NetworkDriver.update_vip_sg` says."""
    # A wrong CIDR is refused before anything is asked of the cloud.
    rules.wanted(load_balancer, vip)
    return marks.insist(
        lambda relied: _Updating(cloud, load_balancer, vip, relied).run()
    )


@dataclasses.dataclass(frozen=True)
class _Updating:
    """One call of update_vip_sg, as steps.

    :param relied: ids of what it found or made
    """

    cloud: Cloud
    load_balancer: LoadBalancer
    vip: VIP
    relied: set[str]

    def run(self) -> str | None:
        """Bring everything in line, and return the id of the group."""
        owner, port_id = self.load_balancer.id or "", self.vip.port_id or ""
        grounding = Grounding(self.cloud, self.load_balancer, self.relied)
        get = self.cloud.ports.get
        port = step(get, name="port", provides="port", port_id=port_id)
        found = self.cloud.flows.run(
            "update_vip_sg: look", [port, look(self.cloud, owner)]
        )
        if found["groups"] is None:
            return None
        lay = functools.partial(grounding.lay, self.vip, found["port"], found["groups"])
        if found["groups"]:
            return self._update(lay())
        return self._make(
            step(lay, name="ground", provides="ground", undo=grounding.undo)
        )

    def _make(self, ground: Step) -> str:
        """Make the group, and fill it while the port is put into it."""
        settlement = self._settlement
        settle = step(
            settlement.settle, name="settle", provides="settled", undo=settlement.undo
        )
        done = self.cloud.flows.run(
            "update_vip_sg",
            [ground],
            [step(self._fill, name="rules", undo=self.cloud.rules.undo), settle],
            [step(settlement.tidy, name="tidy")],
            timely=True,
        )
        return str(done["settled"].group["id"])

    @property
    def _settlement(self) -> Settlement:
        return Settlement(self.cloud, self.load_balancer, self.relied)

    def _fill(self, ground: Ground) -> Change:
        wanted = rules.wanted(self.load_balancer, ground.vip)
        filled = ground.filled if ground.made else None
        return self.cloud.rules.change(ground.group, wanted, added=filled)

    def _update(self, ground: Ground) -> str:
        """Change what is not as it should be of a group that is there."""
        wanted = rules.wanted(self.load_balancer, ground.vip)
        at_once = functools.partial(_at_once, self.cloud)
        with undoing("update_vip_sg") as on_failure:
            change = self.cloud.rules.change(ground.group, wanted, at_once)
            on_failure(self.cloud.rules.undo, change)
            settled = self._settlement.settle(ground)
            on_failure(self._settlement.undo, settled)
            self._settlement.tidy(ground, settled)
            require_time()
        return str(settled.group["id"])


def update_amphora(
    cloud: Cloud, load_balancer: LoadBalancer, amphora: Amphora, vip: VIP
) -> None:
    """Do what :meth:`NetworkDriver.update_aap_port_sg` says."""
    if is_deleted(amphora):
        return
    owner, port_id = load_balancer.id or "", amphora.vrrp_port_id or ""
    get = step(cloud.ports.get, name="port", provides="port", port_id=port_id)
    found = cloud.flows.run("update_aap_port_sg: look", [get, look(cloud, owner)])
    port, groups = found["port"], found["groups"]
    if groups is None:
        return
    group = security_groups.choose(groups, [port])
    if group is None:
        raise exceptions.MissingVIPSecurityGroup(load_balancer_id=load_balancer.id)
    wanted = {"security_groups": [group["id"], *vip.sg_ids]}
    if not difference(port, wanted):
        cloud.adjusting.rely(port)
        return
    with undoing("update_aap_port_sg") as on_failure:
        claimed = Claimed(port, made=False)

        def change(now: Json) -> Json:
            needed = difference(now, wanted)
            lending.note(cloud, owner, group, now, needed)
            return needed

        adjusted = cloud.adjusting.adjust(claimed, change)
        on_failure(cloud.adjusting.put_back, adjusted)
        require_time()


def update_rules(
    cloud: Cloud, load_balancer: LoadBalancer, vip: VIP, *, for_delete: bool
) -> None:
    """Do what :meth:`NetworkDriver.update_vip` says."""
    wanted = rules.wanted(load_balancer, vip)
    groups = cloud.groups.look(naming.vip_device(load_balancer.id or ""))
    if groups is None or (for_delete and not groups):
        return
    used = []
    if len(groups) > 1 and vip.port_id:
        used = [cloud.ports.get(vip.port_id)]
    group = security_groups.choose(groups, used)
    if group is None:
        raise exceptions.MissingVIPSecurityGroup(load_balancer_id=load_balancer.id)
    with undoing("update_vip") as on_failure:
        at_once = functools.partial(_at_once, cloud)
        change = cloud.rules.settle(group, wanted, at_once)
        on_failure(cloud.rules.undo, change)
        require_time()


def _at_once(
    cloud: Cloud, function: Callable[[Json], object], surplus: Sequence[Json]
) -> None:
    steps = [
        step(function, name=f"remove rule {rule['id']}", rule=rule) for rule in surplus
    ]
    cloud.flows.run("update_vip: remove rules", steps)
