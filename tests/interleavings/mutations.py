# SPDX-License-Identifier: Apache-2.0
"""Faults that were mended, made again for as long as a test needs them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any
from unittest import mock

from networker.drivers.flow import task
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.operations.allocate_vip import _Allocation
from networker.drivers.neutron.resources import (
    group_agreement,
    interfaces,
    ownership,
    security_group_rules,
)
from networker.drivers.neutron.resources.group_agreement import Agreed, GroupAgreement
from networker.drivers.neutron.resources.ownership import Changed
from networker.drivers.neutron.resources.ports import Ports
from networker.drivers.neutron.resources.released_ports import ReleasedPorts
from networker.drivers.neutron.resources.security_group_rules import (
    GroupRules,
    RuleChange,
)
from tests.interleavings.grounds import Menu
from tests.interleavings.stage import FEW, SOME

Mutation = Callable[[], contextlib.AbstractContextManager[Any]]


def no_address_on_the_subnet() -> contextlib.AbstractContextManager[Any]:
    """An address that is only wanted is compared by what only addresses have."""

    def comparable(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return sorted(v["ip_address"] if isinstance(v, dict) else v for v in value)

    return mock.patch.object(translation, "_comparable", comparable)


def members_take_vrrp_ports() -> contextlib.AbstractContextManager[Any]:
    """Calls about members take any port of the driver's."""
    return mock.patch.object(interfaces, "_is_members", ownership.is_ours)


def rules_not_asked_for_again() -> contextlib.AbstractContextManager[Any]:
    """Rules of which it is not known whether they were added are looked for only once."""

    def found(
        self: GroupRules, change: RuleChange, wanted: set[Any], _: Exception
    ) -> tuple[Any, Any]:
        held = self.groups.get(change.group["id"])["security_group_rules"]
        own = set(security_group_rules.known(held)) & wanted
        change.added.update(own)
        return own, set()

    return mock.patch.object(GroupRules, "_found", found)


def ports_without_address() -> contextlib.AbstractContextManager[Any]:
    """A VIP's port is not taken back when it turns out that it has no address."""

    def claimed(self: _Allocation, load_balancer: Any, vip: Any) -> Any:
        body, owner = self._body(load_balancer, vip), load_balancer.id or ""
        claim = task(
            lambda: self.cloud.ports.claim(body, "vip", owner, body["network_id"]),
            name="VIP port",
            revert=self.cloud.ports.disclaim,
        )
        done = self.cloud.flows.run("allocate_vip", [claim], timely=True)
        return translation.vip(vip, done[claim].port, owner)

    return mock.patch.object(_Allocation, "_claimed", claimed)


def makers_leave_no_trace() -> contextlib.AbstractContextManager[Any]:
    """Who made a port changes it without a look at what others gave it.

    Mended by "Rely on what another call gave a port that this one made".
    """

    def complete(self: Ports, port: Any, change: Any) -> Changed:
        return Changed(self.update(port["id"], change), True, {})

    return mock.patch.object(Ports, "_complete", complete)


def others_seen_too_late() -> contextlib.AbstractContextManager[Any]:
    """That another call is at the VIP's port is known only when all ports are changed.

    Mended by "Leave the VIP's port alone as soon as another call is seen at it".
    """
    change = GroupAgreement._change

    def changed(
        self: GroupAgreement, vip_group: Any, agreed: Agreed, *args: Any, **kwargs: Any
    ) -> bool:
        shadow = dataclasses.replace(agreed)
        alone = change(self, vip_group, shadow, *args, **kwargs)
        agreed.overwrote = shadow.overwrote
        agreed.shared = agreed.shared or not alone
        return alone

    return mock.patch.object(GroupAgreement, "_change", changed)


def undo_without_a_look() -> contextlib.AbstractContextManager[Any]:
    """A port that was made is taken back whoever relies on it by now."""

    def delete(self: Ports, port: Any) -> None:
        self.delete(port["id"])

    return mock.patch.object(Ports, "delete_unmarked", delete)


def pairs_refused_twice_for_good() -> contextlib.AbstractContextManager[Any]:
    """An address pair that another copy gave a port at the same time is an error.

    Mended by "Take a pair that is there already for another call's".
    """
    return mock.patch.object(Ports, "_was_overtaken", return_value=False)


def lost_groups_stay() -> contextlib.AbstractContextManager[Any]:
    """A group from which the VIP's port was taken stays, unused.

    Mended by "Leave nothing behind of a call that another one overtook".
    """
    tidy = GroupAgreement.tidy

    def tidied(
        self: GroupAgreement, vip_group: Any, agreed: Agreed, *args: Any
    ) -> None:
        agreed.left.clear()
        tidy(self, vip_group, agreed, *args)

    return mock.patch.object(GroupAgreement, "tidy", tidied)


def users_ports_taken_out() -> contextlib.AbstractContextManager[Any]:
    """A user's port is taken out of the group that another call has just made.

    Mended by "Leave nothing behind of a call that another one overtook".
    """

    def kept(_: Any, port: Any) -> Any:
        return port["security_groups"]

    return mock.patch.object(group_agreement, "_kept", kept)


def marks_only_by_names() -> contextlib.AbstractContextManager[Any]:
    """A port that `create_port` has made under another name is taken for the user's.

    Mended by "Leave nothing behind of a call that another one overtook".
    """
    return mock.patch.object(ownership, "is_marked", ownership.is_ours)


def released_ports_not_relied_on() -> contextlib.AbstractContextManager[Any]:
    """A copy that finds all ports released leaves no trace.

    Mended by "Leave nothing behind of a call that another one overtook".
    """
    return mock.patch.object(ReleasedPorts, "_rely", return_value=False)


#: Around which tasks one call is interrupted by another one.
_STEPS = range(6, 21)


@dataclasses.dataclass(frozen=True)
class Found:
    """Where a mutation is found.

    :param root: with what the schedules begin that are tried, so that it is found soon;
        ``{n}`` stands for any task
    :param switches: how often somebody is interrupted after that
    :param late: whether requests must be done late for it
    """

    mutation: Mutation
    pair: str
    root: str = ""
    switches: int = 0
    late: bool = False

    def roots(self) -> list[str]:
        """Return with what schedules begin."""
        tasks = _STEPS if "{n}" in self.root else [0]
        return [self.root.replace("{n}", str(number)) for number in tasks]

    @property
    def menu(self) -> Menu:
        """What can happen to requests."""
        return SOME if self.late else FEW


FOUND: tuple[Found, ...] = (
    Found(no_address_on_the_subnet, "plug_vip_moved x 1"),
    Found(members_take_vrrp_ports, "unplug_member_on_vip_net x 2"),
    Found(rules_not_asked_for_again, "update_vip_many x 1", late=True),
    Found(ports_without_address, "allocate_without_subnet x 1"),
    Found(others_seen_too_late, "plug_vip_reused_port x 2", "-0>B B5>A A{n}>B"),
    Found(makers_leave_no_trace, "plug_vip_users_port x 2", "A12>B"),
    Found(undo_without_a_look, "plug_vip x 2", "A{n}>B"),
    Found(pairs_refused_twice_for_good, "plug_vip_reused_port x 2", "A13>B"),
    Found(lost_groups_stay, "plug_vip + update_vip_sg", "A3>B"),
    Found(users_ports_taken_out, "plug_vip_users_port x 2", "A12>B"),
    Found(marks_only_by_names, "plug_fixed_ip x 2", "A2!deadline", 1),
    Found(released_ports_not_relied_on, "failover_preparation x 2", "A8!deadline", 1),
)
