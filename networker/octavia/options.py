# SPDX-License-Identifier: Apache-2.0
"""How long Octavia waits, and remembers: options, and which method is bound by which.

They are read from Octavia's own configuration, beside ``[networker]``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from oslo_config import cfg

GROUP = cfg.OptGroup(
    "networker_octavia",
    title="networker in Octavia",
    help="How long Octavia waits for networker, where it is Octavia's network driver.",
)

octavia_opts: list[cfg.Opt] = [
    cfg.FloatOpt(
        "api_timeout",
        default=20.0,
        min=1.0,
        help="Seconds for look-ups and for allocating a VIP. Octavia's API does these "
        "inside a user's request and a transaction of its database.",
    ),
    cfg.FloatOpt(
        "api_pool_timeout",
        default=1.5,
        min=0.5,
        help="Seconds without any worker after which look-ups of Octavia's API fail, within "
        "five thirds of it. A restart of all workers that takes longer is an error of the "
        "API. Flows, and what changes something, wait for [networker] pool_timeout and "
        "their own time.",
    ),
    cfg.FloatOpt(
        "flow_timeout",
        default=120.0,
        min=1.0,
        help="Seconds for other changes, which Octavia's controllers make in flows.",
    ),
    cfg.FloatOpt(
        "detach_timeout",
        default=330.0,
        min=1.0,
        help="Seconds for changes that wait until ports are detached from servers. It has "
        "to be more than the workers' [neutron] detach_timeout. The ports of all amphorae "
        "are waited for together.",
    ),
    cfg.FloatOpt(
        "lookup_cache_seconds",
        default=5.0,
        min=0.0,
        help="Seconds for which a process uses a network or subnet again that it has looked "
        "up for itself, and not for a user; 0 to look each time. Octavia looks up the subnet "
        "of every member whenever one of them changes.",
    ),
]

_LOOKUPS = (
    "get_network",
    "get_network_by_name",
    "get_network_ip_availability",
    "get_port",
    "get_port_by_name",
    "get_port_by_net_id_device_id",
    "get_qos_policy",
    "get_security_group",
    "get_security_group_by_id",
    "get_subnet",
    "get_subnet_by_name",
    "qos_enabled",
    "sec_grp_enabled",
)
_IN_FLOWS = (
    "apply_qos_on_port",
    "create_port",
    "delete_port",
    "failover_preparation",
    "get_network_configs",
    "get_plugged_networks",
    "plug_aap_port",
    "plug_fixed_ip",
    "plug_network",
    "plug_port",
    "plug_vip",
    "set_port_admin_state_up",
    "unplug_fixed_ip",
    "update_aap_port_sg",
    "update_vip",
    "update_vip_sg",
)
_DETACHING = (
    "deallocate_vip",
    "unplug_aap_port",
    "unplug_network",
    "unplug_vip",
)

#: Every process of Octavia's API has it, by whatever server it is run, and no other.
_API = "octavia.api.app"

#: The option that bounds each method of the interface.
TIMEOUTS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("allocate_vip", *_LOOKUPS), "api_timeout")
    | dict.fromkeys(_IN_FLOWS, "flow_timeout")
    | dict.fromkeys(_DETACHING, "detach_timeout")
)


def register(conf: cfg.ConfigOpts) -> None:
    """Register the options; repeating it is harmless."""
    # A group keeps the overrides of its options, so each configuration needs its own.
    conf.register_group(cfg.OptGroup(GROUP.name, GROUP.title, GROUP.help))
    conf.register_opts(octavia_opts, GROUP.name)


def timeout(conf: cfg.ConfigOpts, method: str) -> float:
    """Return the seconds that a method of the interface may take."""
    return float(conf[GROUP.name][TIMEOUTS[method]])


def pool_timeout(conf: cfg.ConfigOpts, method: str) -> float | None:
    """Return the seconds that a method waits for any worker; None for the bus's own.

    Only look-ups of the API are impatient: a user waits for them. A change that nobody
    awaits any more could still be made when workers are back, as long as its time is not
    up; and flows would fail where they can wait.
    """
    if method in _LOOKUPS and _API in sys.modules:
        return float(conf[GROUP.name].api_pool_timeout)
    return None


def lookup_cache(conf: cfg.ConfigOpts) -> float:
    """Return the seconds for which look-ups are used again."""
    return float(conf[GROUP.name].lookup_cache_seconds)


def list_opts() -> Iterable[tuple[str, list[cfg.Opt]]]:
    """Return these options by group, for oslo-config-generator."""
    return [(GROUP.name, octavia_opts)]
