# SPDX-License-Identifier: Apache-2.0
"""Make the ports of a server ready to outlive it.

Another copy of this call may come when some ports are released already, and sees only the
others. So this one, when it takes ports back, first marks those that it did not release:
the other copy, which changes ports only as it saw them, then looks again. What prevents
the release can prevent the mark. So the other copy looks once more when it is done, and
this one when it has given ports back; whoever is later sees the other. A copy that has
nothing to release marks what it finds released just now.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from networker import exceptions
from networker.context import require_time
from networker.drivers import naming
from networker.drivers.flow import revert_one, reverting, task
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import PortAnswer
from networker.drivers.neutron.api.errors import Refused
from networker.drivers.neutron.api.translation import attributes
from networker.drivers.neutron.resources import ownership
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.ownership import is_ours, surplus
from networker.exceptions import CloudUnavailable
from networker.models import Amphora

#: How ports are named after the server or the amphora that they are made for.
_NAMES = (naming.member_port, naming.vrrp_port)
#: What is changed; Neutron counts what is changed together with it as the same change.
_SERVER = ("device_id",)


def run(cloud: Cloud, amphora: Amphora) -> None:
    """Make an amphora's ports ready to outlive its server."""
    compute_id = amphora.compute_id or ""
    found = cloud.ports.list(device_id=compute_id)
    if not found:
        raise exceptions.PortNotFound(f"server {compute_id} has no port")
    if not amphora.lb_network_ip:
        # The management port could not be told from the others.
        raise exceptions.InvalidRequest(
            "failover_preparation: amphora.lb_network_ip must not be empty",
            method="failover_preparation",
        )
    _release(cloud, amphora, found)


def _release(cloud: Cloud, amphora: Amphora, found: Sequence[PortAnswer]) -> None:
    """Release the ports of a server, but for the one on the management network.

    :param found: all its ports
    """
    compute_id = amphora.compute_id or ""
    management = translation.canonical(amphora.lb_network_ip or "")
    call = _Release(cloud, compute_id, ownership.new_mark())
    alone: bool | None = None

    def look() -> Sequence[PortAnswer]:
        try:
            return cloud.ports.list(device_id=compute_id)
        except (Refused, CloudUnavailable):
            # All are released: to see that others gave some back is not needed.
            if not alone:
                raise
            return []

    with reverting("failover_preparation") as on_failure:

        def act(held: Sequence[PortAnswer]) -> None:
            nonlocal alone
            ports = [port for port in held if not translation.holds(port, management)]
            if ports:
                on_failure(call.take_back, ports)
                alone = call.run(ports) and alone is not False
            elif alone or not call.rely([compute_id, amphora.id or ""]):
                return
            raise ownership.overtaken(f"some port of server {compute_id}")

        ownership.persist_on(found, act, look)
        require_time()


@dataclasses.dataclass(frozen=True)
class _Release:
    """One call.

    :param mark: what it writes into the ports of the driver's that it releases
    """

    cloud: Cloud
    compute_id: str
    mark: str

    def run(self, ports: Sequence[PortAnswer]) -> bool:
        """Release ports, and tell whether nobody else changed them meanwhile."""
        tasks = [
            task(
                self._release,
                name=f"release port {port['id']}",
                provides=port["id"],
                port=port,
            )
            for port in ports
        ]
        done = self.cloud.flows.run("failover_preparation", tasks)
        return all(done[port["id"]] for port in ports)

    def _release(self, port: PortAnswer) -> bool:
        # Neutron shows a DNS name only where it has the extension for it.
        names = {"dns_name": ""} if "dns_name" in port else {}
        marking = {"description": self.mark} if is_ours(port) else {}
        changes = {"device_id": "", **names, **marking}
        return self.cloud.ports.try_write(port, changes) is not None

    def rely(self, owners: Sequence[str]) -> bool:
        """Keep another call from taking back what it has released just now.

        :param owners: ids of whom the names of ports tell
        :returns: whether it has taken a port back already
        """
        names = [name(one) for one in owners if one for name in _NAMES]
        found = self.cloud.ports.list(name=names)
        left = [port for port in found if not port["device_id"]]
        others = [port for port in left if port["description"] != self.mark]
        recent = [port for port in others if ownership.is_recent(port)]
        marked = [self.cloud.ports.mark(port["id"]) for port in recent]
        return any(port and port["device_id"] == self.compute_id for port in marked)

    def take_back(self, ports: Sequence[PortAnswer]) -> None:
        """Give ports back to the server unless another call has released some."""
        held = {port["id"]: port for port in ports}
        now = self.cloud.ports.list(id=list(held))
        released = [port for port in now if not port["device_id"]]
        rest = [port for port in now if port not in released]
        if not all(self._is_mine(port, held[port["id"]]) for port in released):
            return
        if not all(map(self._warn, rest)):
            return
        given: list[PortAnswer] = []
        for port in released:
            self._revert(port, self._give_back, port, held[port["id"]], given)
        if not given:
            return
        # It was released, and given back.
        alone = all(surplus(held[one["id"]], _SERVER, one) == 1 for one in given)
        found = self.cloud.ports.list(id=[port["id"] for port in [*rest, *given]])
        if not (alone and all(port["device_id"] for port in found)):
            # Another call has released some meanwhile, or relies on it.
            for port in found:
                if port["device_id"]:
                    self._revert(port, self._release, port)

    def _revert(
        self, port: PortAnswer, function: Callable[..., object], *args: Any
    ) -> None:
        revert_one(f"release port {port['id']}", function, *args)

    def _is_mine(self, port: PortAnswer, before: PortAnswer) -> bool:
        """Tell whether this call has released a port, and no other one."""
        own = not is_ours(port) or port["description"] == self.mark
        # Nova leaves a port that it has detached without an owner.
        held = port["device_owner"] == before["device_owner"]
        return own and held and surplus(before, _SERVER, port) == 0

    def _warn(self, port: PortAnswer) -> bool:
        """Mark a port for others to see, and tell whether it was as it had been seen."""
        if not is_ours(port) or port["device_id"] != self.compute_id:
            return True
        marking = {"description": ownership.new_mark()}
        try:
            return self.cloud.ports.try_write(port, marking) is not None
        except (Refused, CloudUnavailable):
            # What prevents the release may prevent the mark.
            return True

    def _give_back(
        self, port: PortAnswer, before: PortAnswer, given: list[PortAnswer]
    ) -> None:
        """Give a port back to the server, and add it to those that were."""
        names = ("device_id", "dns_name", "description")
        changes = attributes(before, filter(before.__contains__, names))
        after = self.cloud.ports.try_write(port, changes)
        if after:
            given.append(after)
