# SPDX-License-Identifier: Apache-2.0
"""The neutron driver: OpenStack's own network and compute services."""

from __future__ import annotations

from collections.abc import Sequence

from oslo_config import cfg
from typing_extensions import override

from networker import exceptions
from networker.drivers.base import NetworkDriver
from networker.drivers.neutron.api import extensions, options, session, translation
from networker.drivers.neutron.api.errors import Refused
from networker.drivers.neutron.api.session import CloudRefused
from networker.drivers.neutron.operations import (
    allocate_vip,
    apply_delta,
    create_port,
    deallocate_vip,
    failover_preparation,
    get_network_configs,
    get_plugged_networks,
    lookups,
    plug_aap_port,
    plug_fixed_ip,
    plug_network,
    plug_port,
    plug_vip,
    unplug_aap_port,
    unplug_fixed_ip,
    unplug_network,
    unplug_vip,
    update_aap_port_sg,
    update_vip,
    update_vip_sg,
)
from networker.drivers.neutron.resources.cloud import Cloud
from networker.exceptions import CloudUnavailable
from networker.models import (
    VIP,
    Amphora,
    AmphoraNetworkConfig,
    Delta,
    FixedIP,
    Interface,
    LoadBalancer,
    Network,
    NetworkIPAvailability,
    Port,
    QosPolicy,
    SecurityGroup,
    Subnet,
    UserContext,
)


