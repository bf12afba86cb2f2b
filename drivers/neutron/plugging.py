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
from collections.abc import Sequence

from taskflow.task import FunctorTask

from networker.drivers import naming, rules
from networker.drivers.flow import step, undoing
from networker.drivers.neutron import security_groups, translate, vrrp
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.ports import Claimed, difference
from networker.drivers.neutron.security_groups import Change
from networker.drivers.neutron.translate import Json
from networker.drivers.vip import allocated
from networker.models import VIP, Amphora, LoadBalancer


def plug(cloud: Cloud, load_balancer: LoadBalancer, vip: VIP) -> list[Amphora]:
    """Do what :meth:`NetworkDriver.plug_vip` says."""
    return _Plugging(cloud, load_balancer, vip, allocated(load_balancer)).run()


@dataclasses.dataclass(frozen=True)
class _Ground:
    """What the VRRP ports are built on.

    :param vip: with everything that its port tells
    :param port: the VIP's port
    :param group: the load balancer's security group
    :param made: whether this call made the group
    :param plugged: ports that the servers of the amphorae have already
    """

    vip: VIP
    port: Json
    group: Json
    made: bool
    plugged: Sequence[Json]


@dataclasses.dataclass(frozen=True)
class _Update:
    """A port that was changed.

    :param before: the attributes that were changed, as they were
    :param after: the whole port
    """

    before: Json
    after: Json


@dataclasses.dataclass(frozen=True)
class _Plugging:
    """One call, as steps."""

    cloud: Cloud
    load_balancer: LoadBalancer
    vip: VIP
    amphorae: Sequence[Amphora]

    def run(self) -> list[Amphora]:
        """Run all steps, and return the amphorae with what is known of their ports."""
        # A wrong CIDR is refused before anything is asked of the cloud.
        rules.wanted(self.load_balancer, self.vip)
        ground = step(
            self._ground, name="group", provides="ground", undo=self._unground
        )
        change = step(self._change, name="rules", undo=self.cloud.groups.undo)
        done = self.cloud.flows.run(
            "plug_vip",
            self._looks(),
            [ground],
            [change, *self._claims()],
            [self._settlement(), *self._attaches()],
        )
        now = {update.after["id"]: update.after for update in done["updates"]}
        ports = [done[vrrp.key(amphora)].port for amphora in self.amphorae]
        return [
            vrrp.filled(amphora, done["ground"].vip, now.get(port["id"], port))
            for amphora, port in zip(self.amphorae, ports, strict=True)
        ]

    def _looks(self) -> list[FunctorTask]:
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
    ) -> _Ground:
        port_id, owner = self.vip.port_id or "", self.load_balancer.id or ""
        found = {port["id"]: port for port in ports}
        port = users_port or found.pop(port_id, None) or self.cloud.ports.get(port_id)
        vip = translate.vip(self.vip, port, owner)
        plugged = [p for p in found.values() if p["network_id"] == vip.network_id]
        group = security_groups.choose(groups, [port, *plugged])
        made = group is None
        group = group or self.cloud.groups.create(owner)
        return _Ground(vip, port, group, made=made, plugged=plugged)

    def _unground(self, ground: _Ground) -> None:
        if ground.made:
            self.cloud.groups.delete_unused(ground.group["id"])

    def _change(self, ground: _Ground) -> Change:
        wanted = rules.wanted(self.load_balancer, ground.vip)
        change = self.cloud.groups.change(ground.group, wanted)
        # The rules of a group go with it.
        return Change([], []) if ground.made else change

    def _claims(self) -> list[FunctorTask]:
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

    def _claim(self, ground: _Ground, amphora: Amphora) -> Claimed:
        port = vrrp.reusable(ground.plugged, amphora)
        if port is not None:
            return Claimed(port, made=False)
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

    def _settlement(self) -> FunctorTask:
        keys = sorted(map(vrrp.key, self.amphorae))
        return step(
            self._settle,
            name="settle",
            provides="updates",
            undo=self._unsettle,
            takes={key: key for key in keys},
        )

    def _settle(self, ground: _Ground, **claims: Claimed) -> list[_Update]:
        """Put everything into one group, and return what was changed."""
        group = ground.group
        if claims:
            group = self._winner(ground, claims[min(claims)].port)
        wanted = vrrp.wanted(ground.vip, group["id"])
        groups = {"security_groups": wanted["security_groups"]}
        changes = [(ground.port, difference(ground.port, groups))]
        for port in (claimed.port for claimed in claims.values()):
            change = difference(port, wanted) | vrrp.address(port, ground.vip)
            changes.append((port, change))
        updates = self._apply([(port, change) for port, change in changes if change])
        if group["id"] == ground.group["id"]:
            return updates
        if ground.made:
            self.cloud.groups.delete_unused(ground.group["id"])
        # The ports are the other call's too, and are not to be taken from it again.
        return []

    def _apply(self, changes: Sequence[tuple[Json, Json]]) -> list[_Update]:
        updates = []
        with undoing("settle") as on_failure:
            for port, change in changes:
                before = {name: port[name] for name in change}
                # First, since a request whose answer is lost may have been done.
                on_failure(self.cloud.ports.update, port["id"], before)
                after = self.cloud.ports.update(port["id"], change)
                updates.append(_Update(before, after))
        return updates

    def _winner(self, ground: _Ground, first: Json) -> Json:
        """Return the group on which calls at once agree: that of the first port."""
        if ground.group["id"] in first["security_groups"]:
            return ground.group
        groups = self.cloud.groups.find(self.load_balancer.id or "")
        group = security_groups.choose(groups, [first])
        if group is None or not (
            ground.made or group["id"] in first["security_groups"]
        ):
            return ground.group
        self.cloud.groups.change(group, rules.wanted(self.load_balancer, ground.vip))
        return group

    def _unsettle(self, updates: Sequence[_Update]) -> None:
        for update in updates:
            self.cloud.ports.update(update.after["id"], update.before)

    def _attaches(self) -> list[FunctorTask]:
        return [
            step(
                self._attach,
                name=f"attach {amphora.id}",
                undo=self._detach,
                takes={"claimed": vrrp.key(amphora)},
                amphora=amphora,
            )
            for amphora in self.amphorae
        ]

    def _attach(self, claimed: Claimed, amphora: Amphora) -> Json | None:
        """Attach a port, and return it as it is then if it was not attached before."""
        compute_id = amphora.compute_id or ""
        if not self.cloud.compute.attach(compute_id, claimed.port):
            return None
        return claimed.port | {"device_id": compute_id}

    def _detach(self, attached: Json | None) -> None:
        if attached and self.cloud.compute.detach(attached):
            self.cloud.compute.wait([attached["id"]])
