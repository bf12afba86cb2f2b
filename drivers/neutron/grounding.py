# SPDX-License-Identifier: Apache-2.0
"""What a VIP is plugged on: its port, and the security group of its load balancer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from networker.drivers import naming
from networker.drivers.flow import Step, step
from networker.drivers.neutron import marks, security_groups, translate
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.translate import Json
from networker.models import VIP

#: What Neutron numbers a resource that was never changed.
_FIRST = 1


@dataclasses.dataclass(frozen=True)
class Ground:
    """What the VRRP ports are built on.

    :param vip: with everything that its port tells
    :param port: the VIP's port
    :param group: the load balancer's security group
    :param made: whether this call made the group
    :param shared: whether another call may be plugging the same VIP
    :param plugged: ports that the servers of the amphorae have already
    """

    vip: VIP
    port: Json
    group: Json
    made: bool
    shared: bool
    plugged: Sequence[Json]


@dataclasses.dataclass(frozen=True)
class Grounding:
    """Finds or makes the ground of one load balancer.

    :param owner: the load balancer's id
    :param relied: ids of what the call found or made
    """

    cloud: Cloud
    owner: str
    relied: set[str]

    def look(self) -> Step:
        """Return the step that looks for the groups; None if the cloud has none."""
        return step(
            self.cloud.groups.look,
            name="groups",
            provides="groups",
            group_name=naming.vip_device(self.owner),
        )

    def lay(
        self, vip: VIP, port: Json, groups: Sequence[Json], plugged: Sequence[Json] = ()
    ) -> Ground:
        """Return the ground; its group is made if there is none.

        :param port: the VIP's
        :param groups: the load balancer's, looked for about when the port was
        """
        vip = translate.vip(vip, port, self.owner)
        if not groups and _may_have_one(port, vip):
            groups = self.cloud.groups.find(self.owner)
        group = security_groups.choose(groups, [port, *plugged])
        shared = group is not None and marks.is_recent(group)
        if group is not None and shared:
            group = self.cloud.groups.mark(group)
        made = group is None
        group = group or self.cloud.groups.create(self.owner)
        self.relied.add(group["id"])
        return Ground(vip, port, group, made=made, shared=shared, plugged=plugged)

    def undo(self, ground: Ground) -> None:
        """Delete the group that was made unless somebody has taken it into use."""
        if ground.made:
            self.cloud.groups.delete_unused(ground.group["id"])


def _may_have_one(port: Json, vip: VIP) -> bool:
    """Tell whether a port may be in a group that was made just before it was read."""
    others = set(port["security_groups"]) - set(vip.sg_ids)
    return bool(others) and port["revision_number"] > _FIRST
