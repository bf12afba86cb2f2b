# SPDX-License-Identifier: Apache-2.0
"""The options of [neutron] and [nova]: where the cloud is, and how long to try."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import keystoneauth1.exceptions
from keystoneauth1 import loading
from oslo_config import cfg

from networker import strict
from networker.drivers import naming

NEUTRON = cfg.OptGroup(
    "neutron",
    title="Neutron",
    help="How the neutron driver reaches Neutron: either `cloud`, or keystoneauth's "
    "options for authentication, session and endpoint.",
)
NOVA = cfg.OptGroup(
    "nova",
    title="Nova",
    help="Where Nova is. Credentials and TLS are those of [neutron].",
)

neutron_opts = [
    cfg.StrOpt(
        "cloud",
        help="Name of a cloud in clouds.yaml, which then says all of authentication, "
        "session and endpoint: such options in this group or in [nova] are refused.",
    ),
    cfg.StrOpt(
        "mac_prefix",
        default=naming.MAC_PREFIX,
        regex=r"(?i)^[0-9a-f][26ae](:[0-9a-f]{2}){1,3}$",
        help="First octets of the MAC addresses of ports that networker makes. They are "
        "locally administered, and derived from what the port is for, so that a port is "
        "never made twice. Change it only while no load balancer exists.",
    ),
    cfg.FloatOpt(
        "request_timeout",
        default=60.0,
        min=0.1,
        help="Seconds that one request, with its repetitions after 429, 503 and "
        "connection errors, may take.",
    ),
    cfg.FloatOpt(
        "detach_timeout",
        default=300.0,
        min=1.0,
        help="Seconds to wait until a port is detached from its server.",
    ),
    cfg.FloatOpt(
        "poll_interval",
        default=0.5,
        min=0.05,
        help="Seconds between two looks at a port that is being detached.",
    ),
]


def register(conf: cfg.ConfigOpts) -> None:
    """Register the options of both groups; repeating it is harmless."""
    for group in (NEUTRON, NOVA):
        # A group keeps the overrides of its options, so each configuration needs its own.
        conf.register_group(cfg.OptGroup(group.name, group.title, group.help))
    conf.register_opts(neutron_opts, NEUTRON.name)
    for name in (NEUTRON.name, NOVA.name):
        loading.register_adapter_conf_options(conf, name)
    loading.register_session_conf_options(conf, NEUTRON.name)
    loading.register_auth_conf_options(conf, NEUTRON.name)
    _register_credentials(conf)


def _register_credentials(conf: cfg.ConfigOpts) -> None:
    """Register the options of the kind of authentication that is configured.

    keystoneauth does so when it uses them; then nobody could ask before whether what is
    configured is among them.
    """
    # What is wrong with the two values is said by who uses them.
    wrong = (cfg.Error, ValueError, keystoneauth1.exceptions.ClientException)
    with contextlib.suppress(*wrong):
        section = conf.neutron.auth_section or NEUTRON.name
        if section != NEUTRON.name:
            conf.register_opts(loading.get_auth_common_conf_options(), section)
        kind = conf[section].auth_type
        if kind:
            conf.register_opts(loading.get_auth_plugin_conf_options(kind), section)


def beside_cloud(conf: cfg.ConfigOpts) -> list[str]:
    """Return what is configured beside `cloud`, which takes the place of all that."""
    if not conf.neutron.cloud:
        return []
    own = {option.dest for option in neutron_opts}
    return [
        str(each)
        for each in strict.given(conf)
        if each.option
        and (
            each.group.lower() == NOVA.name
            or (each.group.lower() == NEUTRON.name and each.option not in own)
        )
    ]


def tls_files(conf: cfg.ConfigOpts) -> dict[str, tuple[str, str | None]]:
    """Return the options for certificates and keys with their values, for a check."""
    return {
        kind: (f"[{NEUTRON.name}] {option}", conf.neutron[option])
        for kind, option in (("ca", "cafile"), ("cert", "certfile"), ("key", "keyfile"))
    }


def list_opts() -> Iterable[tuple[str, list[cfg.Opt]]]:
    """Return all options by group, for oslo-config-generator."""
    endpoint = loading.get_adapter_conf_options(include_deprecated=False)
    session = [
        *loading.get_auth_common_conf_options(),
        *loading.get_auth_plugin_conf_options("v3password"),
        *loading.get_session_conf_options(),
    ]
    return [
        (NEUTRON.name, [*neutron_opts, *session, *endpoint]),
        (NOVA.name, endpoint),
    ]
