# SPDX-License-Identifier: Apache-2.0
"""What the driver's operations work with, made once for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from oslo_config import cfg

from networker.drivers.flow import Flows, step
from networker.drivers.neutron.adjusting import Adjusting
from networker.drivers.neutron.api import Api
from networker.drivers.neutron.compute import Compute
from networker.drivers.neutron.extensions import Extensions
from networker.drivers.neutron.group_rules import GroupRules
from networker.drivers.neutron.ports import Ports
from networker.drivers.neutron.security_groups import SecurityGroups
from networker.drivers.neutron.session import Session
from networker.drivers.neutron.translate import Json


@dataclasses.dataclass(frozen=True)
class Cloud:
    """Neutron, Nova, and how operations on them are run."""

    session: Session
    network: Api
    extensions: Extensions
    ports: Ports
    adjusting: Adjusting
    groups: SecurityGroups
    rules: GroupRules
    compute: Compute
    flows: Flows

    @classmethod
    def configured(cls, conf: cfg.ConfigOpts) -> Cloud:
        """Return the cloud that a configuration describes; nothing is opened yet."""
        session = Session(conf)
        network = Api(session, "network", conf)
        ports = Ports(network, conf)
        extensions = Extensions(network)
        groups = SecurityGroups(network, extensions)
        return cls(
            session=session,
            network=network,
            extensions=extensions,
            ports=ports,
            adjusting=Adjusting(ports),
            groups=groups,
            rules=GroupRules(groups),
            compute=Compute(Api(session, "compute", conf), ports, conf),
            flows=Flows(conf),
        )

    def remove(self, operation: str, ports: Sequence[Json]) -> None:
        """Detach ports from their servers, wait until all are detached, delete them.

        :raises Refused: the cloud refused, or some were not detached in time
        """
        results = self.flows.run(
            f"{operation}: detach",
            [
                step(
                    self.compute.detach,
                    name=f"detach port {port['id']}",
                    provides=port["id"],
                    port=port,
                )
                for port in ports
            ],
        )
        self.compute.wait([port["id"] for port in ports if results[port["id"]]])
        self.flows.run(
            f"{operation}: delete",
            [
                step(
                    self.ports.delete,
                    name=f"delete port {port['id']}",
                    port_id=port["id"],
                )
                for port in ports
            ],
        )

    def close(self) -> None:
        """Close connections and threads; a later operation opens new ones."""
        self.flows.close()
        self.session.close()
