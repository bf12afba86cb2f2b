# SPDX-License-Identifier: Apache-2.0
"""Make the security group of a VIP, bring its rules in line, and set it on the VIP."""

from __future__ import annotations

import functools
from collections.abc import Callable

from networker.context import require_time
from networker.drivers import rules
from networker.drivers.flow import reverting, task
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
    get = task(cloud.ports.get, name="port", provides="port", port_id=vip.port_id or "")
    looks = [get, look_for_groups(cloud, owner)]
    found = cloud.flows.run("update_vip_sg: look", looks)
    if found["groups"] is None:
        return None
    prepare = functools.partial(groups.prepare, vip, found["port"], found["groups"])
    return _change(groups, prepare()) if found["groups"] else _make(groups, prepare)


def _make(groups: GroupAgreement, prepare: Callable[[], VipGroup]) -> str:
    """Make the group, and fill it while the port is put into it."""
    make = task(
        prepare, name="security group", provides="vip_group", revert=groups.revert
    )
    fill = task(groups.fill, name="rules", revert=groups.cloud.rules.revert)
    agree = task(
        groups.reach,
        name="agree on a group",
        provides="agreed",
        revert=groups.take_back,
    )
    tidy = task(groups.tidy, name="tidy")
    run = groups.cloud.flows.run
    done = run("update_vip_sg", [make], [fill, agree], [tidy], timely=True)
    return str(done["agreed"].group["id"])


def _change(groups: GroupAgreement, vip_group: VipGroup) -> str:
    """Change what is not as it should be of a group that is there."""
    cloud, wanted = groups.cloud, rules.wanted(groups.load_balancer, vip_group.vip)
    with reverting("update_vip_sg") as on_failure:
        at_once = cloud.remove_rules_at_once
        change = cloud.rules.change(vip_group.group, wanted, at_once)
        on_failure(cloud.rules.revert, change)
        agreed = groups.reach(vip_group)
        on_failure(groups.take_back, agreed)
        groups.tidy(vip_group, agreed)
        require_time()
    return str(agreed.group["id"])
