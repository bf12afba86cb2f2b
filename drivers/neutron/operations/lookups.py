# SPDX-License-Identifier: Apache-2.0
"""Look up networks, subnets, ports, security groups and QoS policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from networker import exceptions
from networker.drivers.flow import task
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import Json
from networker.drivers.neutron.api.errors import Refused
from networker.drivers.neutron.api.requests import Api
from networker.drivers.neutron.resources.cloud import Cloud
from networker.models import NetworkIPAvailability, UserContext

#: Ids in one request, so that its URL stays below the 8 KiB that web servers take at least.
_MOST = 100

Kind = Literal["networks", "subnets", "ports"]


def show(cloud: Cloud, path: str, context: UserContext | None) -> Json:
    """Return the answer that has one resource.

    :param context: the user who asks; the service itself if None
    :raises Refused: it does not exist, or its asker may not see it
    """
    token = context.auth_token if context else None
    if token is not None and not token.strip():
        raise Refused(orig_msg="the user's token is empty", orig_code=401)
    return cloud.network.get(path, token=token)


def first(
    cloud: Cloud, kind: Kind, missing: exceptions.NotFound, **filters: str
) -> Any:
    """Return the resource with the smallest id of those with some attributes.

    :raises NotFound: `missing`: there is none
    """
    found = cloud.network.list(f"/{kind}", **filters)
    if not found:
        raise missing
    return min(found, key=lambda one: str(one["id"]))


def several(cloud: Cloud, kind: Kind, ids: Sequence[str]) -> list[Any]:
    """Return the resources that have ids, in their order.

    :raises NotFound: one does not exist, or the service may not see it
    """
    asked = list(dict.fromkeys(ids))
    looks = [
        task(
            cloud.network.list,
            name=f"{kind} {number}",
            path=f"/{kind}",
            id=asked[number : number + _MOST],
        )
        for number in range(0, len(asked), _MOST)
    ]
    if not looks:
        return []
    done = cloud.flows.run(f"get_{kind}", looks)
    known = {one["id"]: one for look in looks for one in done[look]}
    for missing in ids:
        if missing not in known:
            raise _missing(kind, missing)
    return [known[one] for one in ids]


def _missing(kind: Kind, missing: str) -> exceptions.NotFound:
    if kind == "networks":
        return exceptions.NetworkNotFound(network_id=missing)
    if kind == "subnets":
        return exceptions.SubnetNotFound(subnet_id=missing)
    return exceptions.PortNotFound(port_id=missing)


def ip_availability(api: Api, network_id: str) -> NetworkIPAvailability:
    """Return how many addresses a network and its subnets have and use.

    :raises Refused: the network does not exist, or Neutron does not tell the service
    """
    try:
        answer = api.get(f"/network-ip-availabilities/{network_id}")
    except Refused as refused:
        # Neutron answers a question that its policy forbids with a 404 of no kind.
        if refused.orig_code != 403 and refused.kind not in (None, "HTTPNotFound"):
            raise
        text = (
            f"{refused.orig_msg} (Neutron's policy get_network_ip_availability asks for "
            "the role service or admin)"
        )
        code = refused.orig_code
        raise Refused(orig_msg=text, orig_code=code, kind=refused.kind) from refused
    return translation.ip_availability(answer["network_ip_availability"])
