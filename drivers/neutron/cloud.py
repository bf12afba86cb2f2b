# SPDX-License-Identifier: Apache-2.0
"""What the driver's operations work with, made once for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

from oslo_config import cfg

from networker.drivers.flow import Flows
from networker.drivers.neutron import each
from networker.drivers.neutron.adjusting import Adjusting
from networker.drivers.neutron.api import Api
from networker.drivers.neutron.compute import Compute
from networker.drivers.neutron.extensions import Extensions
from networker.drivers.neutron.group_rules import GroupRules
from networker.drivers.neutron.ports import Ports
from networker.drivers.neutron.security_groups import SecurityGroups
from networker.drivers.neutron.session import Session
from networker.drivers.neutron.translate import Json
from networker.exceptions import NetworkException, TimeoutException


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
        """Detach ports from their servers, and delete each that is detached.

        A port that can not be removed does not hold the others.

        :raises NetworkException: some were not removed; it names each of them
        """
        left = {_named(port): port for port in ports}
        detach = {a: partial(self.compute.detach, p) for a, p in left.items()}
        begun, refused = each.attempt(self.flows, f"{operation}: detach", detach)
        names = {left[about]["id"]: about for about in begun}
        waiting = [i for i, about in names.items() if begun[about]]
        ready = [i for i in names if i not in waiting]
        why: NetworkException = TimeoutException(
            orig_msg="still attached when the time was up"
        )
        failed: each.Errors = {}
        try:
            for ids in self.compute.detached(waiting, ready):
                calls = {names.pop(i): partial(self.ports.delete, i) for i in ids}
                failed |= each.attempt(self.flows, f"{operation}: delete", calls)[1]
        except NetworkException as error:
            why = error
        each.raise_all(refused, failed, dict.fromkeys(names.values(), why))

    def close(self) -> None:
        """Close connections and threads; a later operation opens new ones."""
        self.flows.close()
        self.session.close()


def _named(port: Json) -> str:
    server = f" of server {port['device_id']}" if port["device_id"] else ""
    return f"port {port['id']}{server}"
