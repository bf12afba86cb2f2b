# SPDX-License-Identifier: Apache-2.0
"""The lives of two load balancers: what their users and operators do with them."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from typing import Any

from octavia.common import constants
from octavia.controller.worker.v2.controller_worker import ControllerWorker

from tests.octavia.flows.cloud import Cloud
from tests.octavia.flows.rows import Member, Rows, Wanted

_FIRST = Member("member-subnet-1", "10.31.0.10")
#: One on another subnet of the network that amphorae are on, and one on another network.
_LATER = (
    Member("member-subnet-1b", "10.39.0.10"),
    Member("member-subnet-2", "10.32.0.10"),
)

SINGLE = Wanted("single", constants.TOPOLOGY_SINGLE, ("vip-subnet",), (_FIRST,))
PAIR = Wanted(
    "pair",
    constants.TOPOLOGY_ACTIVE_STANDBY,
    ("vip-subnet", "vip-subnet6"),
    (_FIRST,),
)


@dataclasses.dataclass(frozen=True)
class Flow:
    """Something that is done with a load balancer.

    :param ends: the provisioning status that it must have afterwards
    """

    name: str
    perform: Callable[[], None]
    ends: str = constants.ACTIVE


class Life:
    """A load balancer, from its creation to its end.

    :param rows: of the database that the worker uses
    """

    def __init__(self, cloud: Cloud, rows: Rows, wanted: Wanted) -> None:
        self.cloud = cloud
        self._rows = rows
        self._wanted = wanted
        self._worker = ControllerWorker()
        self.id = str(uuid.uuid4())

    @property
    def now(self) -> Any:
        """What Octavia's database has about it; None if nothing."""
        return self._rows.load_balancer(self.id)

    @property
    def label(self) -> str:
        """What it is called in reports."""
        return self._wanted.label

    def live_amphorae(self) -> list[Any]:
        """Return those of its amphorae that are not deleted."""
        amphorae = self.now.amphorae if self.now else []
        return [a for a in amphorae if a.status != constants.DELETED]

    def roles(self) -> dict[str, str]:
        """Say what the ids and addresses in Octavia's database are of."""
        roles = {self.id: "<LB>"}
        if not (now := self.now):
            return roles
        more = {a.ip_address: f"VIP {n}" for n, a in enumerate(now.additional_vips, 2)}
        roles |= {now.vip.ip_address: "VIP", now.vip.port_id: "<VIP port>", **more}
        for amphora in now.amphorae:
            gone = "deleted " * (amphora.status == constants.DELETED)
            role = f"<{gone}{amphora.role}>"
            roles |= {amphora.id: role, amphora.compute_id: f"server of {role}"}
        return {one: role for one, role in roles.items() if one}

    def flows(self) -> list[Flow]:
        """Return what is done with it, in order."""
        members, end = self._with_one(), self._end_of_one()
        if self._wanted.topology == constants.TOPOLOGY_ACTIVE_STANDBY:
            members, end = self._with_two(), self._end_of_two()
        return [
            Flow("create", self._create),
            *members,
            Flow("change its VIP's QoS policy", self._set_policy),
            Flow("give its VIP the user's group", self._set_group),
            Flow("fail over an amphora", self._fail_over_amphora),
            Flow("fail over", self._fail_over),
            *end,
        ]

    def _with_one(self) -> list[Flow]:
        near, far = _LATER
        return [
            Flow("add a member on another subnet", lambda: self._add(near)),
            Flow("add a member on another network", lambda: self._add(far)),
            Flow("remove the one", lambda: self._remove(near)),
            Flow("remove the other", lambda: self._remove(far)),
        ]

    def _with_two(self) -> list[Flow]:
        return [
            Flow("add members at once", self._add_batch),
            Flow("remove members at once", self._remove_batch),
        ]

    def _end_of_one(self) -> list[Flow]:
        return [
            Flow("delete its listeners and its pool", self._empty),
            Flow("delete", self._delete, constants.DELETED),
        ]

    def _end_of_two(self) -> list[Flow]:
        return [
            Flow("rename", self._rename),
            Flow("delete, cascading", self._cascade, constants.DELETED),
        ]

    def _create(self) -> None:
        self._rows.create_load_balancer(self.id, self._wanted)
        self._worker.create_load_balancer({constants.LOADBALANCER_ID: self.id})

    def _add(self, member: Member) -> None:
        (payload,) = self._rows.create_members(self.id, [member])
        self._worker.create_member(payload)

    def _remove(self, member: Member) -> None:
        self._worker.delete_member(self._rows.delete_member(self.id, member))

    def _add_batch(self) -> None:
        new = self._rows.create_members(self.id, _LATER)
        self._worker.batch_update_members([], new, [])

    def _remove_batch(self) -> None:
        old, kept = self._rows.keep_members(self.id, [_FIRST])
        self._worker.batch_update_members(old, [], kept)

    def _set_policy(self) -> None:
        policy_id = self.cloud.policies["vip-qos"]
        before = self._rows.update_load_balancer(self.id, qos_policy_id=policy_id)
        updates = {constants.VIP: {constants.QOS_POLICY_ID: policy_id}}
        self._worker.update_load_balancer(before, updates)

    def _set_group(self) -> None:
        group_id = self.cloud.user_group(self.id)
        before = self._rows.update_load_balancer(self.id, sg_ids=[group_id])
        self._worker.update_load_balancer(before, {})

    def _fail_over_amphora(self) -> None:
        amphora = min(self.live_amphorae(), key=lambda a: a.role)
        self._rows.fail_over(self.id)
        self._worker.failover_amphora(amphora.id, reraise=True)

    def _fail_over(self) -> None:
        self._rows.fail_over(self.id)
        self._worker.failover_loadbalancer(self.id)

    def _rename(self) -> None:
        before = self._rows.update_load_balancer(self.id)
        self._worker.update_load_balancer(before, {constants.NAME: "renamed"})

    def _empty(self) -> None:
        for listener in self.now.listeners:
            self._worker.delete_listener(self._rows.delete_listener(listener))
        for pool in self.now.pools:
            self._worker.delete_pool(self._rows.delete_pool(pool))

    def _delete(self) -> None:
        self._worker.delete_load_balancer(self._rows.delete_load_balancer(self.id))

    def _cascade(self) -> None:
        payload = self._rows.delete_load_balancer(self.id)
        self._worker.delete_load_balancer(payload, cascade=True)
