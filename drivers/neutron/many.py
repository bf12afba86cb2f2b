# SPDX-License-Identifier: Apache-2.0
"""Many of a kind looked up by their ids, in as few requests as there can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from networker import exceptions
from networker.drivers.flow import step
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.errors import refused_as
from networker.drivers.neutron.translate import Json

#: Ids in one request, so that its URL stays below the 8 KiB that web servers take at least.
_MOST = 100

Kind = Literal["networks", "subnets", "ports"]


def of(cloud: Cloud, kind: Kind, ids: Sequence[str]) -> list[Json]:
    """Return the resources that have ids, in their order.

    :raises NotFound: one does not exist, or the service may not see it
    """
    asked = list(dict.fromkeys(ids))
    looks = [
        step(
            cloud.network.list,
            name=f"{kind} {number}",
            provides=str(number),
            path=f"/{kind}",
            id=asked[number : number + _MOST],
        )
        for number in range(0, len(asked), _MOST)
    ]
    if not looks:
        return []
    with refused_as(exceptions.NetworkException):
        done = cloud.flows.run(f"get_{kind}", looks)
    known = {one["id"]: one for found in done.values() for one in found}
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
