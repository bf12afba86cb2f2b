# SPDX-License-Identifier: Apache-2.0
"""Take ports from their server before it goes, and give them back.

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

from networker.drivers import naming
from networker.drivers.flow import OnFailure, revert_one, task
from networker.drivers.neutron.api.answers import PortAnswer
from networker.drivers.neutron.api.errors import Refused
from networker.drivers.neutron.api.translation import attributes
from networker.drivers.neutron.resources import ownership
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.ownership import is_ours, surplus
from networker.exceptions import CloudUnavailable

#: How ports are named after the server or the amphora that they are made for.
_NAMES = (naming.member_port, naming.vrrp_port)
#: What is changed; Neutron counts what is changed together with it as the same change.
_SERVER = ("device_id",)


@dataclasses.dataclass(frozen=True)
class ReleasedPorts:
    """The ports of one server that one call releases.

    :param owners: ids of whom the names of ports tell
    :param stays: tells of a port whether the server keeps it
    """

    cloud: Cloud
    compute_id: str
    owners: Sequence[str]
    stays: Callable[[PortAnswer], bool]
    #: What it writes into the ports of the driver's.
    mark: str = dataclasses.field(default_factory=ownership.new_mark)

    def release(self, found: Sequence[PortAnswer], on_failure: OnFailure) -> None:
        """Release the ports of the server, also those that another call gives it back.

        :param found: all its ports
        :param on_failure: is told what gives them back
        """
        alone: bool | None = None

        def act(held: Sequence[PortAnswer]) -> None:
            nonlocal alone
            ports = [port for port in held if not self.stays(port)]
            if ports:
                on_failure(self._take_back, ports)
                alone = self._release_all(ports) and alone is not False
            elif alone or not self._rely():
                return
            raise ownership.overtaken(f"some port of server {self.compute_id}")

        def look() -> Sequence[PortAnswer]:
            try:
                return self.cloud.ports.list(device_id=self.compute_id)
            except (Refused, CloudUnavailable):
                # All are released: to see that others gave some back is not needed.
                if not alone:
                    raise
                return []

        ownership.persist_on(found, act, look)

    def _release_all(self, ports: Sequence[PortAnswer]) -> bool:
        """Release ports, and tell whether nobody else changed them meanwhile."""
        tasks = [task(self._release, name=_name(port), port=port) for port in ports]
        done = self.cloud.flows.run("failover_preparation", tasks)
        return all(done[one] for one in tasks)

    def _release(self, port: PortAnswer) -> bool:
        # Neutron shows a DNS name only where it has the extension for it.
        names = {"dns_name": ""} if "dns_name" in port else {}
        marking = {"description": self.mark} if is_ours(port) else {}
        changes = {"device_id": "", **names, **marking}
        return self.cloud.ports.try_write(port, changes) is not None

    def _rely(self) -> bool:
        """Keep another call from taking back what it has released just now.

        :returns: whether it has taken a port back already
        """
        names = [name(one) for one in self.owners if one for name in _NAMES]
        found = self.cloud.ports.list(name=names)
        left = [port for port in found if not port["device_id"]]
        others = [port for port in left if port["description"] != self.mark]
        marked = [self.cloud.ports.rely(port) for port in others]
        return any(port and port["device_id"] == self.compute_id for port in marked)

    def _take_back(self, ports: Sequence[PortAnswer]) -> None:
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
            revert_one(_name(port), self._give_back, port, held[port["id"]], given)
        if not given:
            return
        # It was released, and given back.
        alone = all(surplus(held[one["id"]], _SERVER, one) == 1 for one in given)
        found = self.cloud.ports.list(id=[port["id"] for port in [*rest, *given]])
        if not (alone and all(port["device_id"] for port in found)):
            # Another call has released some meanwhile, or relies on it.
            for port in found:
                if port["device_id"]:
                    revert_one(_name(port), self._release, port)

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


def _name(port: PortAnswer) -> str:
    return f"release port {port['id']}"
