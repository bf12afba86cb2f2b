# SPDX-License-Identifier: Apache-2.0
"""Choose, by a configuration's URL, what carries requests: RabbitMQ or something in memory.

This is where :mod:`networker.rpc.rabbitmq` and the rest of the bus are joined: the other
modules get from here what is made for RabbitMQ, or oslo.messaging's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import oslo_messaging
from oslo_config import cfg
from oslo_messaging.rpc import server as rpc_server

from networker.observer import Observer
from networker.rpc import contract
from networker.rpc.oslo_caller import OsloCaller
from networker.rpc.rabbitmq import broker, messaging_driver, rights
from networker.rpc.rabbitmq import notifications as notifications
from networker.rpc.rabbitmq.caller import Caller
from networker.rpc.rabbitmq.connection import NOT_TAKEN as NOT_TAKEN
from networker.rpc.rabbitmq.listener import LateAckServer
from networker.rpc.rabbitmq.messaging_driver import driver_of

_ENCODE = (
    "a user's name, password or virtual host has a character that must be "
    "percent-encoded: @ as %40, : as %3A, / as %2F, # as %23, ? as %3F, [ as %5B, % as %25"
)


def url(conf: cfg.ConfigOpts, *, caller: bool = False) -> oslo_messaging.TransportURL:
    """Return the bus's URL with the driver that ``delivery`` wants.

    It is ``[networker] transport_url``, else ``[DEFAULT] transport_url``. A ``rabbit`` URL
    gets networker's own driver, others what they name.

    :param caller: whether it is for a caller, for whom it makes no difference when workers
        acknowledge
    :raises oslo_messaging.InvalidTransportURL: it is malformed
    :raises ValueError: it is none, or not percent-encoded where it has to be
    """
    given = conf.networker.transport_url
    _check_encoding(given or conf.transport_url or "")
    try:
        parsed = oslo_messaging.TransportURL.parse(conf, given)
    except oslo_messaging.InvalidTransportURL:
        raise
    except ValueError as error:
        # Its text can have a part of the password.
        text = f"a host or its port is none, or {_ENCODE}"
        raise ValueError(text) from error
    scheme, plus, rest = parsed.transport.partition("+")
    late = conf.networker.delivery == "at-least-once"
    if scheme == "rabbit" and (caller or late):
        parsed.transport = messaging_driver.SCHEME + plus + rest
    return parsed


def _check_encoding(text: str) -> None:
    """Refuse a URL whose host would be found inside of a password."""
    rest = text.partition("://")[2]
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path = rest[len(host) :].partition("?")[0]
    if "#" in rest or "@" in path or ("@" in rest and "@" not in host):
        raise ValueError(_ENCODE)


def open_transport(
    conf: cfg.ConfigOpts,
    opened: Callable[..., Any] = oslo_messaging.get_rpc_transport,
    *,
    caller: bool = False,
) -> Any:
    """Return oslo.messaging's transport for the bus's URL; no I/O yet.

    :param opened: oslo.messaging's function that makes it, for requests or notifications
    :param caller: whether it is for a caller
    :raises ValueError: the URL is malformed or names an unknown transport
    """
    group = "networker" if conf.networker.transport_url else "DEFAULT"
    option = f"[{group}] transport_url"
    try:
        return opened(conf, url(conf, caller=caller))
    except (oslo_messaging.InvalidTransportURL, ValueError) as error:
        raise ValueError(f"{option}: {error}") from error
    except oslo_messaging.DriverLoadFailure as error:
        raise ValueError(
            f"{option}: there is no transport {url(conf).transport!r}"
        ) from error


def caller(conf: cfg.ConfigOpts, transport: Any) -> Caller | OsloCaller:
    """Return what delivers a client's requests.

    :param transport: from :func:`open_transport`, for a caller
    """
    if driver_of(transport):
        return Caller(conf, transport)
    return OsloCaller(conf, transport, NOT_TAKEN)


def server_class(transport: Any) -> Any:
    """Return the class of servers that acknowledge as the transport's driver wants."""
    return LateAckServer if driver_of(transport) else rpc_server.RPCServer


def observe(server: Any, observer: Observer) -> None:
    """Let somebody be told what happens between a server and the broker.

    :param server: not started yet; oslo.messaging's own tells nothing
    """
    if isinstance(server, LateAckServer):
        server.observer = observer


def trouble(server: Any) -> str | None:
    """Return why a server gets no requests; None if it does, as far as is known."""
    return server.trouble() if isinstance(server, LateAckServer) else None


def dead_letters(server: Any) -> int | None:
    """Return how many dead letters a server's broker has; None if it is not known."""
    return server.dead_letters() if isinstance(server, LateAckServer) else None


def queues(transport: Any) -> int:
    """Return from how many queues a server takes requests."""
    driver = driver_of(transport)
    return 2 if driver and driver.transient else 1


def check(transport: Any, where: oslo_messaging.Target) -> None:
    """Make sure that a server could listen on a target; in memory it always can.

    :param transport: from :func:`open_transport`
    :param where: exchange and topic of requests
    :raises BusUnavailable: the broker does not let us in, or an exchange or a queue
        exists that would lose requests; the message says how to mend it
    """
    if broker.uses_rabbit(transport):
        broker.check(transport, where)


def describe(conf: cfg.ConfigOpts, transport: Any) -> dict[str, str]:
    """Return, by name, where requests go, and what carries them.

    :param transport: from :func:`open_transport`
    :raises BusUnavailable: the broker cannot be asked
    """
    topic = contract.address(conf)
    if broker.uses_rabbit(transport):
        return broker.describe(transport, topic)
    return {"broker": "in memory", "topic": topic}


def worker_rights(conf: cfg.ConfigOpts, transport: Any) -> dict[str, str]:
    """Return, by name, what a worker's user may do with callers' queues.

    :param transport: from :func:`open_transport`
    :raises BusUnavailable: it may not do what a worker does; see `refused`
    """
    if not broker.uses_rabbit(transport):
        return {}
    return rights.worker_rights(conf, transport)


def caller_facts(
    conf: cfg.ConfigOpts, transport: Any
) -> tuple[dict[str, str], list[str]]:
    """Find out whether calls could be made over a transport.

    :param transport: from :func:`open_transport`, for a caller
    :returns: what was found, by name, and what is not as it should be
    :raises BusUnavailable: the broker does not let us do what a caller does, or cannot
        be reached; see `refused`
    """
    if not broker.uses_rabbit(transport):
        return {}, []
    found = rights.caller_rights(conf, transport)
    count = broker.listeners(transport, conf.networker.topic)
    where = contract.address(conf)
    lacking = [] if count else [f"no worker listens to {where}"]
    return found | {"workers": str(count)}, lacking
