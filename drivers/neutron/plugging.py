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
import functools
from collections.abc import Sequence

from networker.drivers import naming, rules
from networker.drivers.flow import Step, step
from networker.drivers.neutron import marks, security_groups, translate, vrrp
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.group_rules import Change
from networker.drivers.neutron.ports import Claimed
from networker.drivers.neutron.settling import Ground, Settled, Settlement
from networker.drivers.neutron.translate import Json
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
        ground = step(
            self._ground, name="group", provides="ground", undo=self._unground
        )
        change = step(self._change, name="rules", undo=self._unchange)
        done = self.cloud.flows.run(
            "plug_vip",
            self._looks(),
            [ground],
            [change, *self._claims()],
            [self._settlement(), *self._attaches()],
            timely=True,
        )
        settled: Settled = done["settled"]
        ports = [done[vrrp.key(amphora)].port for amphora in self.amphorae]
        return [
            vrrp.filled(
                amphora, done["ground"].vip, settled.after.get(port["id"], port)
            )
            for amphora, port in zip(self.amphorae, ports, strict=True)
        ]

    def _looks(self) -> list[Step]:
        owner = self.load_balancer.id or ""
        servers = [amphora.compute_id for amphora in self.amphorae]
        devices = [naming.vip_device(owner), *servers]
        find = self.cloud.groups.find
        return [
            step(
                self.cloud.ports.list, name="ports", provides="ports", device_id=devices
            ),
            step(find, name="groups", provides="groups", load_balancer_id=owner),
            step(self._users_port, name="the user's port", provides="users_port"),
        ]

    def _users_port(self) -> Json | None:
        # Ports that the driver made are found by their device, without this request.
        if self.vip.octavia_owned is not False:
            return None
        return self.cloud.ports.get(self.vip.port_id or "")

    def _ground(
        self, ports: Sequence[Json], groups: Sequence[Json], users_port: Json | None
    ) -> Ground:
        port_id, owner = self.vip.port_id or "", self.load_balancer.id or ""
        found = {port["id"]: port for port in ports}
        port = users_port or found.pop(port_id, None) or self.cloud.ports.get(port_id)
        vip = translate.vip(self.vip, port, owner)
        plugged = [p for p in found.values() if p["network_id"] == vip.network_id]
        group = security_groups.choose(groups, [port, *plugged])
        shared = group is not None and marks.is_recent(group)
        if group is not None and shared:
            group = self.cloud.groups.mark(group)
        made = group is None
        group = group or self.cloud.groups.create(owner)
        self.relied.add(group["id"])
        return Ground(vip, port, group, made=made, shared=shared, plugged=plugged)

    def _unground(self, ground: Ground) -> None:
        if ground.made:
            self.cloud.groups.delete_unused(ground.group["id"])

    def _change(self, ground: Ground) -> Change | None:
        wanted = rules.wanted(self.load_balancer, ground.vip)
        change = self.cloud.rules.change(ground.group, wanted)
        # The rules of a group go with it.
        return None if ground.made else change

    def _unchange(self, change: Change | None) -> None:
        if change:
            self.cloud.rules.undo(change)

    def _claims(self) -> list[Step]:
        return [
            step(
                self._claim,
                name=f"port of {amphora.id}",
                provides=vrrp.key(amphora),
                undo=self.cloud.ports.disclaim,
                amphora=amphora,
            )
            for amphora in self.amphorae
        ]

    def _claim(self, ground: Ground, amphora: Amphora) -> Claimed:
        port = vrrp.reusable(ground.plugged, amphora)
        ours = port is not None and port["name"].startswith(naming.VRRP)
        if port is not None and ours and marks.is_recent(port):
            port = self.cloud.ports.mark(port["id"])
        claimed = Claimed(port, made=False) if port else self._make(ground, amphora)
        self.relied.add(claimed.port["id"])
        return claimed

    def _make(self, ground: Ground, amphora: Amphora) -> Claimed:
        vip, amphora_id = ground.vip, amphora.id or ""
        network_id = vip.network_id or ""
        body: Json = {
            "name": naming.vrrp_port(amphora_id),
            "network_id": network_id,
            "device_owner": naming.OWNER,
            "fixed_ips": [{"subnet_id": vip.subnet_id}],
            **vrrp.wanted(vip, ground.group["id"]),
            # A port is made with groups of its own project only. The user's follow when
            # all is settled.
            "security_groups": [ground.group["id"]],
        }
        if vip.vnic_type != "normal":
            body["binding:vnic_type"] = vip.vnic_type
        owner = self.load_balancer.id or ""
        return self.cloud.ports.claim(body, "vrrp", owner, amphora_id, network_id)

    def _settlement(self) -> Step:
        keys = sorted(map(vrrp.key, self.amphorae))
        settlement = Settlement(self.cloud, self.load_balancer, self.relied)

        def settle(ground: Ground, **claims: Claimed) -> Settled:
            claimed = [claims[key] for key in keys]
            return settlement.settle(ground, claimed)

        return step(
            settle,
            name="settle",
            provides="settled",
            undo=settlement.undo,
            takes={key: key for key in keys},
        )

    def _attaches(self) -> list[Step]:
        return [
            step(
                self._attach,
                name=f"attach {amphora.id}",
                undo=functools.partial(self._detach, amphora),
                takes={"claimed": vrrp.key(amphora)},
                amphora=amphora,
            )
            for amphora in self.amphorae
        ]

    def _attach(self, claimed: Claimed, amphora: Amphora) -> Json | None:
        """Attach a port, and return it if it was this call that attached it."""
        attached = self.cloud.compute.attach(amphora.compute_id or "", claimed)
        return claimed.port if attached else None

    def _detach(self, amphora: Amphora, port: Json | None) -> None:
        if port:
            self.cloud.compute.unattach(amphora.compute_id or "", port)
