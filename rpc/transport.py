# SPDX-License-Identifier: Apache-2.0
"""From a configuration to oslo.messaging's transports, targets and servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import oslo_messaging
from oslo_config import cfg
from oslo_messaging.rpc import server as rpc_server

from networker.rpc import listener, rabbit


def url(conf: cfg.ConfigOpts, *, caller: bool = False) -> oslo_messaging.TransportURL:
    """Return the bus's URL with the driver that ``delivery`` wants.

    It is ``[networker] transport_url``, else ``[DEFAULT] transport_url``. A ``rabbit`` URL
    gets :class:`networker.rpc.rabbit.Driver`, others what they name.

    :param caller: whether it is for a caller, for whom it makes no difference when workers
        acknowledge

    :raises oslo_messaging.InvalidTransportURL: it is malformed
    """
    parsed = oslo_messaging.TransportURL.parse(conf, conf.networker.transport_url)
    scheme, plus, rest = parsed.transport.partition("+")
    late = conf.networker.delivery == "at-least-once"
    if scheme == "rabbit" and (caller or late):
        parsed.transport = rabbit.SCHEME + plus + rest
    return parsed


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


def server_class(transport: oslo_messaging.RPCTransport) -> Any:
    """Return the class of servers that acknowledge as the transport's driver wants."""
    late = isinstance(transport._driver, rabbit.Driver)
    return listener.Server if late else rpc_server.RPCServer


def queues(transport: oslo_messaging.RPCTransport) -> int:
    """Return from how many queues a server takes requests."""
    driver = transport._driver
    return 2 if isinstance(driver, rabbit.Driver) and driver.transient else 1


def target(conf: cfg.ConfigOpts, **more: Any) -> oslo_messaging.Target:
    """Return where requests go: the exchange is named, whatever the default one is."""
    return oslo_messaging.Target(
        exchange=conf.networker.exchange, topic=conf.networker.topic, **more
    )
