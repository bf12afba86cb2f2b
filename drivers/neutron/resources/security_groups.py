# SPDX-License-Identifier: Apache-2.0
"""Find, make and delete the security groups of load balancers."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tenacity
from oslo_log import log

from networker.drivers import naming
from networker.drivers.flow import may_revert, without_deadline
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import GroupAnswer, PortAnswer
from networker.drivers.neutron.api.errors import Refused, is_in_doubt, unless_gone
from networker.drivers.neutron.api.extensions import SECURITY_GROUPS, Extensions
from networker.drivers.neutron.api.requests import Api, time_is_up
from networker.drivers.neutron.resources import ownership
from networker.exceptions import CloudUnavailable

LOG = log.getLogger(__name__)

#: How often a group is tried to be made when answers are lost, which takes long.
_POSTS = 3
#: How often a group is looked for that may be made just now and is wanted no longer.
_LOOKS = 3
#: Seconds for which a group that is still in use is tried to be deleted: Neutron forgets
#: the last port a moment after it is gone.
_RELEASE = 5.0


@dataclasses.dataclass(frozen=True)
class SecurityGroups:
    """The security groups of the project that the service works in.

    :param api: Neutron
    :param extensions: tell whether it has security groups at all
    """

    api: Api
    extensions: Extensions

    def find(self, load_balancer_id: str) -> list[GroupAnswer]:
        """Return a load balancer's groups with their rules, the oldest first.

        There are several only until a race is settled, and none where the cloud has no
        security groups.
        """
        return self.look(naming.vip_device(load_balancer_id)) or []

    def look(self, group_name: str) -> list[GroupAnswer] | None:
        """Return the groups with a name, the oldest first.

        :returns: None if the cloud has no security groups
        """
        try:
            found = self._list(name=group_name)
        except Refused as refused:
            # So does Neutron answer what it does not know, but others before it, too.
            if refused.orig_code != 404 or self.extensions.ask(SECURITY_GROUPS):
                raise
            return None
        return sorted(found, key=lambda group: (group["created_at"], group["id"]))

    def named(self, group_ids: Iterable[str]) -> list[GroupAnswer]:
        """Return those of some groups that are load balancers'."""
        wanted = list(group_ids)
        found = self._list(id=wanted) if wanted else []
        return [group for group in found if group["name"].startswith(naming.DEVICE)]

    def _list(self, **query: Any) -> list[GroupAnswer]:
        project_id = self.api.project_id()
        found: list[Any] = self.api.list(
            "/security-groups", project_id=project_id, **query
        )
        return found

    def create(self, load_balancer_id: str) -> GroupAnswer:
        """Make a load balancer's group.

        A group's name is not unique, so before a request whose answer was lost is made
        again, its group is looked for. One that Neutron makes even later than that is
        left over, unused, until the VIP is deallocated.
        """
        mark = ownership.new_mark()
        group = {"name": naming.vip_device(load_balancer_id), "description": mark}

        def act() -> GroupAnswer:
            try:
                made: GroupAnswer = self.api.post(
                    "/security-groups", {"security_group": group}, repeat=False
                )["security_group"]
            except (Refused, CloudUnavailable) as error:
                if not is_in_doubt(error) or not may_revert():
                    raise
                late = time_is_up()
                found = self._made_after_all(load_balancer_id, mark, late)
                if late:
                    raise
                if not found:
                    raise ownership.Again(error) from error
                return found
            return made

        return ownership.persist(act, tries=_POSTS)

    def _made_after_all(
        self, load_balancer_id: str, mark: str, late: bool
    ) -> GroupAnswer | None:
        """Return the group that has a mark.

        :param late: wait a moment for it, and delete it
        """
        with without_deadline():
            for _ in range(_LOOKS if late else 1):
                found = self.find(load_balancer_id)
                own = [group for group in found if group["description"] == mark]
                if own:
                    if late:
                        self.delete_unused(own[0]["id"])
                    return own[0]
                time.sleep(self.api.conf.neutron.poll_interval if late else 0)
        return None

    def rely(self, group: GroupAnswer, mark: str = "") -> GroupAnswer:
        """Rely on a group, or on what has it, that another call may have made just now.

        :param mark: a new one if it is empty
        :returns: the group with its rules as it is then
        :raises Refused: it is gone
        """
        body = {
            "security_group": {"description": mark or ownership.another_mark(group)}
        }
        answer = self.api.put(f"/security-groups/{group['id']}", body)
        marked: GroupAnswer = answer["security_group"]
        return marked

    def revert(
        self,
        group: GroupAnswer,
        revert: Callable[[], object],
        redo: Callable[[], object],
        others: Callable[[GroupAnswer], bool] = lambda _: False,
    ) -> None:
        """Revert something unless another call has come to rely on it.

        A call that marks the group just then looks afterwards, and so does this one: if
        both see nothing, nothing was reverted.

        :param group: as this call saw or marked it last
        :param redo: do again what `revert` took back
        :param others: tells of a group whether another call has left a trace in its rules
        """
        if not self.is_left_alone(group, others):
            name = group["id"]
            LOG.warning("security group %s is another call's too, and stays", name)
            return
        revert()
        if not self.is_left_alone(group, others):
            redo()

    def is_left_alone(
        self,
        group: GroupAnswer,
        others: Callable[[GroupAnswer], bool] = lambda _: False,
    ) -> bool:
        """Tell whether a group has the mark with which this call saw it last.

        :param others: tells of it whether another call has left another trace
        """
        now = unless_gone(lambda: self.get(group["id"]))
        return now is not None and ownership.same_mark(now, group) and not others(now)

    def get(self, group_id: str) -> GroupAnswer:
        """Return a group with its rules."""
        group: GroupAnswer = self.api.get(f"/security-groups/{group_id}")[
            "security_group"
        ]
        return group

    def delete(self, group_id: str) -> None:
        """Delete a group, which may be gone already, or be in use for a moment more."""
        tenacity.Retrying(
            retry=tenacity.retry_if_exception(_in_use),
            wait=tenacity.wait_exponential(multiplier=0.1, max=1),
            stop=tenacity.stop_after_delay(_RELEASE),
            reraise=True,
        )(self.api.delete, f"/security-groups/{group_id}")

    def delete_unused(self, group_id: str, revision: int | None = None) -> bool:
        """Delete a group unless somebody has taken it into use, and tell whether it is so.

        :param revision: only if this is still its ``revision_number``
        """
        try:
            self.api.delete(f"/security-groups/{group_id}", revision)
        except Refused as refused:
            if refused.orig_code not in (409, 412):
                raise
            LOG.warning("security group %s is in use elsewhere and stays", group_id)
            return False
        return True


def choose(
    groups: Sequence[GroupAnswer], ports: Iterable[PortAnswer]
) -> GroupAnswer | None:
    """Return which of a load balancer's groups is its: one in use, else the oldest."""
    used = {group_id for port in ports for group_id in translation.groups(port)}
    return next((g for g in groups if g["id"] in used), groups[0] if groups else None)


def _in_use(error: BaseException) -> bool:
    return isinstance(error, Refused) and error.orig_code == 409
