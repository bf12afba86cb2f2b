# SPDX-License-Identifier: Apache-2.0
"""Serve the console until somebody ends it."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Collection

import uvicorn
from oslo_config import cfg

from networker.console.app import Console
from networker.console.sources import Bus

#: Seconds that browsers have to let go when it ends; their streams never end themselves.
_PATIENCE = 1
#: Random bytes of a token.
_LENGTH = 16


def serve(
    conf: cfg.ConfigOpts,
    sock: socket.socket,
    hosts: Collection[str],
    begun: Callable[[str], object],
) -> None:
    """Serve the pool of a configuration until SIGINT or SIGTERM.

    :param conf: a configuration on which :func:`networker.conf.register` was called
    :param sock: a socket that listens
    :param hosts: names under which browsers ask, besides `localhost` and addresses
    :param begun: is told the token that replaying needs
    :raises ValueError: the transport's URL is wrong, or is not RabbitMQ's
    """
    token = secrets.token_urlsafe(_LENGTH)
    with Bus(conf) as bus:
        config = uvicorn.Config(
            Console(bus, token).app(hosts),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_PATIENCE,
        )
        begun(token)
        uvicorn.Server(config).run(sockets=[sock])
