# SPDX-License-Identifier: Apache-2.0
"""A VIP's port put into the one security group of its load balancer.

Calls at once may each have made a group. Each sets its own on the VIP's port, but only as
it saw the port. Of two that do so one after the other, the second is refused, and takes
the group that is there. Neutron compares the revision number before the change and not
with it, so two at the same time can both pass; but the second one's answer then has a
revision number that is higher by more than one. That call knows that it has taken the port
from another one, and gives it back. After three at the very same time, a group that is not
used can be left until the VIP is deallocated.
"""

from __future__ import annotations

import dataclasses

from networker.drivers import rules
from networker.drivers.flow import undoing
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.errors import Refused
from networker.drivers.neutron.grounding import Ground
from networker.drivers.neutron.ports import difference
from networker.drivers.neutron.settling import Settled, gone, undo_settled
from networker.drivers.neutron.translate import Json
from networker.models import LoadBalancer

#: How often the port is changed when others change it at the same time.
_TRIES = 10


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Puts the VIP's port of one load balancer into one group.

    :param relied: ids of what the call found or made
    """

    cloud: Cloud
    load_balancer: LoadBalancer
    relied: set[str]

    def settle(self, ground: Ground) -> Settled:
        """Change the port, and return what was changed."""
        settled, port = Settled(ground.group), ground.port
        if ground.shared:
            port = self.cloud.ports.get(port["id"])
        with undoing("settle") as on_failure:
            on_failure(self.undo, settled)
            for left in reversed(range(_TRIES)):
                change = _change(ground, settled.group, port)
                if not change:
                    break
                after = self._put(settled, port, change, last=not left)
                if after and after["revision_number"] <= port["revision_number"] + 1:
                    break
                settled.shared = True
                port = self.cloud.ports.get(port["id"])
                settled.group = self._agreed(ground, port, overwrote=after is not None)
        return settled

    def _put(
        self, settled: Settled, port: Json, change: Json, *, last: bool
    ) -> Json | None:
        """Change a port as it was seen; None if it has been changed meanwhile."""
        port_id = port["id"]
        # First, since a request whose answer is lost may have been done.
        settled.before.setdefault(port_id, {name: port[name] for name in change})
        try:
            after = self.cloud.ports.update(port_id, change, port["revision_number"])
        except Refused as refused:
            if refused.orig_code != 412 or last:
                raise
            return None
        settled.after[port_id] = after
        return after

    def _agreed(self, ground: Ground, port: Json, *, overwrote: bool) -> Json:
        """Return the group on which both calls agree, after marking it.

        :param port: as it is now
        :param overwrote: whether this call has taken it from the other one
        """
        groups = self.cloud.groups.find(self.load_balancer.id or "")
        others = [group for group in groups if group["id"] != ground.group["id"]]
        if not (overwrote and ground.made):
            others = [g for g in others if g["id"] in port["security_groups"]]
        group = others[0] if others else ground.group
        self.relied.add(group["id"])
        marked = self.cloud.groups.mark(group)
        if marked is None:
            raise gone(group)
        if not others:
            return marked
        wanted = rules.wanted(self.load_balancer, ground.vip)
        return self.cloud.rules.change(marked, wanted).group

    def tidy(self, ground: Ground, settled: Settled) -> None:
        """Delete the group that this call made if it has lost."""
        if ground.made and settled.group["id"] != ground.group["id"]:
            self.cloud.groups.delete_unused(ground.group["id"])

    def undo(self, settled: Settled) -> None:
        """Change the port back unless another call has come to rely on it."""
        undo_settled(self.cloud, settled)


def _change(ground: Ground, group: Json, port: Json) -> Json:
    wanted = {"security_groups": [group["id"], *ground.vip.sg_ids]}
    return difference(port, wanted)
