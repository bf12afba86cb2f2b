# SPDX-License-Identifier: Apache-2.0
"""The cloud as operations see it: services, resources, and how flows are run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

from oslo_config import cfg

from networker.drivers.flow import Errors, Flows, attempt, raise_all, task
from networker.drivers.neutron.api.answers import PortAnswer, RuleAnswer
from networker.drivers.neutron.api.extensions import Extensions
from networker.drivers.neutron.api.requests import Api
from networker.drivers.neutron.api.session import Session
from networker.drivers.neutron.resources.ports import Ports
from networker.drivers.neutron.resources.security_group_rules import GroupRules
from networker.drivers.neutron.resources.security_groups import SecurityGroups
from networker.drivers.neutron.resources.servers import Servers
from networker.exceptions import NetworkException, TimeoutException


@dataclasses.dataclass(frozen=True)
class Cloud:
    """Neutron, Nova, and how operations on them are run."""

    session: Session
    network: Api
    extensions: Extensions
    ports: Ports
    groups: SecurityGroups
    rules: GroupRules
    servers: Servers
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
            groups=groups,
            rules=GroupRules(groups),
            servers=Servers(Api(session, "compute", conf), ports, conf),
            flows=Flows(conf),
        )

    def remove(self, operation: str, ports: Sequence[PortAnswer]) -> None:
        """Detach ports from their servers, and delete each that is detached.

        A port that can not be removed does not hold the others.

        :raises NetworkException: some were not removed; it names each of them
        """
        left = {_named(port): port for port in ports}
        detach = {a: partial(self.servers.detach, p) for a, p in left.items()}
        begun, refused = attempt(self.flows, f"{operation}: detach", detach)
        names = {left[about]["id"]: about for about in begun}
        waiting = [i for i, about in names.items() if begun[about]]
        ready = [i for i in names if i not in waiting]
        why: NetworkException = TimeoutException(
            orig_msg="still attached when the time was up"
        )
        failed: Errors = {}
        try:
            for ids in self.servers.detached(waiting, ready):
                calls = {names.pop(i): partial(self.ports.delete, i) for i in ids}
                failed |= attempt(self.flows, f"{operation}: delete", calls)[1]
        except NetworkException as error:
            why = error
        raise_all(refused, failed, dict.fromkeys(names.values(), why))

    def remove_rules_at_once(
        self, remove: Callable[[RuleAnswer], object], surplus: Sequence[RuleAnswer]
    ) -> None:
        """Remove rules of a security group, all at the same time.

        :param remove: removes one
        """
        tasks = [
            task(remove, name=f"remove rule {rule['id']}", rule=rule)
            for rule in surplus
        ]
        self.flows.run("update_vip: remove rules", tasks)

    def close(self) -> None:
        """Close connections and threads; a later operation opens new ones."""
        self.flows.close()
        self.session.close()


def _named(port: PortAnswer) -> str:
    server = f" of server {port['device_id']}" if port["device_id"] else ""
    return f"port {port['id']}{server}"
