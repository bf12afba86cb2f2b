# SPDX-License-Identifier: Apache-2.0
"""Give addresses to a port and take them from it, while other calls may do the same.

Neutron replaces all addresses of a port at once: of two changes at the same time the second
takes away what the first one gave, or gives it twice. So a call marks the port first,
which does no harm. Only one of several finds that nobody else did, and goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from networker.drivers.flow import OnFailure
from networker.drivers.neutron.api.answers import PortAnswer
from networker.drivers.neutron.resources import ownership
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.ownership import Changed
from networker.models import same_address

#: How often addresses are changed when others change them at the same time.
_ROUNDS = 20
#: Seconds of the longest pause before another try.
_PAUSE = 0.5

Addresses = Sequence[Mapping[str, Any]]


def exchange(
    cloud: Cloud,
    port_id: str,
    gained: Addresses,
    lost: Collection[str],
    on_failure: OnFailure,
    seen: PortAnswer | None = None,
) -> PortAnswer:
    """Give a port addresses that it does not have, and take others from it.

    :param gained: subnets, and addresses on them; any if none is named
    :param lost: ids of subnets of which it keeps no address
    :param on_failure: is told what takes the change back
    :param seen: the port as it was just now; it is looked up if None
    :returns: the port as it is then
    """

    def change(held: Addresses) -> Addresses:
        kept = [one for one in held if one["subnet_id"] not in lost]
        new = [w for w in gained if not any(_fits(one, w) for one in kept)]
        return [*kept, *new]

    def act(port: PortAnswer) -> PortAnswer:
        wanted = change(port["fixed_ips"])
        if wanted != port["fixed_ips"]:
            return _exchange(cloud, port, wanted, on_failure)
        now = cloud.ports.rely(port)
        if now is None or change(now["fixed_ips"]) != now["fixed_ips"]:
            # Another call took back what it had given the port, just before.
            raise ownership.overtaken(f"port {port_id}")
        return now

    def look() -> PortAnswer:
        return cloud.ports.get(port_id)

    port = seen or look()
    return ownership.persist_on(port, act, look, tries=_ROUNDS, pause=_PAUSE)


def _exchange(
    cloud: Cloud, port: PortAnswer, wanted: Addresses, on_failure: OnFailure
) -> PortAnswer:
    """Change the addresses of a port.

    :raises Again: somebody else is changing it, too
    """
    marked = cloud.ports.mark_alone(port)
    before, change = {"fixed_ips": port["fixed_ips"]}, {"fixed_ips": wanted}
    with cloud.ports.doubting(marked, change, before, on_failure):
        after = cloud.ports.write_alone(marked, change)
    on_failure(cloud.ports.revert, Changed(after, False, before))
    return after


def _fits(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    address = wanted.get("ip_address")
    return bool(held["subnet_id"] == wanted["subnet_id"]) and (
        address is None or same_address(held["ip_address"], address)
    )
