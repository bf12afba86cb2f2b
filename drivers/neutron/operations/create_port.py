# SPDX-License-Identifier: Apache-2.0
"""Create a port of the service's own project."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from networker.context import current_operation_id, require_time
from networker.drivers import naming
from networker.drivers.flow import OnFailure
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import Json, PortAnswer
from networker.drivers.neutron.api.errors import Refused
from networker.drivers.neutron.api.translation import difference
from networker.drivers.neutron.resources import ownership
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.ownership import Claimed
from networker.drivers.neutron.resources.ports import require_address
from networker.drivers.vip import assign
from networker.models import FixedIP


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The arguments of the call; see :meth:`NetworkDriver.create_port`."""

    network_id: str
    name: str
    fixed_ips: Sequence[FixedIP]
    secondary_ips: Sequence[str]
    group_ids: Sequence[str]
    admin_state_up: bool
    qos_policy_id: str | None
    vnic_type: str

    def body(self) -> Json:
        """Return the request that makes the port."""
        body: Json = {
            "name": self.name,
            "network_id": self.network_id,
            "device_owner": naming.OWNER,
            "admin_state_up": self.admin_state_up,
        }
        optional = {
            "fixed_ips": [_asked(ip) for ip in self.fixed_ips],
            "binding:vnic_type": self.vnic_type if self.vnic_type != "normal" else None,
            **self.changeable(),
        }
        return body | {name: value for name, value in optional.items() if value}

    def changeable(self) -> dict[str, Any]:
        """Return the attributes that a port which is there already is given, too."""
        pairs = [{"ip_address": address} for address in self.secondary_ips]
        wanted: dict[str, Any] = {
            "allowed_address_pairs": pairs,
            "qos_policy_id": self.qos_policy_id,
        }
        if self.group_ids:
            wanted["security_groups"] = list(self.group_ids)
        return wanted


def run(cloud: Cloud, wanted: Wanted) -> PortAnswer:
    """Create a port of the service's own project, or find it."""
    purpose = "port", wanted.name or current_operation_id(), wanted.network_id
    return ownership.repeat_if_gone(
        lambda relied: _create(cloud, wanted, purpose, relied)
    )


def _create(
    cloud: Cloud, wanted: Wanted, purpose: Sequence[str], relied: set[str]
) -> PortAnswer:
    with OnFailure("create_port") as on_failure:
        claimed = _claim(cloud, wanted, purpose)
        on_failure(cloud.ports.disclaim, claimed)
        relied.add(claimed.port["id"])
        require_address(claimed.port)
        _check(claimed.port, wanted)
        change = functools.partial(_change, wanted=wanted.changeable())
        changed = cloud.ports.change(claimed, change, on_failure)
        require_time()
    return changed.port


def _claim(cloud: Cloud, wanted: Wanted, purpose: Sequence[str]) -> Claimed:
    body = wanted.body()
    try:
        return cloud.ports.claim(body, *purpose)
    except Refused as refused:
        if refused.kind != "SecurityGroupNotFound" or "security_groups" not in body:
            raise
        # A port is made with groups of its own project only, but given others later.
        return cloud.ports.claim({**body, "security_groups": []}, *purpose)


def _asked(fixed_ip: FixedIP) -> dict[str, str]:
    asked = {"subnet_id": fixed_ip.subnet_id, "ip_address": fixed_ip.ip_address}
    return {name: value for name, value in asked.items() if value}


def _change(port: PortAnswer, wanted: Mapping[str, Any]) -> Json:
    """Return what to change; a cloud without an attribute's extension has none."""
    changes = difference(port, dict(wanted))
    return {name: v for name, v in changes.items() if v or port.get(name)}


def _check(port: PortAnswer, wanted: Wanted) -> None:
    """Refuse a port that was made with other addresses.

    :raises Refused: it was
    """
    if assign(wanted.fixed_ips, translation.fixed_ips(port)) is None:
        text = f"port {port['id']} of that name has other addresses"
        raise Refused(orig_msg=text, orig_code=409)
