# SPDX-License-Identifier: Apache-2.0
"""The part of Octavia's network driver that changes nothing, and what all of it shares."""

from __future__ import annotations

from typing import Any, ClassVar

from octavia.network import base
from oslo_config import cfg

from networker import conf as networker_options
from networker import exceptions, rpc
from networker.octavia import conversion, errors, options, results
from networker.octavia.lookup_cache import LookupCache
from networker.octavia.process import PerProcess


def connect() -> rpc.Client:
    """Return a client for the bus that Octavia's configuration names."""
    options.register(cfg.CONF)
    return rpc.connect(networker_options.register(cfg.CONF))


def cache() -> LookupCache:
    """Return where the latest answers are kept."""
    options.register(cfg.CONF)
    return LookupCache()


class Lookups(base.AbstractNetworkDriver):  # type: ignore[misc]
    """What there is."""

    _clients: ClassVar[PerProcess[rpc.Client]] = PerProcess(connect)
    _cache: ClassVar[PerProcess[LookupCache]] = PerProcess(cache)

    def _call(self, method: str, **arguments: Any) -> Any:
        """Call a method of networker's interface.

        :raises networker.exceptions.NetworkException: it failed
        """
        try:
            client = self._clients.mine()
        except (ValueError, cfg.Error) as error:
            raise exceptions.InvalidRequest(
                f"Octavia's configuration: {error}"
            ) from error
        bound = client.with_options(
            timeout=options.timeout(cfg.CONF, method),
            pool_timeout=options.pool_timeout(cfg.CONF, method),
        )
        return getattr(bound, method)(**arguments)

    def _ask(self, method: str, **arguments: Any) -> Any:
        """Call a method of networker's interface.

        :raises octavia.network.base.NetworkException: it failed
        """
        with errors.translated(method):
            return self._call(method, **arguments)

    def _read(self, method: str, context: Any = None, **arguments: Any) -> Any:
        """Return Octavia's object for what a method returns.

        :param context: of the request to Octavia's API, if a user may see it only if the
            cloud shows it to them
        """
        user = None
        if context and not cfg.CONF.networking.allow_invisible_resource_usage:
            user = conversion.user(context)
        if user:
            arguments["context"] = user
        return results.octavia(self._ask(method, **arguments))

    def _look(self, method: str, context: Any, **ids: str) -> Any:
        """Return what :meth:`_read` returns, or has returned just now.

        With the context of a request it is always asked for: users see what they may see
        now, and what they have just changed.
        """
        known = self._cache.mine()
        seconds = options.lookup_cache(cfg.CONF)
        if context or not seconds:
            return self._read(method, context, **ids)
        key = method, *ids.values()
        found = known.get(key, seconds, lambda: self._ask(method, **ids))
        return results.octavia(found)

    def get_network(self, network_id: str, context: Any = None) -> Any:
        """Return a network."""
        return self._look("get_network", context, network_id=network_id)

    def get_subnet(self, subnet_id: str, context: Any = None) -> Any:
        """Return a subnet."""
        return self._look("get_subnet", context, subnet_id=subnet_id)

    def get_port(self, port_id: str, context: Any = None) -> Any:
        """Return a port."""
        return self._read("get_port", context, port_id=port_id)

    def get_security_group_by_id(self, sg_id: str, context: Any = None) -> Any:
        """Return a security group."""
        return self._read("get_security_group_by_id", context, sg_id=sg_id)

    def get_qos_policy(self, qos_policy_id: str, context: Any = None) -> Any:
        """Return a QoS policy."""
        return self._read("get_qos_policy", context, qos_policy_id=qos_policy_id)

    def get_network_by_name(self, network_name: str) -> Any:
        """Return the network with a name."""
        return self._read("get_network_by_name", network_name=network_name)

    def get_subnet_by_name(self, subnet_name: str) -> Any:
        """Return the subnet with a name."""
        return self._read("get_subnet_by_name", subnet_name=subnet_name)

    def get_port_by_name(self, port_name: str) -> Any:
        """Return the port with a name."""
        return self._read("get_port_by_name", port_name=port_name)

    def get_port_by_net_id_device_id(self, network_id: str, device_id: str) -> Any:
        """Return a port that a device has on a network."""
        return self._read(
            "get_port_by_net_id_device_id", network_id=network_id, device_id=device_id
        )

    def get_security_group(self, sg_name: str) -> Any:
        """Return the service's security group with a name; None without a name."""
        return self._read("get_security_group", sg_name=sg_name) if sg_name else None

    def get_network_ip_availability(self, network: Any) -> Any:
        """Return how many addresses a network has."""
        return self._read(
            "get_network_ip_availability", network=conversion.network(network)
        )

    def get_plugged_networks(self, compute_id: str) -> list[Any]:
        """Return the interfaces of a server."""
        plugged: list[Any] = self._read("get_plugged_networks", compute_id=compute_id)
        return plugged

    def get_network_configs(
        self, load_balancer: Any, amphora: Any = None
    ) -> dict[str, Any]:
        """Return what amphorae have to know of their networks, by their ids."""
        method = "get_network_configs"
        one = (
            {} if amphora is None else {"amphora": conversion.amphora(method, amphora)}
        )
        known = conversion.load_balancer(
            method, load_balancer, vip=True, amphorae=amphora is None
        )
        found = self._ask(method, load_balancer=known, **one)
        asked = load_balancer.amphorae if amphora is None else [amphora]
        return results.network_configs(found, asked)

    def qos_enabled(self) -> bool:
        """Tell whether the cloud has QoS policies."""
        return bool(self._ask("qos_enabled"))

    @property
    def sec_grp_enabled(self) -> bool:
        """Whether the cloud has security groups."""
        return bool(self._ask("sec_grp_enabled"))
