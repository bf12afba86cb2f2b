# SPDX-License-Identifier: Apache-2.0
"""Save what a port was before a VIP was put on it, and restore it.

A user's port can be a VIP's, and a port that a server had can become its VRRP port. What
such a port was before is kept in tags of the load balancer's security group: the group is
the driver's own, while the tags of a user's port are hidden from it, and the port's
description is the user's; a tag is set by one request that can be repeated, whoever else
sets others; and the tags end with the group. The next worker finds them when one has died.
"""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import Json, PortAnswer
from networker.drivers.neutron.api.errors import Refused, is_gone, unless_gone
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.ownership import Again, persist_on
from networker.drivers.neutron.resources.ports import is_attached

#: A load balancer's security group, or its id only.
Group = Mapping[str, Any]

#: What tags begin with; the port's id, which part of how many it is, and the part follow.
_PREFIX = "networker-had"
#: Characters of a part. Neutron takes 255 for the whole tag, and 60 before 2023.
_PART = 160


class Before(msgspec.Struct):
    """What a port was before it was lent.

    :param groups: ids of its security groups
    :param pairs: its allowed address pairs; None if they were not changed
    :param added: the subnet of the address that it was given; None if of none
    """

    groups: list[str]
    pairs: list[dict[str, str]] | None = None
    added: str | None = None


def save(
    cloud: Cloud,
    owner: str,
    group: Group,
    port: PortAnswer,
    change: Mapping[str, Any],
) -> None:
    """Keep what a port is, before it is changed and put into a load balancer's group.

    :param owner: the load balancer's id
    :param change: what is to be changed of the port
    """
    held = translation.groups(port)
    if group["id"] in held or "security_groups" not in change:
        return
    known: dict[str, Group] = {one["id"]: one for one in cloud.groups.find(owner)}
    now = known.get(group["id"], group)
    # Of calls at once each can have made a group, and put the port into it before.
    before = [known[i] for i in held if i in known and i != group["id"]]
    wanted = _tags(port["id"], before[0]) if before else _written(port, change)
    for tag in sorted(_tags(port["id"], now) - wanted):
        _untag(cloud, now, tag)
    for tag in sorted(wanted - _tags(port["id"], now)):
        _tag(cloud, now, tag)


def restore(cloud: Cloud, port: PortAnswer, groups: Sequence[Group]) -> None:
    """Give a port back as it was, if it is in a load balancer's group.

    :param groups: a load balancer's
    """
    ids = {group["id"] for group in groups}
    gone: set[str] = set()

    def act(now: PortAnswer) -> None:
        if not ids & set(translation.groups(now)):
            return
        change = _change(now, groups, gone)
        try:
            cloud.ports.write(now, change)
        except Refused as refused:
            if is_gone(refused) and now["id"] in (refused.orig_msg or ""):
                return
            missing = {i for i in change["security_groups"] if _is_missing(refused, i)}
            gone.update(missing)
            if missing:
                raise Again(refused) from refused
            raise

    persist_on(port, act, lambda: cloud.ports.get(port["id"]))


def forget(cloud: Cloud, port_id: str, groups: Sequence[Group]) -> None:
    """Remove what was kept of a port that was given back."""
    for group in groups:
        for tag in sorted(_tags(port_id, group)):
            _untag(cloud, group, tag)


def _change(port: PortAnswer, groups: Sequence[Group], gone: Collection[str]) -> Json:
    """Return what makes a port what it was.

    :param gone: ids of groups that exist no more
    """
    before = next(filter(None, (_read(port["id"], one) for one in groups)), None)
    ids = {group["id"] for group in groups}
    if before is None:
        # It was lent before this was kept.
        kept = [i for i in translation.groups(port) if i not in ids]
        pairs: Json = {"allowed_address_pairs": []} if is_attached(port) else {}
        return {"security_groups": kept, **pairs}
    change: Json = {"security_groups": [i for i in before.groups if i not in gone]}
    if before.pairs is not None:
        change["allowed_address_pairs"] = before.pairs
    if before.added:
        held = port["fixed_ips"]
        change["fixed_ips"] = [ip for ip in held if ip["subnet_id"] != before.added]
    return change


def _written(port: PortAnswer, change: Mapping[str, Any]) -> set[str]:
    """Return the tags that keep what a port is."""
    before = Before(groups=translation.groups(port))
    if "allowed_address_pairs" in change:
        pairs: Any = port["allowed_address_pairs"]
        before.pairs = pairs
    held = {ip["subnet_id"] for ip in port["fixed_ips"]}
    new = {ip["subnet_id"] for ip in change.get("fixed_ips", ())} - held
    before.added = min(new, default=None)
    text = base64.urlsafe_b64encode(msgspec.json.encode(before)).decode().rstrip("=")
    parts = [text[n : n + _PART] for n in range(0, len(text), _PART)]
    return {
        f"{_PREFIX}.{port['id']}.{number}.{len(parts)}.{part}"
        for number, part in enumerate(parts)
    }


def _read(port_id: str, group: Group) -> Before | None:
    """Return what a port was; None if nothing, or not all of it, was kept."""
    parts = sorted(tag.split(".")[2:] for tag in _tags(port_id, group))
    if not parts or len(parts) != int(parts[0][1]):
        return None
    text = "".join(part for _, _, part in parts)
    padded = text + "=" * (-len(text) % 4)
    return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=Before)


def _tags(port_id: str, group: Group) -> set[str]:
    found: Sequence[str] = group.get("tags", ())
    return {tag for tag in found if tag.startswith(f"{_PREFIX}.{port_id}.")}


def _tag(cloud: Cloud, group: Group, tag: str) -> None:
    try:
        cloud.network.put(_path(group, tag), None)
    except Refused as refused:
        # Neutron knows no other answer for a group that is gone.
        if refused.orig_code == 500:
            cloud.groups.get(group["id"])
        raise


def _untag(cloud: Cloud, group: Group, tag: str) -> None:
    try:
        cloud.network.delete(_path(group, tag))
    except Refused as refused:
        gone = refused.orig_code == 500 and not unless_gone(
            lambda: cloud.groups.get(group["id"])
        )
        if not gone:
            raise


def _path(group: Group, tag: str) -> str:
    return f"/security-groups/{group['id']}/tags/{urllib.parse.quote(tag, safe='')}"


def _is_missing(refused: Refused, group_id: str) -> bool:
    missing = refused.kind == "SecurityGroupNotFound"
    return missing and group_id in (refused.orig_msg or "")
