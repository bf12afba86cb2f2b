# SPDX-License-Identifier: Apache-2.0
"""The worlds that the suite runs in: a sandbox, and a cloud with the lab's contents."""

from __future__ import annotations

import functools
import ipaddress
import os
from typing import Any

import openstack
import tenacity

from networker.drivers import naming, rules
from networker.drivers.rules import Rule
from networker.drivers.sandbox.driver import SandboxDriver
from networker.drivers.sandbox.records import ports, security_groups
from networker.drivers.sandbox.topology import project_id
from networker.models import FixedIP, Port, Subnet, UserContext
from networker.testing.contract.world import MARK, SMALL, Server, World

#: The cloud of OS_CLOUD for a user of the project of the load balancers.
CLOUD_USER = os.environ.get("OS_CLOUD_USER", "lab-demo")
_GROUPS = (naming.vip_device(MARK), f"users-{MARK}")


class SandboxWorld(World):
    """The state of a sandbox, seen through its back door.

    :param driver: its topology has a network ``small-net`` besides the packaged ones
    """

    def __init__(self, driver: SandboxDriver) -> None:
        super().__init__()
        self._door = door = driver.backdoor
        networks = {n.name: n for n in door.networks()}
        subnets = {s.name: s.id or "" for s in door.subnets()}
        self.vip_network_id = networks["vip-net"].id or ""
        self.project_id = networks["vip-net"].project_id or ""
        self.mgmt_network_id = networks["lb-mgmt-net"].id or ""
        self.mgmt_subnet_id = subnets["lb-mgmt-subnet"]
        self.vip_subnet_id = subnets["vip-subnet"]
        self.vip_subnet6_id = subnets["vip-subnet6"]
        self.member_network_ids = [networks[f"member-net-{i}"].id or "" for i in (1, 2)]
        self.member_subnet_ids = [subnets[f"member-subnet-{i}"] for i in ("1", "1b")]
        self.qos_policy_id = str(door.tables()["qos_policies"][0]["id"])
        self.servers = [self._server(s) for _, s in sorted(door.servers().items())]

    def _server(self, compute_id: str) -> Server:
        (port,) = self.ports(device_id=compute_id, network_id=self.mgmt_network_id)
        return Server(compute_id, port.fixed_ips[0].ip_address or "")

    def user_context(self) -> UserContext:
        return UserContext(
            auth_token=f"user-of:{self.project_id}", project_id=self.project_id
        )

    def ports(self, **filters: str) -> list[Port]:
        return self._door.ports(**filters)

    def rules(self, group_name: str) -> set[Rule] | None:
        group = self._door.security_groups().get(group_name)
        return group.rules if group else None

    def all_rules(self, group_name: str) -> list[str]:
        (group_id,) = self.group_ids(group_name)
        with self._door._database.read() as tx:
            return sorted(map(_text, security_groups.rules_of(tx, group_id)))

    def add_rule(self, group_name: str, **rule: Any) -> None:
        (group_id,) = self.group_ids(group_name)
        with self._door._database.write() as tx:
            security_groups.add_rule(tx, group_id, rule)

    def remove_rule(self, group_name: str, rule: Rule) -> None:
        (group_id,) = self.group_ids(group_name)
        with self._door._database.write() as tx:
            security_groups.reconcile(
                tx, group_id, (self.rules(group_name) or set()) - {rule}
            )

    def group_ids(self, group_name: str) -> list[str]:
        return [
            row["id"]
            for row in self._door.tables()["security_groups"]
            if (row["name"], row["project_id"]) == (group_name, project_id("service"))
        ]

    def groups_left(self) -> list[str]:
        names = [row["name"] for row in self._door.tables()["security_groups"]]
        return [name for name in names if name.startswith(_GROUPS)]

    def create_port(self, network_id: str, name: str, places: list[FixedIP]) -> Port:
        place = places[0] if places else FixedIP()
        return self._door.create_port(
            network_id,
            subnet_id=place.subnet_id,
            ip_address=place.ip_address,
            name=name,
        )

    def create_group(self, name: str, project: str) -> str:
        return self._door.create_security_group(name, project)

    def delete_group(self, group_id: str) -> None:
        self._door.delete_security_group(group_id)

    def delete_port(self, port_id: str) -> None:
        self._door.delete_port(port_id)

    def set_groups(self, port_id: str, group_ids: list[str]) -> None:
        with self._door._database.write() as tx:
            ports.set_groups(tx, port_id, group_ids)

    def occupy(self, port_id: str, compute_id: str) -> None:
        self._door.detach(port_id)  # a port of another device is refused
        self._door.attach(port_id, compute_id)

    def create_network(self, name: str) -> str:
        return self._door.create_network(name).id or ""

    def make_subnet(self, network_id: str, cidr: str, *, slaac: bool = False) -> str:
        return self._door.create_subnet(network_id, cidr).id or ""

    def delete_subnet(self, subnet_id: str) -> None:
        self._door.delete_subnet(subnet_id)

    def delete_network(self, network_id: str) -> None:
        self._door.delete_network(network_id)

    def small_subnet(self) -> Subnet:
        return next(s for s in self._door.subnets() if s.cidr == SMALL)

    def sweep(self) -> None:
        """Remove nothing: every run has a sandbox of its own."""


