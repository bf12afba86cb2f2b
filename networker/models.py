# SPDX-License-Identifier: Apache-2.0
"""What the interface's arguments and results are made of.

Every model is a :class:`msgspec.Struct`: plain, mutable, compared by value, made with
keywords. The same classes are the wire schema: unknown fields are ignored and missing
ones take their default, so that two releases can talk; a value of the wrong type is
refused with the path to it (``$.load_balancer.amphorae[0].compute_id``).

Field names are those of the network driver interface's specification, and of Octavia's
data models where they grew later. Ids are the cloud's UUIDs as strings, addresses are
text as the cloud writes them, and ``None`` always means "not known" or "not wanted".
"""

from __future__ import annotations

import datetime
import ipaddress
from typing import Any

import msgspec

#: ``Amphora.status`` of an amphora that takes part in its load balancer.
ALLOCATED = "ALLOCATED"
#: ``LoadBalancer.topology`` of two amphorae that hold the VIP by VRRP (RFC 9568).
ACTIVE_STANDBY = "ACTIVE_STANDBY"
#: ``LoadBalancer.topology`` of one amphora.
SINGLE = "SINGLE"
#: ``provisioning_status`` of objects that are on their way out.
GOING = frozenset({"PENDING_DELETE", "DELETED"})


def same_address(one: str | None, other: str | None) -> bool:
    """Tell whether two texts name one IP address, which can be spelt in many ways.

    Texts that are no addresses (RFC 4291 section 2.2) are the same as nothing.
    """
    try:
        return ipaddress.ip_address(one or "") == ipaddress.ip_address(other or "")
    except ValueError:
        return False


