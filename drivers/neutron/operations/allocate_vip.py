# SPDX-License-Identifier: Apache-2.0
"""Reserve the virtual IP of a load balancer: take over its port, or make it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from networker.context import require_time
from networker.drivers import naming
from networker.drivers.flow import OnFailure, task
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import Json, PortAnswer
from networker.drivers.neutron.api.errors import Refused
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.ownership import Claimed
from networker.drivers.neutron.resources.vip_group import refuse_others
from networker.drivers.vip import match
from networker.models import VIP, AdditionalVIP, LoadBalancer


def run(cloud: Cloud, load_balancer: LoadBalancer) -> VIP:
    """Reserve the virtual IP of a load balancer."""
    return _Allocation(cloud).run(load_balancer, load_balancer.vip or VIP())


@dataclasses.dataclass(frozen=True)
class _Allocation:
    """One call of allocate_vip."""

    cloud: Cloud

    def run(self, load_balancer: LoadBalancer, vip: VIP) -> VIP:
        """Take over the port that the VIP names, or make one."""
        owner = load_balancer.id or ""
        port = self._given(vip) if vip.port_id else None
        if port is not None:
            refuse_others(self.cloud, port, owner)
            if _is_vip_of(port, owner):
                # Another call that has moved it just now must not move it back.
                port = self.cloud.ports.rely_on_change(port)
        if (
            port
            and match(vip, translation.port(port)) is None
            and _is_vip_of(port, owner)
        ):
            return self._replaced(port, load_balancer, vip)
        if port is None:
            return self._claimed(load_balancer, vip)
        return translation.vip(vip, port, owner)

    def _given(self, vip: VIP) -> PortAnswer | None:
        """Return the port that a VIP names, None if it has to be made again."""
        port = self.cloud.ports.find(vip.port_id or "")
        if port is None and not vip.octavia_owned:
            text = f"Port {vip.port_id} could not be found."
            raise Refused(orig_msg=text, orig_code=404, kind="PortNotFound")
        return port

    def _replaced(self, port: PortAnswer, load_balancer: LoadBalancer, vip: VIP) -> VIP:
        """Reserve the wanted addresses instead of those that a port has."""
        wanted = _wanted(vip)
        network_id = vip.network_id or self._network_of(vip)
        if wanted and network_id == port["network_id"]:
            return self._moved(port, wanted, load_balancer, vip)
        # Its MAC address would be in the way of the new one's on the same network.
        first = network_id == port["network_id"]
        if first:
            self.cloud.ports.delete(port["id"])
        new = self._claimed(load_balancer, vip)
        if not first:
            self.cloud.ports.delete(port["id"])
        return new

    def _moved(
        self,
        port: PortAnswer,
        wanted: Sequence[Json],
        load_balancer: LoadBalancer,
        vip: VIP,
    ) -> VIP:
        ports = self.cloud.ports

        def change(now: PortAnswer) -> Json:
            fits = match(vip, translation.port(now)) is not None
            return {} if fits else {"fixed_ips": wanted}

        with OnFailure("allocate_vip") as on_failure:
            moved = ports.change(Claimed(port, made=False), change, on_failure)
            described = translation.vip(vip, moved.port, load_balancer.id or "")
            require_time()
        return described

    def _claimed(self, load_balancer: LoadBalancer, vip: VIP) -> VIP:
        body = self._body(load_balancer, vip)
        owner, network_id = load_balancer.id or "", body["network_id"]
        ports = self.cloud.ports

        def described(claimed: Claimed) -> VIP:
            # What does not fit is not left for a call that would find it later.
            return translation.vip(vip, claimed.port, owner)

        claim = task(
            lambda: ports.claim(body, "vip", owner, network_id),
            name="VIP port",
            revert=ports.disclaim,
        )
        describe = task(described, name="VIP", claimed=claim)
        run = self.cloud.flows.run
        return run("allocate_vip", [claim], [describe], timely=True)[describe]

    def _body(self, load_balancer: LoadBalancer, vip: VIP) -> Json:
        owner = load_balancer.id or ""
        network_id = vip.network_id or self._network_of(vip)
        body: Json = {
            "name": naming.vip_port(owner),
            "network_id": network_id,
            "device_id": naming.vip_device(owner),
            "device_owner": naming.OWNER,
            "admin_state_up": False,
        }
        optional = {
            "project_id": load_balancer.project_id,
            "fixed_ips": _wanted(vip),
            "security_groups": vip.sg_ids,
        }
        return body | {name: value for name, value in optional.items() if value}

    def _network_of(self, vip: VIP) -> str:
        if not vip.subnet_id:
            raise Refused(
                orig_msg="load_balancer.vip names neither a port_id, a subnet_id "
                "nor a network_id"
            )
        subnet = self.cloud.network.get(f"/subnets/{vip.subnet_id}")["subnet"]
        return str(subnet["network_id"])


def _wanted(vip: VIP) -> list[dict[str, str]]:
    """Return the addresses to ask for; none where the network may choose them all."""
    places: list[VIP | AdditionalVIP] = [vip, *vip.additional]
    wanted = []
    for index, place in enumerate(places):
        asked = {"subnet_id": place.subnet_id, "ip_address": place.ip_address}
        wanted.append({name: value for name, value in asked.items() if value})
        if vip.additional and not wanted[-1]:
            which = f"vip.additional[{index - 1}]" if index else "vip"
            raise Refused(
                orig_msg=f"load_balancer.{which} names neither a subnet_id nor an "
                "ip_address"
            )
    return [place for place in wanted if place]


def _is_vip_of(port: PortAnswer, owner: str) -> bool:
    ours = naming.vip_device(owner), naming.OWNER
    return (port["device_id"], port["device_owner"]) == ours