class NeutronDriver(NetworkDriver):
    """A network that Neutron has, and servers that Nova has.

    It keeps no state but the session with the cloud, which the first request opens: an
    instance may be carried over a fork until then.

    A call that fails, or ends after its deadline, takes back what it did itself, as far as
    no other copy of it has come to rely on that (:mod:`.resources.ownership`), and as long
    as the request is still this worker's. What removes things (deallocate_vip, unplug_vip,
    unplug_aap_port, unplug_network, unplug_fixed_ip, delete_port) takes nothing back: what
    it has removed was to go, finishing late is harmless, and repeating it removes the rest.
    So do set_port_admin_state_up and apply_qos_on_port, which are one request. Two copies
    that fail both may leave what one of them made: so does a worker that is killed. It is
    adopted when the call is repeated, or removed by its inverse.

    :param conf: a configuration on which :func:`networker.conf.register` was called; its
        groups ``[neutron]`` and ``[nova]`` say where the cloud is
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options.register(conf)
        self.cloud = Cloud.configured(conf)

    def check(self) -> Sequence[str]:
        """Make sure that the cloud lets the driver in and that both services answer.

        :returns: roles that Neutron's default policies want and the user lacks
        :raises CloudRefused: it does not, or the configuration is incomplete; the message
            is one line and says why
        :raises CloudUnavailable: it did not answer within the time that a request has
        """
        self.cloud.session.check()
        try:
            self.cloud.network.get("/networks", limit=1, fields="id")
            self.cloud.servers.api.get("/servers", limit=1)
        except Refused as error:
            why = self.cloud.session.explain(error) or error.orig_msg
            raise CloudRefused(f"{self.cloud.session}: {why}") from error
        except CloudUnavailable as error:
            why = self.cloud.session.explain(error)
            if why is None:
                raise
            raise CloudRefused(f"{self.cloud.session}: {why}") from error
        return session.lacking_roles(self.cloud.network.roles())

    def describe(self) -> dict[str, str]:
        """Return the cloud, and the roles that the user has in it."""
        return {
            "cloud": self.cloud.session.place(),
            "roles": session.describe_roles(self.cloud.network.roles()),
        }

    def close(self) -> None:
        """Close connections and threads."""
        self.cloud.close()

    # A virtual IP, from its allocation to its end.

    @override
    def allocate_vip(self, load_balancer: LoadBalancer) -> VIP:
        return allocate_vip.run(self.cloud, load_balancer)

    @override
    def deallocate_vip(self, vip: VIP) -> None:
        deallocate_vip.run(self.cloud, vip)

    @override
    def plug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> list[Amphora]:
        return plug_vip.run(self.cloud, load_balancer, vip)

    @override
    def unplug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> None:
        unplug_vip.run(self.cloud, load_balancer, vip)

    @override
    def update_vip(self, load_balancer: LoadBalancer, for_delete: bool = False) -> None:
        update_vip.run(self.cloud, load_balancer, for_delete=for_delete)

    # The VIP on one amphora, and what the amphora has to know.

    @override
    def update_vip_sg(self, load_balancer: LoadBalancer, vip: VIP) -> str | None:
        return update_vip_sg.run(self.cloud, load_balancer, vip)

    @override
    def update_aap_port_sg(
        self, load_balancer: LoadBalancer, amphora: Amphora, vip: VIP
    ) -> None:
        update_aap_port_sg.run(self.cloud, load_balancer, amphora, vip)

    @override
    def plug_aap_port(
        self, load_balancer: LoadBalancer, vip: VIP, amphora: Amphora, subnet: Subnet
    ) -> Amphora:
        return plug_aap_port.run(self.cloud, load_balancer, vip, amphora, subnet)

    @override
    def unplug_aap_port(self, vip: VIP, amphora: Amphora, subnet: Subnet) -> None:
        unplug_aap_port.run(self.cloud, vip, amphora, subnet)

    @override
    def get_network_configs(
        self, load_balancer: LoadBalancer, amphora: Amphora | None = None
    ) -> dict[str, AmphoraNetworkConfig]:
        return get_network_configs.run(self.cloud, load_balancer, amphora)

    @override
    def failover_preparation(self, amphora: Amphora) -> None:
        failover_preparation.run(self.cloud, amphora)

    # Servers plugged into networks.

    @override
    def plug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> Interface:
        return plug_network.run(self.cloud, compute_id, network_id, ip_address)

    @override
    def unplug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> None:
        unplug_network.run(self.cloud, compute_id, network_id, ip_address)

    @override
    def get_plugged_networks(self, compute_id: str) -> list[Interface]:
        return get_plugged_networks.run(self.cloud, compute_id)

    @override
    def plug_port(self, amphora: Amphora, port: Port) -> Interface:
        return plug_port.run(self.cloud, amphora, port.id or "")

    @override
    def apply_delta(self, deltas: list[Delta]) -> list[Interface]:
        return apply_delta.run(self.cloud, deltas)

    # Ports made, changed and deleted one by one. Those that are one request take nothing
    # back: what the port was before is the caller's to know.

    @override
    def create_port(
        self,
        network_id: str,
        name: str | None = None,
        fixed_ips: list[FixedIP] | None = None,
        secondary_ips: list[str] | None = None,
        security_group_ids: list[str] | None = None,
        admin_state_up: bool = True,
        qos_policy_id: str | None = None,
        vnic_type: str = "normal",
    ) -> Port:
        wanted = create_port.Wanted(
            network_id=network_id,
            name=name or "",
            fixed_ips=fixed_ips or [],
            secondary_ips=secondary_ips or [],
            group_ids=security_group_ids or [],
            admin_state_up=admin_state_up,
            qos_policy_id=qos_policy_id,
            vnic_type=vnic_type,
        )
        return translation.port(create_port.run(self.cloud, wanted))

    @override
    def delete_port(self, port_id: str) -> None:
        self.cloud.ports.delete(port_id)

    @override
    def plug_fixed_ip(
        self, port_id: str, subnet_id: str, ip_address: str | None = None
    ) -> Port:
        port = plug_fixed_ip.run(self.cloud, port_id, subnet_id, ip_address)
        return translation.port(port)

    @override
    def unplug_fixed_ip(self, port_id: str, subnet_id: str) -> Port:
        return translation.port(unplug_fixed_ip.run(self.cloud, port_id, subnet_id))

    @override
    def set_port_admin_state_up(self, port_id: str, state: bool) -> None:
        self.cloud.ports.update(port_id, {"admin_state_up": state})

    @override
    def apply_qos_on_port(self, qos_id: str | None, port_id: str) -> None:
        self.cloud.ports.update(port_id, {"qos_policy_id": qos_id or None})

    # Questions that change nothing.

    @override
    def get_network(
        self, network_id: str, context: UserContext | None = None
    ) -> Network:
        found = lookups.show(self.cloud, f"/networks/{network_id}", context)
        return translation.network(found["network"])

    @override
    def get_subnet(self, subnet_id: str, context: UserContext | None = None) -> Subnet:
        found = lookups.show(self.cloud, f"/subnets/{subnet_id}", context)
        return translation.subnet(found["subnet"])

    @override
    def get_port(self, port_id: str, context: UserContext | None = None) -> Port:
        found = lookups.show(self.cloud, f"/ports/{port_id}", context)
        return translation.port(found["port"])

    @override
    def get_networks(self, network_ids: list[str]) -> list[Network]:
        found = lookups.several(self.cloud, "networks", network_ids)
        return [translation.network(one) for one in found]

    @override
    def get_subnets(self, subnet_ids: list[str]) -> list[Subnet]:
        found = lookups.several(self.cloud, "subnets", subnet_ids)
        return [translation.subnet(one) for one in found]

    @override
    def get_ports(self, port_ids: list[str]) -> list[Port]:
        found = lookups.several(self.cloud, "ports", port_ids)
        return [translation.port(one) for one in found]

    @override
    def get_network_by_name(self, network_name: str) -> Network:
        missing = exceptions.NetworkNotFound(f"there is no network {network_name!r}")
        found = lookups.first(self.cloud, "networks", missing, name=network_name)
        return translation.network(found)

    @override
    def get_subnet_by_name(self, subnet_name: str) -> Subnet:
        missing = exceptions.SubnetNotFound(f"there is no subnet {subnet_name!r}")
        found = lookups.first(self.cloud, "subnets", missing, name=subnet_name)
        return translation.subnet(found)

    @override
    def get_port_by_name(self, port_name: str) -> Port:
        missing = exceptions.PortNotFound(f"there is no port {port_name!r}")
        found = lookups.first(self.cloud, "ports", missing, name=port_name)
        return translation.port(found)

    @override
    def get_port_by_net_id_device_id(self, network_id: str, device_id: str) -> Port:
        text = f"device {device_id} has no port on network {network_id}"
        place = {"network_id": network_id, "device_id": device_id}
        missing = exceptions.PortNotFound(text)
        found = lookups.first(self.cloud, "ports", missing, **place)
        return translation.port(found)

    @override
    def get_security_group(self, sg_name: str) -> SecurityGroup | None:
        found = self.cloud.groups.look(sg_name)
        if found is None:
            return None
        if not found:
            raise exceptions.SecurityGroupNotFound(security_group_id=sg_name)
        return translation.security_group(found[0])

    @override
    def get_security_group_by_id(
        self, sg_id: str, context: UserContext | None = None
    ) -> SecurityGroup:
        found = lookups.show(self.cloud, f"/security-groups/{sg_id}", context)
        return translation.security_group(found["security_group"])

    @override
    def get_qos_policy(
        self, qos_policy_id: str, context: UserContext | None = None
    ) -> QosPolicy:
        found = lookups.show(self.cloud, f"/qos/policies/{qos_policy_id}", context)
        return translation.qos_policy(found["policy"])

    @override
    def get_network_ip_availability(self, network: Network) -> NetworkIPAvailability:
        return lookups.ip_availability(self.cloud.network, network.id or "")

    @override
    def qos_enabled(self) -> bool:
        return self.cloud.extensions.has(extensions.QOS)

    @override
    def sec_grp_enabled(self) -> bool:
        return self.cloud.extensions.has(extensions.SECURITY_GROUPS)
