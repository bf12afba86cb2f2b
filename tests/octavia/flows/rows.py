# SPDX-License-Identifier: Apache-2.0
"""What octavia-api does before it casts to a worker: rows, statuses, and the VIP's port.

Each function returns what octavia-api would send with the cast.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from octavia.api.drivers import utils as provider
from octavia.common import constants, data_models
from octavia.common import utils as octavia_utils
from octavia.db import api, prepare, repositories

from tests.octavia.flows.cloud import Cloud

Payload = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Member:
    """A member: an address on a subnet, by the subnet's name."""

    subnet: str
    address: str


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The load balancer that a user asks for.

    :param label: what it is called in reports
    :param subnets: names of the VIP's subnets, the first one's address being the VIP
    """

    label: str
    topology: str
    subnets: tuple[str, ...]
    members: tuple[Member, ...]


class Rows:
    """The database of Octavia, as its API uses it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._repos = repositories.Repositories()

    def load_balancer(self, lb_id: str) -> Any:
        """Return a load balancer with all that belongs to it."""
        with _session() as session:
            return self._repos.load_balancer.get(session, id=lb_id)

    def create_load_balancer(self, lb_id: str, wanted: Wanted) -> None:
        """Allocate a VIP, and write a load balancer with listeners, pool and members."""
        vip, more = self._allocate_vip(lb_id, wanted)
        row = prepare.create_load_balancer(
            {"id": lb_id, **self._common(wanted.label), "provider": "amphora"}
        )
        vip_row = {
            "ip_address": vip.ip_address,
            "port_id": vip.port_id,
            "network_id": vip.network_id,
            "subnet_id": vip.subnet_id,
            "octavia_owned": vip.octavia_owned,
            "vnic_type": constants.VNIC_TYPE_NORMAL,
        }
        more_rows = [
            {"subnet_id": one.subnet_id, "ip_address": one.ip_address} for one in more
        ]
        with _session() as session:
            self._repos.create_load_balancer_and_vip(
                session, {**row, "topology": wanted.topology}, vip_row, more_rows
            )
        pool_id = self._create_pool(lb_id, wanted)
        self._create_listeners(lb_id, pool_id)

    def create_members(self, lb_id: str, members: Iterable[Member]) -> list[Payload]:
        """Write members that are to be created."""
        self._lock(lb_id)
        (pool,) = self.load_balancer(lb_id).pools
        rows = [self._member_row(pool.id, member) for member in members]
        with _session() as session:
            for row in rows:
                self._repos.member.create(session, **row)
        return [self._member_payload(row["id"]) for row in rows]

    def delete_member(self, lb_id: str, member: Member) -> Payload:
        """Mark a member as to be deleted."""
        self._lock(lb_id)
        (row,) = self._members(lb_id, member)
        self._set(self._repos.member, row.id, constants.PENDING_DELETE)
        return self._member_payload(row.id)

    def keep_members(
        self, lb_id: str, kept: Sequence[Member]
    ) -> tuple[list[Payload], list[Payload]]:
        """Mark all members but these as to be deleted.

        :returns: those to be deleted, and those to be updated
        """
        self._lock(lb_id)
        (pool,) = self.load_balancer(lb_id).pools
        keep = {row.id for row in self._members(lb_id, *kept)}
        delete = {row.id for row in pool.members} - keep
        for row_id in delete:
            self._set(self._repos.member, row_id, constants.PENDING_DELETE)
        for row_id in keep:
            self._set(self._repos.member, row_id, constants.PENDING_UPDATE)
        deleted = [{"id": row_id, "pool_id": pool.id} for row_id in delete]
        return deleted, [{"id": row_id} for row_id in keep]

    def delete_listener(self, listener: Any) -> Payload:
        """Mark a listener as to be deleted."""
        self._lock(listener.load_balancer_id)
        self._set(self._repos.listener, listener.id, constants.PENDING_DELETE)
        found = provider.db_listener_to_provider_listener(listener, for_delete=True)
        return dict(found.to_dict())

    def delete_pool(self, pool: Any) -> Payload:
        """Mark a pool as to be deleted."""
        self._lock(pool.load_balancer_id)
        self._set(self._repos.pool, pool.id, constants.PENDING_DELETE)
        found = provider.db_pool_to_provider_pool(pool, for_delete=True)
        return dict(found.to_dict(recurse=True))

    def update_load_balancer(self, lb_id: str, **vip: Any) -> Payload:
        """Mark a load balancer as to be updated, and change its VIP.

        :returns: what it was before
        """
        before = self._payload(lb_id)
        self._lock(lb_id)
        if vip:
            with _session() as session:
                self._repos.vip.update(session, lb_id, **vip)
        return before

    def fail_over(self, lb_id: str) -> None:
        """Mark a load balancer as failing over, itself or an amphora of its."""
        with _session() as session:
            self._repos.load_balancer.set_status_for_failover(
                session, lb_id, constants.PENDING_UPDATE, raise_exception=True
            )

    def delete_load_balancer(self, lb_id: str) -> Payload:
        """Mark a load balancer as to be deleted."""
        with _session() as session:
            self._repos.load_balancer.test_and_set_provisioning_status(
                session, lb_id, constants.PENDING_DELETE, raise_exception=True
            )
        return self._payload(lb_id)

    def _allocate_vip(self, lb_id: str, wanted: Wanted) -> Any:
        network_id = self.cloud.networks["vip-net"]
        first, *others = (self.cloud.subnets[name] for name in wanted.subnets)
        stub = data_models.LoadBalancer(
            id=lb_id,
            project_id=self.cloud.projects["user"],
            vip=data_models.Vip(network_id=network_id, subnet_id=first, sg_ids=[]),
            additional_vips=[
                data_models.AdditionalVip(network_id=network_id, subnet_id=subnet_id)
                for subnet_id in others
            ],
        )
        return octavia_utils.get_network_driver().allocate_vip(stub)

    def _create_pool(self, lb_id: str, wanted: Wanted) -> str:
        pool = {
            **self._common("pool"),
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
            "tls_enabled": False,
        }
        row = prepare.create_pool(pool, lb_id)
        with _session() as session:
            self._repos.create_pool_on_load_balancer(session, row)
            for member in wanted.members:
                member_row = self._member_row(row["id"], member)
                self._repos.member.create(session, **member_row)
        return str(row["id"])

    def _create_listeners(self, lb_id: str, pool_id: str) -> None:
        http = {"protocol": "HTTP", "protocol_port": 80, "default_pool_id": pool_id}
        tcp = {
            "protocol": "TCP",
            "protocol_port": 443,
            "allowed_cidrs": ["10.0.0.0/8", "192.0.2.0/24"],
        }
        for listener in (http, tcp):
            row = prepare.create_listener(
                {**self._common("listener"), **listener}, lb_id
            )
            # One by one, since each has to find the peer ports of those before it.
            with _session() as session:
                self._repos.listener.create(session, **row)

    def _member_row(self, pool_id: str, member: Member) -> Payload:
        row = {
            **self._common("member"),
            "subnet_id": self.cloud.subnets[member.subnet],
            "ip_address": member.address,
            "protocol_port": 8080,
            "weight": 1,
            "vnic_type": constants.VNIC_TYPE_NORMAL,
        }
        return dict(prepare.create_member(row, pool_id))

    def _members(self, lb_id: str, *members: Member) -> list[Any]:
        addresses = {member.address for member in members}
        (pool,) = self.load_balancer(lb_id).pools
        return [row for row in pool.members if row.ip_address in addresses]

    def _common(self, name: str) -> Payload:
        project_id = self.cloud.projects["user"]
        return {"name": name, "project_id": project_id, "enabled": True}

    def _member_payload(self, member_id: str) -> Payload:
        with _session() as session:
            found = self._repos.member.get(session, id=member_id)
        return dict(provider.db_member_to_provider_member(found).to_dict())

    def _payload(self, lb_id: str) -> Payload:
        found = provider.db_loadbalancer_to_provider_loadbalancer(
            self.load_balancer(lb_id), for_delete=True
        )
        return dict(found.to_dict())

    def _lock(self, lb_id: str) -> None:
        with _session() as session:
            self._repos.load_balancer.test_and_set_provisioning_status(
                session, lb_id, constants.PENDING_UPDATE, raise_exception=True
            )

    @staticmethod
    def _set(repository: Any, row_id: str, status: str) -> None:
        with _session() as session:
            repository.update(session, row_id, provisioning_status=status)


@contextlib.contextmanager
def _session() -> Iterator[Any]:
    with api.session().begin() as session:
        yield session
