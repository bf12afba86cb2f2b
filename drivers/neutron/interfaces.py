# SPDX-License-Identifier: Apache-2.0
"""Servers plugged into networks, and made ready for failover."""

from __future__ import annotations

import dataclasses
import functools

from networker import exceptions
from networker.drivers import naming
from networker.drivers.flow import step
from networker.drivers.neutron import marks, translate
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.errors import Refused
from networker.drivers.neutron.ports import Claimed
from networker.drivers.neutron.releasing import release
from networker.drivers.neutron.translate import Json
from networker.models import Amphora, Interface


@dataclasses.dataclass(frozen=True)
class Interfaces:
    """The interfaces of a cloud's servers."""

    cloud: Cloud

    def plug(
        self, compute_id: str, network_id: str, ip_address: str | None
    ) -> Interface:
        """Do what :meth:`NetworkDriver.plug_network` says."""
        address = translate.canonical(ip_address) if ip_address else ""
        body: Json = {
            "name": naming.member_port(compute_id),
            "network_id": network_id,
            "device_owner": naming.OWNER,
        }
        if address:
            body["fixed_ips"] = [{"ip_address": address}]
        port = marks.insist(functools.partial(self._plug, compute_id, body, address))
        return translate.interface(port, compute_id)

    def _plug(
        self, compute_id: str, body: Json, address: str, relied: set[str]
    ) -> Json:
        ports, compute = self.cloud.ports, self.cloud.compute

        def claim() -> Claimed:
            place = body["network_id"]
            claimed = ports.claim(body, "member", compute_id, place, address)
            relied.add(claimed.port["id"])
            return claimed

        def attach(claimed: Claimed) -> Json | None:
            return claimed.port if compute.attach(compute_id, claimed) else None

        def detach(port: Json | None) -> None:
            if port:
                compute.unattach(compute_id, port)

        done = self.cloud.flows.run(
            "plug_network",
            [step(claim, name="port", provides="claimed", undo=ports.disclaim)],
            [step(attach, name="attach", undo=detach)],
            timely=True,
        )
        port: Json = done["claimed"].port
        return port

    def unplug(self, compute_id: str, network_id: str, ip_address: str | None) -> None:
        """Do what :meth:`NetworkDriver.unplug_network` says."""
        address = translate.canonical(ip_address) if ip_address else None
        name = naming.member_port(compute_id)
        # By name, since a port that was not attached yet has no device.
        found = self.cloud.ports.list(name=name, network_id=network_id)
        ours = [port for port in found if port["device_id"] in ("", compute_id)]
        if not ours:
            found = self.cloud.ports.list(device_id=compute_id, network_id=network_id)
            ours = [port for port in found if port["name"].startswith(naming.OURS)]
        if address:
            found = [port for port in found if translate.holds(port, address)]
            ours = [port for port in ours if translate.holds(port, address)]
        if ours:
            self.cloud.remove("unplug_network", ours)
        elif found:
            raise Refused(
                orig_msg=f"port {found[0]['id']} was not plugged through this interface"
            )
        else:
            self._require(compute_id, network_id)

    def _require(self, compute_id: str, network_id: str) -> None:
        """Make sure that server and network exist."""
        network = f"/networks/{network_id}"
        self.cloud.flows.run(
            "unplug_network: nothing is plugged",
            [
                step(self.cloud.network.get, name="network", path=network),
                step(self.cloud.compute.require, name="server", compute_id=compute_id),
            ],
        )

    def plugged(self, compute_id: str) -> list[Interface]:
        """Do what :meth:`NetworkDriver.get_plugged_networks` says."""
        found = self.cloud.ports.list(device_id=compute_id)
        if not found:
            self.cloud.compute.require(compute_id)
        return [translate.interface(port, compute_id) for port in found]

    def release(self, amphora: Amphora) -> None:
        """Do what :meth:`NetworkDriver.failover_preparation` says."""
        compute_id = amphora.compute_id or ""
        found = self.cloud.ports.list(device_id=compute_id)
        if not found:
            raise exceptions.PortNotFound(f"server {compute_id} has no port")
        if not amphora.lb_network_ip:
            # The management port could not be told from the others.
            raise exceptions.InvalidRequest(
                "failover_preparation: amphora.lb_network_ip must not be empty",
                method="failover_preparation",
            )
        release(
            self.cloud, compute_id, translate.canonical(amphora.lb_network_ip), found
        )
