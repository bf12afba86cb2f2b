# SPDX-License-Identifier: Apache-2.0
"""The worlds that the suite runs in: a sandbox, and a cloud with the lab's contents."""

from __future__ import annotations

from typing import Any

import openstack

from networker.drivers import naming, rules
from networker.drivers.rules import Rule
from networker.drivers.sandbox.driver import SandboxDriver
from networker.models import FixedIP, Port
from tests.contract.world import MARK, Server, World


class SandboxWorld(World):
    """The state of a sandbox, seen through its back door."""

    def __init__(self, driver: SandboxDriver) -> None:
        self._driver = driver
        networks = {n.name: n for n in driver.networks()}
        subnets = {s.name: s.id for s in driver.subnets()}
        self.vip_network_id = networks["vip-net"].id or ""
        self.project_id = networks["vip-net"].project_id or ""
        self.mgmt_network_id = networks["lb-mgmt-net"].id or ""
        self.vip_subnet_id = subnets["vip-subnet"] or ""
        self.vip_subnet6_id = subnets["vip-subnet6"] or ""
        self.member_network_ids = [networks[f"member-net-{i}"].id or "" for i in (1, 2)]
        self.servers = [self._server(s) for _, s in sorted(driver.servers().items())]

    def _server(self, compute_id: str) -> Server:
        (port,) = self.ports(device_id=compute_id, network_id=self.mgmt_network_id)
        return Server(compute_id, port.fixed_ips[0].ip_address or "")

    def ports(self, **filters: str) -> list[Port]:
        return self._driver.ports(**filters)

    def rules(self, group_name: str) -> set[Rule] | None:
        group = self._driver.security_groups().get(group_name)
        return group.rules if group else None

    def group_ids(self, group_name: str) -> list[str]:
        group = self._driver.security_groups().get(group_name)
        return [group.id] if group else []

    def groups_left(self) -> list[str]:
        names = self._driver.security_groups()
        return [name for name in names if name.startswith(naming.vip_device(MARK))]

    def make_port(self, network_id: str, name: str, ip_address: str = "") -> Port:
        return self._driver.create_port(
            network_id, ip_address=ip_address or None, name=name
        )

    def make_group(self, name: str) -> str:
        return self._driver.create_security_group(name)

    def delete_group(self, group_id: str) -> None:
        self._driver.delete_security_group(group_id)

    def delete_port(self, port_id: str) -> None:
        self._driver.delete_port(port_id)

    def occupy(self, port_id: str, compute_id: str) -> None:
        self._driver.detach(port_id)  # a port of another device is refused
        self._driver.attach(port_id, compute_id)

    def sweep(self) -> None:
        """Remove nothing: every run has a sandbox of its own."""


class CloudWorld(World):
    """A cloud, seen through openstacksdk with the same credentials."""

    def __init__(self, cloud: str) -> None:
        connection = openstack.connect(cloud=cloud)
        self._neutron, self._nova = connection.network, connection.compute
        networks = {n.name: n for n in self._neutron.networks()}
        subnets = {s.name: s.id for s in self._neutron.subnets()}
        self.vip_network_id = networks["vip-net"].id
        self.project_id = networks["vip-net"].project_id
        self.mgmt_network_id = networks["lb-mgmt-net"].id
        self.vip_subnet_id = subnets["vip-subnet"]
        self.vip_subnet6_id = subnets["vip-subnet6"]
        self.member_network_ids = [networks[f"member-net-{i}"].id for i in (1, 2)]
        servers = sorted(self._nova.servers(name="^amphora-[0-9]+$"), key=_name)
        self.servers = [
            Server(server.id, server.addresses["lb-mgmt-net"][0]["addr"])
            for server in servers
        ]

    def ports(self, **filters: str) -> list[Port]:
        return [_port(port) for port in self._neutron.ports(**filters)]

    def rules(self, group_name: str) -> set[Rule] | None:
        for group in self._neutron.security_groups(name=group_name):
            known = map(rules.read, group.security_group_rules)
            return {rule for rule in known if rule}
        return None

    def group_ids(self, group_name: str) -> list[str]:
        return [g.id for g in self._neutron.security_groups(name=group_name)]

    def groups_left(self) -> list[str]:
        names = [group.name for group in self._neutron.security_groups()]
        return [name for name in names if name.startswith(naming.vip_device(MARK))]

    def make_port(self, network_id: str, name: str, ip_address: str = "") -> Port:
        fixed_ips = [{"ip_address": ip_address}] if ip_address else None
        body = {"fixed_ips": fixed_ips} if fixed_ips else {}
        return _port(
            self._neutron.create_port(network_id=network_id, name=name, **body)
        )

    def make_group(self, name: str) -> str:
        return str(self._neutron.create_security_group(name=name).id)

    def delete_group(self, group_id: str) -> None:
        self._neutron.delete_security_group(group_id)

    def delete_port(self, port_id: str) -> None:
        self._neutron.delete_port(port_id)

    def occupy(self, port_id: str, compute_id: str) -> None:
        self._neutron.update_port(
            port_id, device_id=compute_id, device_owner="compute:nova"
        )

    def sweep(self) -> None:
        members = {naming.member_port(server.compute_id) for server in self.servers}
        marked = (naming.OURS + MARK, naming.vrrp_port(MARK), f"stranger-{MARK}")
        for port in list(self._neutron.ports()):
            if port.name.startswith(marked) or port.name in members:
                self._neutron.delete_port(port)
        for group in list(self._neutron.security_groups()):
            if group.name.startswith(naming.vip_device(MARK)):
                self._neutron.delete_security_group(group)


def _name(server: Any) -> str:
    return str(server.name)


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
        security_group_ids=list(port.security_group_ids),
        vnic_type=port.binding_vnic_type or "normal",
        allowed_addresses=[p["ip_address"] for p in port.allowed_address_pairs],
    )