class CloudWorld(World):
    """A cloud, seen through openstacksdk with the same credentials.

    :param user: name of the same cloud for a user of the project of the load balancers;
        `cloud` with ``-demo`` after it if None
    """

    def __init__(self, cloud: str, user: str | None = None) -> None:
        super().__init__()
        connection = openstack.connect(cloud=cloud)
        self._user_name = user or f"{cloud}-demo"
        self.neutron, self._nova = connection.network, connection.compute
        networks = {n.name: n for n in self.neutron.networks()}
        subnets = {s.name: s.id for s in self.neutron.subnets()}
        self.vip_network_id = networks["vip-net"].id
        self.project_id = networks["vip-net"].project_id
        self.mgmt_network_id = networks["lb-mgmt-net"].id
        self.mgmt_subnet_id = subnets["lb-mgmt-subnet"]
        self.vip_subnet_id = subnets["vip-subnet"]
        self.vip_subnet6_id = subnets["vip-subnet6"]
        self.member_network_ids = [networks[f"member-net-{i}"].id for i in (1, 2)]
        self.member_subnet_ids = [subnets[f"member-subnet-{i}"] for i in ("1", "1b")]
        (self.qos_policy_id,) = [
            policy.id for policy in self.neutron.qos_policies(name="vip-qos")
        ]
        servers = sorted(self._nova.servers(name="^amphora-[0-9]+$"), key=_name)
        self.servers = [
            Server(server.id, server.addresses["lb-mgmt-net"][0]["addr"])
            for server in servers
        ]

    @functools.cached_property
    def user(self) -> Any:
        """A connection of the user's."""
        return openstack.connect(cloud=self._user_name)

    def user_context(self) -> UserContext:
        return UserContext(
            auth_token=self.user.auth_token, project_id=self.user.current_project_id
        )

    def ports(self, **filters: str) -> list[Port]:
        # Nova answers before the agent of a server's host has said that a port is up.
        found = _WIRED(lambda: list(self.neutron.ports(**filters)))
        return [_port(port) for port in found]

    def _group(self, name: str) -> Any:
        return next(self.neutron.security_groups(name=name), None)

    def rules(self, group_name: str) -> set[Rule] | None:
        group = self._group(group_name)
        if group is None:
            return None
        return {rule for rule in map(rules.read, group.security_group_rules) if rule}

    def all_rules(self, group_name: str) -> list[str]:
        return sorted(map(_text, self._group(group_name).security_group_rules))

    def add_rule(self, group_name: str, **rule: Any) -> None:
        group_id = self._group(group_name).id
        self.neutron.create_security_group_rule(security_group_id=group_id, **rule)

    def remove_rule(self, group_name: str, rule: Rule) -> None:
        for held in self._group(group_name).security_group_rules:
            if rules.read(held) == rule:
                self.neutron.delete_security_group_rule(held["id"])

    def group_ids(self, group_name: str) -> list[str]:
        return [g.id for g in self.neutron.security_groups(name=group_name)]

    def groups_left(self) -> list[str]:
        names = [group.name for group in self.neutron.security_groups()]
        return [name for name in names if name.startswith(_GROUPS)]

    def create_port(self, network_id: str, name: str, places: list[FixedIP]) -> Port:
        wanted = [
            {f: v for f in ("subnet_id", "ip_address") if (v := getattr(place, f))}
            for place in places
        ]
        body = {"fixed_ips": wanted} if wanted else {}
        return _port(
            self.user.network.create_port(network_id=network_id, name=name, **body)
        )

    def create_group(self, name: str, project: str) -> str:
        neutron = self.neutron if project == "service" else self.user.network
        return str(neutron.create_security_group(name=name).id)

    def delete_group(self, group_id: str) -> None:
        self.neutron.delete_security_group(group_id)
        if "user" in vars(self):
            self.user.network.delete_security_group(group_id)

    def delete_port(self, port_id: str) -> None:
        self.neutron.delete_port(port_id)

    def set_groups(self, port_id: str, group_ids: list[str]) -> None:
        self.user.network.update_port(port_id, security_groups=group_ids)

    def occupy(self, port_id: str, compute_id: str) -> None:
        self.neutron.update_port(
            port_id, device_id=compute_id, device_owner="compute:nova"
        )

    def create_network(self, name: str) -> str:
        return str(self.user.network.create_network(name=name).id)

    def make_subnet(self, network_id: str, cidr: str, *, slaac: bool = False) -> str:
        version = ipaddress.ip_network(cidr).version
        place = {"network_id": network_id, "cidr": cidr, "ip_version": version}
        mode = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"} if slaac else {}
        made = self.user.network.create_subnet(gateway_ip=None, **place, **mode)
        return str(made.id)

    def delete_subnet(self, subnet_id: str) -> None:
        self.user.network.delete_subnet(subnet_id)

    def delete_network(self, network_id: str) -> None:
        self.user.network.delete_network(network_id)

    def small_subnet(self) -> Subnet:
        return Subnet(id=self._small.id, network_id=self._small.network_id)

    @functools.cached_property
    def _small(self) -> Any:
        neutron = self.user.network
        network = neutron.create_network(name=f"small-{MARK}")
        place = {"network_id": network.id, "cidr": SMALL, "ip_version": 4}
        return neutron.create_subnet(name="small", gateway_ip=None, **place)

    def sweep(self) -> None:
        for port in list(self.neutron.ports()):
            if self.is_marked(port.name):
                self.neutron.delete_port(port)
        for neutron in (self.neutron, self.user.network):
            for group in list(neutron.security_groups()):
                if group.name.startswith(_GROUPS):
                    neutron.delete_security_group(group)
        for network in list(self.user.network.networks()):
            if network.name.startswith((f"small-{MARK}", f"net-{MARK}")):
                self.user.network.delete_network(network)
        vars(self).pop("_small", None)


