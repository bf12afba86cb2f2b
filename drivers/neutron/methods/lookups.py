# SPDX-License-Identifier: Apache-2.0
"""The methods of :class:`networker.drivers.interface.lookups.Lookups`."""

from __future__ import annotations

from networker import exceptions
from networker.drivers.neutron import availability, extensions, many, translate
from networker.drivers.neutron.errors import Refused, refused_as
from networker.drivers.neutron.methods.connected import Connected
from networker.drivers.neutron.translate import Json
from networker.models import (
    Network,
    NetworkIPAvailability,
    Port,
    QosPolicy,
    SecurityGroup,
    Subnet,
    UserContext,
)


class LookupMethods(Connected):
    """Questions that change nothing."""

    def get_network(
        self, network_id: str, context: UserContext | None = None
    ) -> Network:
        """Return a network."""
        with refused_as(exceptions.NetworkException, network_id=network_id):
            found = self._show(f"/networks/{network_id}", context)
        return translate.network(found["network"])

    def get_subnet(self, subnet_id: str, context: UserContext | None = None) -> Subnet:
        """Return a subnet."""
        with refused_as(exceptions.NetworkException, subnet_id=subnet_id):
            found = self._show(f"/subnets/{subnet_id}", context)
        return translate.subnet(found["subnet"])

    def get_port(self, port_id: str, context: UserContext | None = None) -> Port:
        """Return a port."""
        with refused_as(exceptions.NetworkException, port_id=port_id):
            found = self._show(f"/ports/{port_id}", context)
        return translate.port(found["port"])

    def get_networks(self, network_ids: list[str]) -> list[Network]:
        """Return several networks, asked for at once."""
        found = many.of(self._cloud, "networks", network_ids)
        return [translate.network(one) for one in found]

    def get_subnets(self, subnet_ids: list[str]) -> list[Subnet]:
        """Return several subnets, asked for at once."""
        found = many.of(self._cloud, "subnets", subnet_ids)
        return [translate.subnet(one) for one in found]

    def get_ports(self, port_ids: list[str]) -> list[Port]:
        """Return several ports, asked for at once."""
        found = many.of(self._cloud, "ports", port_ids)
        return [translate.port(one) for one in found]

    def get_network_by_name(self, network_name: str) -> Network:
        """Return the network with a name."""
        missing = exceptions.NetworkNotFound(f"there is no network {network_name!r}")
        return translate.network(self._first("networks", missing, name=network_name))

    def get_subnet_by_name(self, subnet_name: str) -> Subnet:
        """Return the subnet with a name."""
        missing = exceptions.SubnetNotFound(f"there is no subnet {subnet_name!r}")
        return translate.subnet(self._first("subnets", missing, name=subnet_name))

    def get_port_by_name(self, port_name: str) -> Port:
        """Return the port with a name."""
        missing = exceptions.PortNotFound(f"there is no port {port_name!r}")
        return translate.port(self._first("ports", missing, name=port_name))

    def get_port_by_net_id_device_id(self, network_id: str, device_id: str) -> Port:
        """Return a port that a device has on a network."""
        place = {"network_id": network_id, "device_id": device_id}
        text = f"device {device_id} has no port on network {network_id}"
        found = self._first("ports", exceptions.PortNotFound(text), **place)
        return translate.port(found)

    def get_security_group(self, sg_name: str) -> SecurityGroup | None:
        """Return the service's own security group with a name."""
        with refused_as(exceptions.NetworkException):
            found = self._cloud.groups.look(sg_name)
        if found is None:
            return None
        if not found:
            raise exceptions.SecurityGroupNotFound(security_group_id=sg_name)
        return translate.security_group(found[0])

    def get_security_group_by_id(
        self, sg_id: str, context: UserContext | None = None
    ) -> SecurityGroup:
        """Return a security group."""
        with refused_as(exceptions.NetworkException, security_group_id=sg_id):
            found = self._show(f"/security-groups/{sg_id}", context)
        return translate.security_group(found["security_group"])

    def get_qos_policy(
        self, qos_policy_id: str, context: UserContext | None = None
    ) -> QosPolicy:
        """Return a QoS policy."""
        with refused_as(exceptions.NetworkException, qos_policy_id=qos_policy_id):
            found = self._show(f"/qos/policies/{qos_policy_id}", context)
        return translate.qos_policy(found["policy"])

    def get_network_ip_availability(self, network: Network) -> NetworkIPAvailability:
        """Return how many addresses a network and its subnets have and use."""
        with refused_as(exceptions.NetworkException, network_id=network.id):
            return availability.of_network(self._cloud.network, network.id or "")

    def qos_enabled(self) -> bool:
        """Tell whether the cloud has QoS policies for ports."""
        with refused_as(exceptions.NetworkException):
            return self._cloud.extensions.has(extensions.QOS)

    def sec_grp_enabled(self) -> bool:
        """Tell whether the cloud has security groups."""
        with refused_as(exceptions.NetworkException):
            return self._cloud.extensions.has(extensions.SECURITY_GROUPS)

    def _show(self, path: str, context: UserContext | None) -> Json:
        token = context.auth_token if context else None
        if token is not None and not token.strip():
            raise Refused(orig_msg="the user's token is empty", orig_code=401)
        return self._cloud.network.get(path, token=token)

    def _first(self, kind: str, missing: exceptions.NotFound, **filters: str) -> Json:
        with refused_as(exceptions.NetworkException):
            found = self._cloud.network.list(f"/{kind}", **filters)
        if not found:
            raise missing
        return min(found, key=lambda one: str(one["id"]))
