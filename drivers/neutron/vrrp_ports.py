# SPDX-License-Identifier: Apache-2.0
"""The VRRP ports of a load balancer's amphorae: found or made, and attached."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

from networker.drivers.flow import Step, step
from networker.drivers.neutron import lending, marks, vrrp
from networker.drivers.neutron.adjusting import Adjusted
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.ports import Claimed, difference, is_ours
from networker.drivers.neutron.translate import Json
from networker.models import VIP, Amphora


@dataclasses.dataclass(frozen=True)
class VrrpPorts:
    """What every call that plugs a VIP does with the port of each amphora.

    :param owner: the load balancer's id
    :param relied: ids of what the call found or made
    """

    cloud: Cloud
    owner: str
    relied: set[str]

    def claim(
        self, vip: VIP, group_id: str | None, amphora: Amphora, plugged: Sequence[Json]
    ) -> Claimed:
        """Find or make a port.

        :param group_id: the load balancer's group; None if the cloud has no groups
        :param plugged: ports on the VIP's network that may be the amphora's
        """
        port = vrrp.reusable(plugged, amphora)
        if port is not None and not port["device_id"]:
            # Whoever may make ports on the network can give them any name.
            own = port["project_id"] == self.cloud.network.project_id()
            port = port if own else None
        if port is not None and is_ours(port) and marks.is_recent(port):
            port = self.cloud.ports.mark(port["id"])
        if port is None:
            claimed = self._make(vip, group_id, amphora)
        else:
            claimed = Claimed(port, made=False)
        self.relied.add(claimed.port["id"])
        return claimed

    def _make(self, vip: VIP, group_id: str | None, amphora: Amphora) -> Claimed:
        body = vrrp.body(vip, group_id, amphora)
        place = amphora.id or "", str(vip.network_id)
        return self.cloud.ports.claim(body, "vrrp", self.owner, *place)

    def adjust(self, claimed: Claimed, vip: VIP, group_id: str | None) -> Adjusted:
        """Give a port what the VIP needs."""

        def change(port: Json) -> Json:
            needed = difference(port, vrrp.wanted(vip, group_id))
            needed |= vrrp.address(port, vip)
            if group_id and needed:
                group = {"id": group_id}
                lending.note(self.cloud, self.owner, group, port, needed)
            return needed

        return self.cloud.adjusting.adjust(claimed, change)

    def attaching(self, amphora: Amphora, claimed: str) -> Step:
        """Return the step that attaches an amphora's port to its server.

        :param claimed: the name of the result that has the port
        """
        return step(
            self._attach,
            name=f"attach {amphora.id}",
            undo=functools.partial(self._detach, amphora),
            takes={"claimed": claimed},
            amphora=amphora,
        )

    def _attach(self, claimed: Claimed, amphora: Amphora) -> Json | None:
        """Attach a port, and return it if it was this call that attached it."""
        attached = self.cloud.compute.attach(amphora.compute_id or "", claimed)
        return claimed.port if attached else None

    def _detach(self, amphora: Amphora, port: Json | None) -> None:
        if port:
            self.cloud.compute.unattach(amphora.compute_id or "", port)
