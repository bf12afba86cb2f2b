# SPDX-License-Identifier: Apache-2.0
"""The neutron driver: OpenStack's own network and compute services."""

from __future__ import annotations

from oslo_config import cfg

from networker import exceptions
from networker.drivers.base import NetworkDriver
from networker.drivers.neutron import options, plugging, translate, unplugging
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.errors import Refused, refused_as
from networker.drivers.neutron.interfaces import Interfaces
from networker.drivers.neutron.session import CloudRefused
from networker.drivers.neutron.vips import Vips
from networker.models import (
    VIP,
    Amphora,
    Interface,
    LoadBalancer,
    Network,
    Port,
    Subnet,
)


class NeutronDriver(NetworkDriver):
    """A network that Neutron has, and servers that Nova has.

    It keeps no state but the session with the cloud, which the first request opens: an
    instance may be carried over a fork until then.

    A call that fails, or ends after its deadline, takes back what it did itself, as far as
    no other copy of it has come to rely on that (:mod:`.marks`), and as long as the request
    is still this worker's. deallocate_vip, unplug_vip and unplug_network take nothing back:
    what they have removed was to go, finishing late is harmless, and repeating them removes
    the rest. Two copies that fail both may leave what one of them made: so does a worker
    that is killed. It is adopted when the call is repeated, or removed by its inverse.

    :param conf: a configuration on which :func:`networker.conf.register` was called; its
        groups ``[neutron]`` and ``[nova]`` say where the cloud is
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options.register(conf)
        self._cloud = Cloud.configured(conf)
        self._vips = Vips(self._cloud)
        self._interfaces = Interfaces(self._cloud)

    def check(self) -> None:
        """Make sure that the cloud lets the driver in and that both services answer.

        :raises CloudRefused: it does not, or the configuration is incomplete; the message
            is one line and says why
        :raises CloudUnavailable: it did not answer within the time that a request has
        """
        self._cloud.session.connection()
        try:
            self._cloud.network.get("/networks", limit=1, fields="id")
            self._cloud.compute.api.get("/servers", limit=1)
        except Refused as error:
            raise CloudRefused(f"{self._cloud.session}: {error.orig_msg}") from error

    def close(self) -> None:
        """Close connections and threads."""
        self._cloud.close()

    def allocate_vip(self, load_balancer: LoadBalancer) -> VIP:
        """Reserve the virtual IP of a load balancer."""
        vip = _vip(load_balancer)
        about = {"port_id": vip.port_id, "ip_address": vip.ip_address}
        failure = exceptions.AllocateVIPException
        with refused_as(failure, load_balancer_id=load_balancer.id, **about):
            return self._vips.allocate(load_balancer, vip)

    def deallocate_vip(self, vip: VIP) -> None:
        """Remove everything that reserves a virtual IP."""
        about = {"load_balancer_id": vip.load_balancer_id, "port_id": vip.port_id}
        with refused_as(exceptions.DeallocateVIPException, **about):
            self._vips.deallocate(vip)

    def plug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> list[Amphora]:
        """Route the traffic of a VIP to the load balancer's amphorae."""
        about = {"load_balancer_id": load_balancer.id, "port_id": vip.port_id}
        with refused_as(exceptions.PlugVIPException, **about):
            return plugging.plug(self._cloud, load_balancer, vip)

    def unplug_vip(self, load_balancer: LoadBalancer, vip: VIP) -> None:
        """Stop routing the traffic of a VIP to the load balancer's amphorae."""
        about = {"load_balancer_id": load_balancer.id, "port_id": vip.port_id}
        with refused_as(exceptions.UnplugVIPException, **about):
            unplugging.unplug(self._cloud, load_balancer, vip)

    def plug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> Interface:
        """Connect a server to a network."""
        about = {"network_id": network_id, "ip_address": ip_address}
        failure = exceptions.PlugNetworkException
        with refused_as(failure, compute_id=compute_id, **about):
            return self._interfaces.plug(compute_id, network_id, ip_address)

    def unplug_network(
        self, compute_id: str, network_id: str, ip_address: str | None = None
    ) -> None:
        """Disconnect a server from a network."""
        about = {"network_id": network_id, "ip_address": ip_address}
        failure = exceptions.UnplugNetworkException
        with refused_as(failure, compute_id=compute_id, **about):
            self._interfaces.unplug(compute_id, network_id, ip_address)

    def get_plugged_networks(self, compute_id: str) -> list[Interface]:
        """Return the interfaces of a server, the management network's included."""
        with refused_as(exceptions.NetworkException):
            return self._interfaces.plugged(compute_id)

    def update_vip(self, load_balancer: LoadBalancer) -> None:
        """Bring the VIP's security group in line with the load balancer's listeners."""
        vip = _vip(load_balancer)
        about = {"load_balancer_id": load_balancer.id, "port_id": vip.port_id}
        with refused_as(exceptions.PlugVIPException, **about):
            unplugging.update(self._cloud, load_balancer, vip)

    def get_network(self, network_id: str) -> Network:
        """Return a network."""
        with refused_as(exceptions.NetworkException):
            found = self._cloud.network.get(f"/networks/{network_id}")
        return translate.network(found["network"])

    def get_subnet(self, subnet_id: str) -> Subnet:
        """Return a subnet."""
        with refused_as(exceptions.NetworkException):
            found = self._cloud.network.get(f"/subnets/{subnet_id}")
        return translate.subnet(found["subnet"])

    def get_port(self, port_id: str) -> Port:
        """Return a port."""
        with refused_as(exceptions.NetworkException):
            return translate.port(self._cloud.ports.get(port_id))

    def failover_preparation(self, amphora: Amphora) -> None:
        """Make an amphora's ports ready to outlive its server."""
        with refused_as(exceptions.NetworkException):
            self._interfaces.release(amphora)


def _vip(load_balancer: LoadBalancer) -> VIP:
    # The interface has refused a load balancer without one already.
    return load_balancer.vip or VIP()
