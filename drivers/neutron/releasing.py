# SPDX-License-Identifier: Apache-2.0
"""The ports of a server made ready to outlive it.

Another copy of this call may come when some ports are released already, and sees only the
others. So this one, when it takes ports back, first marks those that it did not release:
the other copy, which changes ports only as it saw them, then looks again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from networker.drivers.deadline import require_time
from networker.drivers.flow import step, undo, undoing
from networker.drivers.neutron import marks, translate
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.errors import Refused
from networker.drivers.neutron.ports import is_ours
from networker.drivers.neutron.translate import Json
from networker.exceptions import CloudUnavailable

#: How often ports are released when others change them at the same time.
_TRIES = 10


def release(
    cloud: Cloud, compute_id: str, management: str, found: Sequence[Json]
) -> None:
    """Release the ports of a server.

    :param management: the address whose port it keeps
    :param found: all its ports
    """
    releasing = _Releasing(cloud, compute_id, marks.new())
    with undoing("failover_preparation") as on_failure:
        for left in reversed(range(_TRIES)):
            ports = [port for port in found if not translate.holds(port, management)]
            on_failure(releasing.take_back, ports)
            if releasing.run(ports, last=not left):
                break
            found = cloud.ports.list(device_id=compute_id)
        require_time()


@dataclasses.dataclass(frozen=True)
class _Releasing:
    """One call.

    :param mark: what it writes into the ports of the driver's that it releases
    """

    cloud: Cloud
    compute_id: str
    mark: str

    def run(self, ports: Sequence[Json], *, last: bool) -> bool:
        """Release ports, and tell whether nobody else changed them meanwhile."""
        steps = [
            step(
                self._release,
                name=f"release port {port['id']}",
                provides=port["id"],
                port=port,
                last=last,
            )
            for port in ports
        ]
        if not steps:
            return True
        done = self.cloud.flows.run("failover_preparation", steps)
        return all(done[port["id"]] for port in ports)

    def _release(self, port: Json, last: bool) -> bool:
        # Neutron shows a DNS name only where it has the extension for it.
        names = {"dns_name": ""} if "dns_name" in port else {}
        marking = {"description": self.mark} if is_ours(port) else {}
        changes = {"device_id": "", **names, **marking}
        return self.cloud.ports.change(port, changes, last=last) is not None

    def take_back(self, ports: Sequence[Json]) -> None:
        """Give ports back to the server unless another call has released some."""
        held = {port["id"]: port for port in ports}
        now = self.cloud.ports.list(id=list(held)) if held else []
        released = [port for port in now if not port["device_id"]]
        if not all(self._is_mine(port) for port in released):
            return
        if released and all(self._warn(p) for p in now if p not in released):
            for port in released:
                undo(
                    f"release port {port['id']}",
                    self._give_back,
                    port,
                    held[port["id"]],
                )

    def _is_mine(self, port: Json) -> bool:
        return not is_ours(port) or port["description"] == self.mark

    def _warn(self, port: Json) -> bool:
        """Mark a port for others to see, and tell whether it was as it had been seen."""
        if not is_ours(port) or port["device_id"] != self.compute_id:
            return True
        try:
            changes = {"description": marks.new()}
            self.cloud.ports.update(port["id"], changes, port["revision_number"])
        except (Refused, CloudUnavailable) as error:
            # What prevents the release may prevent the mark.
            return error.orig_code != 412
        return True

    def _give_back(self, port: Json, before: Json) -> None:
        names = ("device_id", "dns_name", "description")
        changes = {name: before[name] for name in names if name in before}
        self.cloud.ports.change(port, changes)
