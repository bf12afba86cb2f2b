# SPDX-License-Identifier: Apache-2.0
"""Make the security group of a VIP, bring its rules in line, and set it on the VIP."""

from __future__ import annotations

import functools
from collections.abc import Callable

from networker.context import require_time
from networker.drivers import rules
from networker.drivers.flow import OnFailure, task
from networker.drivers.neutron.resources import ownership
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.group_agreement import GroupAgreement
from networker.drivers.neutron.resources.vip_group import (
    VipGroup,
    look_for_groups,
)
from networker.models import VIP, LoadBalancer


def run(cloud: Cloud, load_balancer: LoadBalancer, vip: VIP) -> str | None:
    """Make the VIP's security group, bring its rules in line, and set it on the VIP."""
    # A wrong CIDR is refused before anything is asked of the cloud.
    rules.wanted(load_balancer, vip)
    return ownership.repeat_if_gone(
        lambda relied: _run(GroupAgreement(cloud, load_balancer, relied), vip)
    )


def _run(groups: GroupAgreement, vip: VIP) -> str | None:
    """Bring everything in line, and return the id of the group."""
    cloud, owner = groups.cloud, groups.load_balancer.id or ""
    get = task(cloud.ports.get, name="port", port_id=vip.port_id or "")
    look = look_for_groups(cloud, owner)
    done = cloud.flows.run("update_vip_sg: look", [get, look])
    port, found = done[get], done[look]
    if found is None:
        return None
    prepare = functools.partial(groups.prepare, vip, port, found)
    return _change(groups, prepare()) if found else _make(groups, prepare)


def _make(groups: GroupAgreement, prepare: Callable[[], VipGroup]) -> str:
    """Make the group, and fill it while the port is put into it."""
    vip_group = task(prepare, name="security group", revert=groups.revert)
    fill, name = groups.filling(vip_group), "agree on a group"
    agree = task(groups.reach, name=name, reverts_itself=True, vip_group=vip_group)
    tidy = task(groups.tidy, name="tidy", vip_group=vip_group, agreed=agree)
    run = groups.cloud.flows.run
    done = run("update_vip_sg", [vip_group], [fill, agree], [tidy], timely=True)
    return done[agree].group["id"]


def _change(groups: GroupAgreement, vip_group: VipGroup) -> str:
    """Change what is not as it should be of a group that is there."""
    cloud, wanted = groups.cloud, rules.wanted(groups.load_balancer, vip_group.vip)
    with OnFailure("update_vip_sg") as on_failure:
        at_once = cloud.remove_rules_at_once
        cloud.rules.change(vip_group.group, wanted, at_once, on_failure)
        agreed = groups.reach(vip_group, on_failure=on_failure)
        groups.tidy(vip_group, agreed)
        require_time()
    return agreed.group["id"]