class Model(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The base of all models: keyword-only, and silent about defaults on the wire."""


class Owned(Model):
    """A model of something that belongs to a project."""

    project_id: str | None = None

    @property
    def tenant_id(self) -> str | None:
        """The project's id under the name that the first interface used for it."""
        return self.project_id


class HostRoute(Model):
    """A route that a subnet gives to its hosts."""

    nexthop: str | None = None
    destination: str | None = None


class Subnet(Owned):
    """A range of addresses on a network."""

    id: str | None = None
    name: str | None = None
    network_id: str | None = None
    gateway_ip: str | None = None
    cidr: str | None = None
    #: 4 or 6.
    ip_version: int | None = None
    host_routes: list[HostRoute] = []


class Network(Owned):
    """A layer-2 segment that servers can be plugged into."""

    id: str | None = None
    name: str | None = None
    #: Ids of its subnets.
    subnets: list[str] = []
    admin_state_up: bool | None = None
    provider_network_type: str | None = None
    provider_physical_network: str | None = None
    provider_segmentation_id: int | None = None
    router_external: bool | None = None
    #: Bytes.
    mtu: int | None = None
    port_security_enabled: bool | None = None


class FixedIP(Model):
    """An address that a port holds."""

    subnet_id: str | None = None
    ip_address: str | None = None
    subnet: Subnet | None = None


class Port(Owned):
    """A place on a network where a device is plugged in."""

    id: str | None = None
    name: str | None = None
    #: Id of the server that uses it, or ``lb-<id>`` for a VIP's port.
    device_id: str | None = None
    device_owner: str | None = None
    mac_address: str | None = None
    network_id: str | None = None
    #: ``ACTIVE``, ``DOWN``, ``BUILD`` or ``ERROR``.
    status: str | None = None
    admin_state_up: bool | None = None
    fixed_ips: list[FixedIP] = []
    network: Network | None = None
    qos_policy_id: str | None = None
    security_group_ids: list[str] = []
    vnic_type: str = "normal"
    #: Addresses that it may send from besides its own (allowed address pairs).
    allowed_addresses: list[str] = []

    def get_subnet_id(self, ip_address: str) -> str | None:
        """Return the id of the subnet from which the port has `ip_address`, or None."""
        for fixed_ip in self.fixed_ips:
            if same_address(fixed_ip.ip_address, ip_address):
                return fixed_ip.subnet_id
        return None


class QosPolicy(Owned):
    """A policy for the quality of service of ports."""

    id: str | None = None
    name: str | None = None


class SecurityGroup(Owned):
    """A set of rules for what ports let in and out."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    security_group_rule_ids: list[str] = []
    tags: list[str] = []
    stateful: bool | None = None


class SubnetIPAvailability(Model):
    """How many addresses a subnet has."""

    subnet_id: str | None = None
    subnet_name: str | None = None
    cidr: str | None = None
    #: 4 or 6.
    ip_version: int | None = None
    #: Addresses in its allocation pools; of an IPv6 subnet more than 64 bits can count.
    total_ips: int | None = None
    used_ips: int | None = None


class NetworkIPAvailability(Owned):
    """How many addresses a network has."""

    network_id: str | None = None
    network_name: str | None = None
    total_ips: int | None = None
    used_ips: int | None = None
    subnet_ip_availability: list[SubnetIPAvailability] = []


class UserContext(Model):
    """A user on whose behalf something is looked up.

    The token is a secret: it is not shown where the model is printed, and crosses the bus
    sealed only (:mod:`networker.rpc.tokens`).
    """

    #: The user's token, as the identity service issued it.
    auth_token: str
    user_id: str | None = None
    project_id: str | None = None

    def __repr__(self) -> str:
        return f"UserContext(user_id={self.user_id!r}, project_id={self.project_id!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("user_id", self.user_id), ("project_id", self.project_id)]


class AdditionalVIP(Model):
    """A further address of a load balancer, on the port of its VIP."""

    load_balancer_id: str | None = None
    ip_address: str | None = None
    subnet_id: str | None = None
    network_id: str | None = None
    port_id: str | None = None


class VIP(Model):
    """The virtual IP of a load balancer: what its users connect to."""

    load_balancer_id: str | None = None
    ip_address: str | None = None
    subnet_id: str | None = None
    network_id: str | None = None
    #: The port that reserves the address.
    port_id: str | None = None
    qos_policy_id: str | None = None
    #: True where the driver made the port, False where a user brought it.
    octavia_owned: bool | None = None
    vnic_type: str = "normal"
    #: Security groups that the user wants instead of the listeners' rules.
    sg_ids: list[str] = []
    #: Its other addresses, in the order wanted.
    additional: list[AdditionalVIP] = []


class Listener(Model):
    """A protocol port that a load balancer listens on."""

    id: str | None = None
    load_balancer_id: str | None = None
    #: ``TCP``, ``HTTP``, ``HTTPS``, ``TERMINATED_HTTPS``, ``PROMETHEUS``,
    #: ``UDP`` or ``SCTP``, spelt so; None counts as TCP.
    protocol: str | None = None
    protocol_port: int | None = None
    #: TCP port on which the amphorae synchronize this listener's tables.
    peer_port: int | None = None
    provisioning_status: str | None = None
    #: CIDRs that may connect; empty means everybody.
    allowed_cidrs: list[str] = []


class Amphora(Model):
    """A server that carries a load balancer's traffic."""

    id: str | None = None
    load_balancer_id: str | None = None
    #: Its id in the compute service.
    compute_id: str | None = None
    #: ``ALLOCATED``, ``BOOTING``, ``DELETED``, ...; None counts as ALLOCATED.
    status: str | None = None
    #: Its address on the management network, whose port is never touched.
    lb_network_ip: str | None = None
    #: Its own address on the VIP's network, between which VRRP runs.
    vrrp_ip: str | None = None
    #: The VIP's address.
    ha_ip: str | None = None
    vrrp_port_id: str | None = None
    ha_port_id: str | None = None
    role: str | None = None
    vrrp_interface: str | None = None
    vrrp_id: int | None = None
    vrrp_priority: int | None = None
    cert_expiration: datetime.datetime | None = None
    cert_busy: bool | None = None
    cached_zone: str | None = None
    image_id: str | None = None
    compute_flavor: str | None = None
    created_at: datetime.datetime | None = None
    updated_at: datetime.datetime | None = None


class LoadBalancer(Owned):
    """A load balancer, as much of it as the network side needs."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    provisioning_status: str | None = None
    operating_status: str | None = None
    enabled: bool | None = None
    #: ``SINGLE`` or ``ACTIVE_STANDBY``.
    topology: str | None = None
    vip: VIP | None = None
    listeners: list[Listener] = []
    amphorae: list[Amphora] = []
    server_group_id: str | None = None
    provider: str | None = None
    flavor_id: str | None = None
    availability_zone: str | None = None
    tags: list[str] = []


class Interface(Model):
    """A server's connection to a network."""

    #: The port's id, as `port_id`.
    id: str | None = None
    compute_id: str | None = None
    amphora_id: str | None = None
    network_id: str | None = None
    #: The subnet of its first fixed IP.
    subnet_id: str | None = None
    port_id: str | None = None
    fixed_ips: list[FixedIP] = []
    vnic_type: str | None = None


class SubnetOfPort(Model):
    """A subnet that a Delta adds to a port, or takes from it."""

    subnet_id: str | None = None
    network_id: str | None = None
    port_id: str | None = None


class Delta(Model):
    """What has to change in an amphora's plugging."""

    amphora_id: str | None = None
    compute_id: str | None = None
    add_nics: list[Interface] = []
    delete_nics: list[Interface] = []
    add_subnets: list[SubnetOfPort] = []
    delete_subnets: list[SubnetOfPort] = []


class AdditionalVIPData(Model):
    """A further address of a load balancer with its subnet."""

    ip_address: str | None = None
    subnet: Subnet | None = None


class AmphoraNetworkConfig(Model):
    """Everything that an amphora has to know of its network."""

    amphora: Amphora | None = None
    vip_subnet: Subnet | None = None
    vip_port: Port | None = None
    vrrp_subnet: Subnet | None = None
    vrrp_port: Port | None = None
    ha_subnet: Subnet | None = None
    ha_port: Port | None = None
    additional_vip_data: list[AdditionalVIPData] = []
