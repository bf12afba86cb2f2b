# SPDX-License-Identifier: Apache-2.0
"""Octavia's network driver: its own interface, answered by networker's workers.

Names and defaults of the parameters are those of Octavia's ``AbstractNetworkDriver``,
whose documentation says what the methods do. What Octavia's callers rely on without its
interface saying so is done as Octavia's own neutron driver does it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from typing import Any

from octavia.network import base

from networker import exceptions
from networker.octavia import conversion, errors, results
from networker.octavia.lookups import Lookups

LOG = logging.getLogger(__name__)

#: More networks than a server can be on.
_MEMBER_NETWORKS = 64


class NetworkerDriver(Lookups):
    """A network driver for Octavia; it holds nothing, and any number may be made."""

    def allocate_vip(self, load_balancer: Any) -> tuple[Any, list[Any]]:
        """Reserve the addresses of a load balancer.

        :returns: its VIP and its additional VIPs
        """
        method = "allocate_vip"
        wanted = conversion.virtual_ip(method, load_balancer.vip, load_balancer)
        known = conversion.load_balancer(method, load_balancer)
        known.vip = wanted
        with errors.translated(method):
            try:
                vip = self._call(method, load_balancer=known)
            except exceptions.PortNotFound as error:
                # A failover has to repair it, whoever made it.
                LOG.warning("making the VIP's port anew: %s", errors.shown(error))
                wanted.port_id = None
                vip = self._call(method, load_balancer=known)
        return results.virtual_ips(vip, load_balancer)

    def deallocate_vip(self, vip: Any) -> None:
        """Remove what reserves a VIP, and ports that its amphorae have left."""
        balancer = conversion.read(vip, "load_balancer")
        known = conversion.virtual_ip("deallocate_vip", vip, balancer)
        known.load_balancer_id = known.load_balancer_id or conversion.read(
            balancer, "id"
        )
        for amphora in conversion.read(balancer, "amphorae") or ():
            if amphora.vrrp_port_id:
                self.delete_port(amphora.vrrp_port_id)
            self._delete_member_ports(amphora)
        self._ask("deallocate_vip", vip=known)

    def _delete_member_ports(self, amphora: Any) -> None:
        """Delete an amphora's ports on member networks.

        Octavia leaves them when a pool is deleted with its members in it.
        """
        name = f"octavia-lb-member-{amphora.id}"  # as Octavia's tasks call them
        with contextlib.suppress(exceptions.PortNotFound):
            for _ in range(_MEMBER_NETWORKS):
                port = self._call("get_port_by_name", port_name=name)
                if port.device_id not in (None, "", amphora.compute_id):
                    LOG.warning("port %s is server %s's", port.id, port.device_id)
                    return
                self.delete_port(port.id)

    def plug_vip(self, load_balancer: Any, vip: Any) -> list[Any]:
        """Plug a VIP into all amphorae of a load balancer.

        Octavia asked for it until 2023.

        :returns: the amphorae
        """
        known = conversion.both("plug_vip", load_balancer, vip, amphorae=True)
        plugged: list[Any] = results.octavia(self._ask("plug_vip", **known))
        return plugged

    def unplug_vip(self, load_balancer: Any, vip: Any) -> None:
        """Unplug a VIP from all amphorae of a load balancer."""
        known = conversion.both("unplug_vip", load_balancer, vip, amphorae=True)
        self._ask("unplug_vip", **known)

    def update_vip(self, load_balancer: Any, for_delete: bool = False) -> None:
        """Bring the VIP's security group in line with the listeners."""
        known = conversion.load_balancer("update_vip", load_balancer, vip=True)
        self._ask("update_vip", load_balancer=known, for_delete=for_delete)

    def update_vip_sg(self, load_balancer: Any, vip: Any) -> str | None:
        """Make the VIP's security group, and set it on the VIP's port.

        :returns: its id
        """
        known = conversion.both("update_vip_sg", load_balancer, vip)
        group_id: str | None = self._ask("update_vip_sg", **known)
        return group_id

    def update_aap_port_sg(self, load_balancer: Any, amphora: Any, vip: Any) -> None:
        """Set the VIP's security groups on an amphora's VRRP port, if it has one."""
        if not amphora.vrrp_port_id:
            return
        known = conversion.both("update_aap_port_sg", load_balancer, vip)
        known["amphora"] = conversion.amphora("update_aap_port_sg", amphora)
        with errors.translated("update_aap_port_sg"):
            try:
                self._call("update_aap_port_sg", **known)
            except exceptions.MissingVIPSecurityGroup as error:
                LOG.warning(
                    "left port %s as it is: %s",
                    amphora.vrrp_port_id,
                    errors.shown(error),
                )

    def plug_aap_port(
        self, load_balancer: Any, vip: Any, amphora: Any, subnet: Any
    ) -> Any:
        """Plug a VIP into one amphora.

        :returns: the amphora, with its VRRP port and addresses
        """
        known = conversion.both("plug_aap_port", load_balancer, vip)
        known["amphora"] = conversion.amphora("plug_aap_port", amphora)
        known["subnet"] = conversion.subnet(subnet)
        return results.octavia(self._ask("plug_aap_port", **known))

    def unplug_aap_port(self, vip: Any, amphora: Any, subnet: Any) -> None:
        """Unplug a VIP from one amphora; one that was never plugged is left alone."""
        where = conversion.subnet(subnet)
        who = conversion.amphora("unplug_aap_port", amphora)
        if not (who.id and where.network_id):
            LOG.debug("nothing is known of the VIP on amphora %s", who.id)
            return
        known = conversion.virtual_ip("unplug_aap_port", vip, None)
        self._ask("unplug_aap_port", vip=known, amphora=who, subnet=where)

    def failover_preparation(self, amphora: Any) -> None:
        """Make an amphora's ports ready to outlive its server."""
        known = conversion.amphora("failover_preparation", amphora)
        self._ask("failover_preparation", amphora=known)

    def plug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> Any:
        """Connect a server to a network; Octavia asked for it until 2024.

        :returns: the interface
        """
        made = self._ask(
            "plug_network",
            compute_id=compute_id,
            network_id=network_id,
            ip_address=ip_address,
        )
        return results.octavia(made)

    def unplug_network(self, compute_id: str, network_id: str) -> None:
        """Disconnect a server from a network.

        :raises octavia.network.base.NetworkNotFound: the server is not connected to any
        """
        if not compute_id:
            raise base.NetworkNotFound(f"There is no server to take from {network_id}")
        if network_id:
            self._ask("unplug_network", compute_id=compute_id, network_id=network_id)

    def plug_port(self, amphora: Any, port: Any) -> Any:
        """Attach a port to an amphora's server.

        :returns: the interface
        """
        who = conversion.amphora("plug_port", amphora)
        made = self._ask("plug_port", amphora=who, port=conversion.port(port))
        return results.octavia(made)

    def plug_fixed_ip(
        self, port_id: str, subnet_id: str, ip_address: str | None = None
    ) -> Any:
        """Give a port an address on a subnet.

        :returns: the port
        """
        made = self._ask(
            "plug_fixed_ip",
            port_id=port_id,
            subnet_id=subnet_id,
            ip_address=ip_address,
        )
        return results.octavia(made)

    def unplug_fixed_ip(self, port_id: str, subnet_id: str) -> Any:
        """Take from a port its addresses on a subnet.

        :returns: the port
        """
        made = self._ask("unplug_fixed_ip", port_id=port_id, subnet_id=subnet_id)
        return results.octavia(made)

    def create_port(
        self,
        network_id: str,
        name: str | None = None,
        fixed_ips: Iterable[Any] | None = (),
        secondary_ips: Iterable[str] | None = (),
        security_group_ids: Iterable[str] | None = (),
        admin_state_up: bool = True,
        qos_policy_id: str | None = None,
        vnic_type: str | None = "normal",
    ) -> Any:
        """Make a port; one of the same name on the same network is the same port.

        :returns: the port
        """
        made = self._ask(
            "create_port",
            network_id=network_id,
            name=name,
            fixed_ips=conversion.fixed_ips(fixed_ips),
            secondary_ips=list(secondary_ips or ()),
            security_group_ids=list(security_group_ids or ()),
            admin_state_up=admin_state_up,
            qos_policy_id=qos_policy_id,
            vnic_type=vnic_type or "normal",
        )
        return results.octavia(made)

    def delete_port(self, port_id: str) -> None:
        """Delete a port."""
        self._ask("delete_port", port_id=port_id)

    def set_port_admin_state_up(self, port_id: str, state: bool) -> None:
        """Let a port carry traffic, or not."""
        self._ask("set_port_admin_state_up", port_id=port_id, state=state)

    def admin_down_port(self, port_id: str) -> None:
        """Keep a port from carrying traffic; a task of Octavia's asks for it so."""
        self.set_port_admin_state_up(port_id, False)

    def apply_qos_on_port(self, qos_id: str | None, port_id: str) -> None:
        """Set the QoS policy of a port; None for none."""
        self._ask("apply_qos_on_port", qos_id=qos_id, port_id=port_id)
