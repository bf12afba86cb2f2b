# SPDX-License-Identifier: Apache-2.0
"""What ``networker config check`` finds out about the bus, for callers and for workers."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from networker import exceptions
from networker.rpc import broker, rabbit
from networker.rpc.queues import callers_exchange, calls_name, dead_name
from networker.rpc.rights import Rights
from networker.rpc.supervision import place
from networker.rpc.tokens import Tokens
from networker.rpc.transport import open_transport

_REPLIES, _ALL = "reply_* queues", "may configure, write and read"


def describe(conf: cfg.ConfigOpts, transport: Any) -> dict[str, str]:
    """Return, by name, where requests go, and what carries them.

    :raises BusUnavailable: the broker cannot be asked
    """
    topic = {"topic": f"{conf.networker.exchange}/{conf.networker.topic}"}
    if not broker.uses_rabbit(transport):
        return {"broker": "in memory"} | topic
    url = transport._driver._url
    hosts = [f"{host.hostname}:{host.port or 5672}" for host in url.hosts]
    with broker.look(transport) as found:
        told = found.connection.connection.server_properties
        how = _transport_security(found)
    return {
        "broker": ", ".join(hosts) or "localhost:5672",
        "virtual host": url.virtual_host or "/",
        **topic,
        "connection": how,
        str(told.get("product", "broker's version")): str(told.get("version")),
    }


def worker_rights(conf: cfg.ConfigOpts, transport: Any) -> dict[str, str]:
    """Return, by name, what a worker's user may do with callers' queues.

    :raises BusUnavailable: it may not do what a worker does; see `refused`
    """
    if not broker.uses_rabbit(transport):
        return {}
    driver = transport._driver
    topic = conf.networker.topic
    late = isinstance(driver, rabbit.Driver)
    queues = [topic, calls_name(topic)] if late and driver.transient else [topic]
    with broker.look(transport) as found:
        rights = Rights(found.connection)
        dead = dead_name(topic) if late else None
        _refuse(driver, rights.workers(conf.networker.exchange, queues, dead))
        lacking = rights.shared()
    if lacking:
        what = f"write only (a caller would need besides: {', '.join(lacking)})"
        return {_REPLIES: what}
    return {_REPLIES: _ALL}


def caller(conf: cfg.ConfigOpts) -> tuple[dict[str, str], list[str]]:
    """Find out whether calls could be made with a configuration.

    :returns: what was found, by name, and what is not as it should be
    :raises BusUnavailable: the broker does not let us do what a caller does, or cannot
        be reached; see `refused`
    :raises ValueError: the transport_url or the keys of users' tokens are wrong
    """
    Tokens(conf)
    transport = open_transport(conf, caller=True)
    facts = describe(conf, transport)
    keys = len(conf.networker.user_token_keys)
    forwarded = conf.networker.forward_user_tokens
    facts["users' tokens"] = f"sealed, {keys} keys" if forwarded else "not sent"
    if not broker.uses_rabbit(transport):
        return facts, []
    with broker.look(transport) as found:
        rights = Rights(found.connection)
        _refuse(
            transport._driver,
            rights.callers(callers_exchange(conf.networker.topic).name),
        )
    count = broker.listeners(transport, conf.networker.topic)
    facts[_REPLIES] = _ALL
    facts["workers"] = str(count)
    return facts, [] if count else [f"no worker listens to {facts['topic']}"]


def _refuse(driver: Any, lacking: list[str]) -> None:
    if lacking:
        user = driver._url.hosts[0].username if driver._url.hosts else "guest"
        raise exceptions.BusUnavailable(
            f"the broker {place(driver._url)} does not give its user {user!r} "
            f"these rights: {'; '.join(lacking)}. See rabbitmqctl set_permissions",
            refused=True,
        )


def _transport_security(found: Any) -> str:
    if not found.ssl:
        return "without TLS"
    return f"TLS, verified by {found.ssl_ca_file or 'the authorities of the system'}"
