# SPDX-License-Identifier: Apache-2.0
"""A VIP's traffic routed to amphorae: one call of plug_vip.

Neutron has nothing by which two calls at once could agree on one security group: names
are not unique, and the revision number that If-Match compares is read before the change,
so that both of two PUTs can pass. What it does keep unique is a MAC address on a network.
Therefore each call makes its group first and then the VRRP ports, already in that group;
whosever group is on the port of the first amphora has won, and the other call takes that
group and deletes its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from networker.drivers import naming, rules
from networker.drivers.flow import Step, step
from networker.drivers.neutron import marks, others, translate, vrrp
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.grounding import Ground, Grounding, look
from networker.drivers.neutron.group_rules import Change
from networker.drivers.neutron.ports import Claimed
from networker.drivers.neutron.settling import Settled, Settlement
from networker.drivers.neutron.translate import Json
from networker.drivers.neutron.vrrp_ports import VrrpPorts
from networker.drivers.vip import allocated
from networker.models import VIP, Amphora, LoadBalancer


def plug(cloud: Cloud, load_balancer: LoadBalancer, vip: VIP) -> list[Amphora]:
    """Do what :meth:`NetworkDriver.plug_vip` says."""
    amphorae = allocated(load_balancer)
    # A wrong CIDR is refused before anything is asked of the cloud.
    rules.wanted(load_balancer, vip)
    return marks.insist(
        lambda relied: _Plugging(cloud, load_balancer, vip, amphorae, relied).run()
    )


@dataclasses.dataclass(frozen=True)
class _Plugging:
    """One call, as steps.

    :param relied: ids of what it found or made
    """

    cloud: Cloud
    load_balancer: LoadBalancer
    vip: VIP
    amphorae: Sequence[Amphora]
    relied: set[str]

    def run(self) -> list[Amphora]:
        """Run all steps, and return the amphorae with what is known of their ports."""
        owner = self.load_balancer.id or ""
        grounding = Grounding(self.cloud, self.load_balancer, self.relied)
        found = self.cloud.flows.run("plug_vip: look", self._looks(owner))
        port = self._port(found["ports"], found["users_port"])
        vip = translate.vip(self.vip, port, owner)
        plugged = [one for one in found["ports"] if one["id"] != port["id"]]
        plugged = [one for one in plugged if one["network_id"] == vip.network_id]
        if found["groups"] is None:
            return self._without_groups(vip, port, plugged)
        ground = step(
            grounding.lay,
            name="ground",
            provides="ground",
            undo=grounding.undo,
            vip=vip,
            port=port,
            groups=found["groups"],
            plugged=plugged,
        )
        return self._on(ground)

    def _looks(self, owner: str) -> list[Step]:
        return [
            look(self.cloud, owner),
            step(self._near, name="ports", provides="ports"),
            step(self._users_port, name="the user's port", provides="users_port"),
        ]

    def _near(self) -> list[Json]:
        """Return the VIP's port, if the driver made it, and what may be the amphorae's."""
        device = naming.vip_device(self.load_balancer.id or "")
        devices, find = [device, *vrrp.devices(self.amphorae)], self.cloud.ports.list
        if self.vip.network_id:
            return find(network_id=self.vip.network_id, device_id=devices)
        names = [naming.vrrp_port(amphora.id or "") for amphora in self.amphorae]
        named = find(name=names) if names else []
        return named + find(device_id=[one for one in devices if one])

    def _users_port(self) -> Json | None:
        # Ports that the driver made are found by their device, without this request.
        if self.vip.octavia_owned is not False:
            return None
        return self.cloud.ports.get(self.vip.port_id or "")

    def _port(self, ports: Sequence[Json], users_port: Json | None) -> Json:
        found = {port["id"]: port for port in ports}
        port_id = self.vip.port_id or ""
        return users_port or found.get(port_id) or self.cloud.ports.get(port_id)

    def _on(self, ground: Step) -> list[Amphora]:
        fill = step(
            self._fill, name="rules", provides="rules", undo=self.cloud.rules.undo
        )
        attaches = [self._ports.attaching(a, vrrp.key(a)) for a in self.amphorae]
        settle, tidy = self._settlement()
        making, then = [fill, *self._claims(), settle], [tidy]
        # Nova, which takes longest, need not wait for the rules. But it changes ports, and
        # so does settling them where there are groups of the user's.
        (then if self.vip.sg_ids else making).extend(attaches)
        done = self.cloud.flows.run("plug_vip", [ground], making, then, timely=True)
        settled: Settled = done["settled"]
        ports = [done[vrrp.key(amphora)].port for amphora in self.amphorae]
        now = [settled.after.get(port["id"], port) for port in ports]
        return self._filled(done["ground"].vip, now)

    def _without_groups(
        self, vip: VIP, port: Json, plugged: Sequence[Json]
    ) -> list[Amphora]:
        """Plug the VIP on a cloud that has no security groups."""
        others.refuse(self.cloud, port, self.load_balancer.id or "")
        ground = {"vip": vip, "group_id": None}
        claims = [
            self._claim_step(one, self._ports.claim, plugged=plugged, **ground)
            for one in self.amphorae
        ]
        adjusts = [
            step(
                self._ports.adjust,
                name=f"adjust {one.id}",
                provides=f"now-{one.id}",
                undo=self.cloud.adjusting.put_back,
                takes={"claimed": vrrp.key(one)},
                **ground,
            )
            for one in self.amphorae
        ]
        attaches = [self._ports.attaching(a, f"now-{a.id}") for a in self.amphorae]
        steps = [*claims, *adjusts, *attaches]
        done = self.cloud.flows.run("plug_vip", steps, timely=True)
        return self._filled(vip, [done[f"now-{one.id}"].port for one in self.amphorae])

    def _filled(self, vip: VIP, ports: Sequence[Json]) -> list[Amphora]:
        pairs = zip(self.amphorae, ports, strict=True)
        return [vrrp.filled(amphora, vip, port) for amphora, port in pairs]

    @property
    def _ports(self) -> VrrpPorts:
        return VrrpPorts(self.cloud, self.load_balancer.id or "", self.relied)

    def _fill(self, ground: Ground) -> Change:
        wanted = rules.wanted(self.load_balancer, ground.vip)
        filled = ground.filled if ground.made else None
        return self.cloud.rules.change(ground.group, wanted, added=filled)

    def _claims(self) -> list[Step]:
        return [self._claim_step(one, self._claim) for one in self.amphorae]

    def _claim_step(
        self, amphora: Amphora, claim: Callable[..., Claimed], **given: Any
    ) -> Step:
        return step(
            claim,
            name=f"port of {amphora.id}",
            provides=vrrp.key(amphora),
            undo=self.cloud.ports.disclaim,
            amphora=amphora,
            **given,
        )

    def _claim(self, ground: Ground, amphora: Amphora) -> Claimed:
        group_id = str(ground.group["id"])
        return self._ports.claim(ground.vip, group_id, amphora, ground.plugged)

    def _settlement(self) -> tuple[Step, Step]:
        """Return the step that settles the group, and the one that tidies up after it."""
        settlement = Settlement(self.cloud, self.load_balancer, self.relied)
        keys = sorted(map(vrrp.key, self.amphorae))
        takes = {key: key for key in keys}

        # The rules are waited for: a group that has none yet must not win.
        def settle(ground: Ground, _rules: Change, **claims: Claimed) -> Settled:
            return settlement.settle(ground, [claims[key] for key in keys])

        def tidy(ground: Ground, settled: Settled, **claims: Claimed) -> None:
            settlement.tidy(ground, settled, [claims[key] for key in keys])

        settling = step(
            settle,
            name="settle",
            provides="settled",
            undo=settlement.undo,
            takes=takes | {"_rules": "rules"},
        )
        return settling, step(tidy, name="tidy", takes=takes)