def _name(server: Any) -> str:
    return str(server.name)


def _text(rule: Any) -> str:
    parts = ("direction", "ethertype", "protocol", "port_range_min", "remote_ip_prefix")
    text = " ".join(str(rule[part] or "any") for part in parts)
    return f"{text} inside" if rule["remote_group_id"] else text


def _as_they_are(state: tenacity.RetryCallState) -> Any:
    return state.outcome.result() if state.outcome else []


def _is_being_wired(port: Any) -> bool:
    bound = port.binding_vif_type not in (None, "unbound", "binding_failed")
    return bound and port.is_admin_state_up and port.status in ("DOWN", "BUILD")


#: Waits for ports that are bound to a host; those that stay down are returned as they are.
_WIRED = tenacity.Retrying(
    retry=tenacity.retry_if_result(lambda found: any(map(_is_being_wired, found))),
    wait=tenacity.wait_fixed(0.2),
    stop=tenacity.stop_after_delay(30),
    retry_error_callback=_as_they_are,
)


def _port(port: Any) -> Port:
    return Port(
        id=port.id,
        name=port.name,
        device_id=port.device_id,
        device_owner=port.device_owner,
        mac_address=port.mac_address,
        network_id=port.network_id,
        status=port.status,
        project_id=port.project_id,
        admin_state_up=port.is_admin_state_up,
        fixed_ips=[
            FixedIP(subnet_id=ip["subnet_id"], ip_address=ip["ip_address"])
            for ip in port.fixed_ips
        ],
        qos_policy_id=port.qos_policy_id,
        security_group_ids=list(port.security_group_ids or []),
        vnic_type=port.binding_vnic_type or "normal",
        allowed_addresses=[p["ip_address"] for p in port.allowed_address_pairs],
    )
