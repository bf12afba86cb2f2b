# SPDX-License-Identifier: Apache-2.0
"""Servers plugged into networks, and made ready for failover."""

from __future__ import annotations

import dataclasses

from networker import exceptions
from networker.drivers.delta import Gone, Nic
from networker.drivers.flow import step
from networker.drivers.neutron import nics, translate
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.releasing import release
from networker.drivers.neutron.revocable import Done
from networker.models import Amphora, FixedIP, Interface


@dataclasses.dataclass(frozen=True)
class Interfaces:
    """The interfaces of a cloud's servers."""

    cloud: Cloud

    def plug(
        self, compute_id: str, network_id: str, ip_address: str | None
    ) -> Interface:
        """Do what :meth:`NetworkDriver.plug_network` says."""
        places = [FixedIP(ip_address=ip_address)] if ip_address else []
        nic = Nic(compute_id, network_id, places)
        connect = step(
            nics.connect,
            name="plug",
            provides="done",
            undo=Done.take_back,
            cloud=self.cloud,
            nic=nic,
        )
        done = self.cloud.flows.run("plug_network", [connect], timely=True)
        return translate.interface(done["done"].port, compute_id)

    def unplug(self, compute_id: str, network_id: str, ip_address: str | None) -> None:
        """Do what :meth:`NetworkDriver.unplug_network` says."""
        address = translate.canonical(ip_address) if ip_address else None
        gone = Gone(compute_id, network_id, address=address)
        nics.remove(self.cloud, "unplug_network", nics.find(self.cloud, [gone]))

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
        release(self.cloud, amphora, found)
