# SPDX-License-Identifier: Apache-2.0
"""Convert Octavia's objects to networker's models, with the fields that a method needs.

Octavia's objects are a graph that leads from any of them to everything that its database
knows of a load balancer. What crosses the bus is listed here, field by field.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from networker.models import (
    VIP,
    AdditionalVIP,
    Amphora,
    FixedIP,
    Listener,
    LoadBalancer,
    Model,
    Network,
    Port,
    Subnet,
    UserContext,
)

M = TypeVar("M", bound=Model)


@dataclasses.dataclass(frozen=True)
class Needs:
    """What a method needs of a load balancer and of what belongs to it.

    :param fields: of the load balancer itself
    :param vip: of its VIP
    :param additional: of each of its additional VIPs
    :param amphora: of each amphora, or of the one that the method is about
    :param listeners: whether the rules for its listeners are made
    """

    fields: tuple[str, ...] = ("id",)
    vip: tuple[str, ...] = ()
    additional: tuple[str, ...] = ()
    amphora: tuple[str, ...] = ()
    listeners: bool = False


_ADDRESS = ("ip_address",)
_PLACE = ("subnet_id", "ip_address")
_WHERE = ("port_id", "network_id", *_PLACE)
_SERVER = ("id", "status", "compute_id", "lb_network_ip", "vrrp_port_id")
_CONFIGURED = (*_SERVER, "vrrp_ip", "ha_ip", "ha_port_id")
_LISTENER = ("protocol", "protocol_port", "peer_port", "provisioning_status")

#: What each method needs. A QoS policy is none of it: Octavia sets it on VRRP ports only,
#: and could never take it from a VIP's port again.
NEEDS: Mapping[str, Needs] = MappingProxyType(
    {
        "allocate_vip": Needs(
            fields=("id", "project_id"),
            vip=(*_WHERE, "octavia_owned", "sg_ids"),
            additional=_PLACE,
        ),
        "deallocate_vip": Needs(vip=("load_balancer_id", *_WHERE)),
        "plug_vip": Needs(
            fields=("id", "topology"),
            vip=(*_WHERE, "sg_ids"),
            additional=_ADDRESS,
            amphora=_SERVER,
            listeners=True,
        ),
        "unplug_vip": Needs(vip=_WHERE, amphora=_SERVER),
        "update_vip": Needs(
            fields=("id", "topology"),
            vip=("ip_address", "sg_ids"),
            additional=_ADDRESS,
            listeners=True,
        ),
        "update_vip_sg": Needs(
            fields=("id", "topology"),
            vip=("port_id", "ip_address", "sg_ids"),
            additional=_ADDRESS,
            listeners=True,
        ),
        "update_aap_port_sg": Needs(vip=("port_id", "sg_ids"), amphora=_SERVER),
        "plug_aap_port": Needs(
            vip=(*_WHERE, "sg_ids"), additional=_ADDRESS, amphora=_SERVER
        ),
        "unplug_aap_port": Needs(vip=_WHERE, amphora=_SERVER),
        "get_network_configs": Needs(
            vip=_WHERE, additional=_PLACE, amphora=_CONFIGURED
        ),
        "failover_preparation": Needs(amphora=("compute_id", "lb_network_ip")),
        "plug_port": Needs(amphora=("id", "compute_id")),
    }
)


def read(source: Any, name: str) -> Any:
    """Return a field of an object or of a dictionary; None where there is none."""
    if isinstance(source, Mapping):
        return source.get(name)
    return getattr(source, name, None)


def load_balancer(
    method: str, source: Any, *, vip: bool = False, amphorae: bool = False
) -> LoadBalancer:
    """Return what a method needs of a load balancer.

    :param vip: whether its VIP is part of it, and not an argument of its own
    :param amphorae: whether its amphorae are
    """
    needs = NEEDS[method]
    made = _pick(LoadBalancer, source, needs.fields)
    if vip:
        made.vip = virtual_ip(method, read(source, "vip"), source)
    if needs.listeners:
        made.listeners = [_listener(one) for one in _all(source, "listeners")]
    if amphorae:
        made.amphorae = [amphora(method, one) for one in _all(source, "amphorae")]
    return made


def virtual_ip(method: str, source: Any, balancer: Any) -> VIP:
    """Return what a method needs of a VIP.

    :param balancer: the load balancer, which has the additional VIPs
    """
    needs = NEEDS[method]
    made = _pick(VIP, source, needs.vip)
    if needs.additional:
        others = _all(balancer, "additional_vips")
        made.additional = [_pick(AdditionalVIP, o, needs.additional) for o in others]
    return made


def both(
    method: str, balancer: Any, vip: Any, *, amphorae: bool = False
) -> dict[str, Any]:
    """Return the arguments of a method that takes a load balancer and its VIP."""
    return {
        "load_balancer": load_balancer(method, balancer, amphorae=amphorae),
        "vip": virtual_ip(method, vip, balancer),
    }


def amphora(method: str, source: Any) -> Amphora:
    """Return what a method needs of an amphora."""
    return _pick(Amphora, source, NEEDS[method].amphora)


def subnet(source: Any) -> Subnet:
    """Return where a subnet is; the tasks that revert have it as a dictionary."""
    return _pick(Subnet, source, ("id", "network_id"))


def port(source: Any) -> Port:
    """Return which port is meant."""
    return _pick(Port, source, ("id", "network_id"))


def network(source: Any) -> Network:
    """Return which network is meant."""
    return _pick(Network, source, ("id",))


def fixed_ips(sources: Iterable[Any] | None) -> list[FixedIP]:
    """Return the addresses that a port should have."""
    return [_pick(FixedIP, source, _PLACE) for source in sources or ()]


def user(context: Any) -> UserContext | None:
    """Return the user of a request to Octavia's API, None if it has no token."""
    if not read(context, "auth_token"):
        return None
    return _pick(UserContext, context, ("auth_token", "user_id", "project_id"))


def _listener(source: Any) -> Listener:
    made = _pick(Listener, source, _LISTENER)
    made.allowed_cidrs = [read(one, "cidr") for one in _all(source, "allowed_cidrs")]
    return made


def _all(source: Any, name: str) -> Iterable[Any]:
    return read(source, name) or ()


def _pick(model: type[M], source: Any, fields: Iterable[str]) -> M:
    values = {name: read(source, name) for name in fields}
    return model(
        **{
            name: list(value) if isinstance(value, (list, tuple, set)) else value
            for name, value in values.items()
            if value is not None
        }
    )
