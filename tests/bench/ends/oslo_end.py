# SPDX-License-Identifier: Apache-2.0
"""oslo.messaging with its own driver: a worker process that echoes, and a client."""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split

import signal
import threading
from typing import Any

import oslo_messaging
from oslo_config import cfg

from tests.bench.ends import loop
from tests.bench.ends.profile import profiled


class Echo:
    """Answers with a part of what it was given, as networker's driver does."""

    def plug_vip(
        self, _context: object, load_balancer: dict[str, Any], vip: dict[str, Any]
    ) -> Any:
        """Return the amphorae."""
        return load_balancer["amphorae"]


def worker(settings: loop.Settings, transport: Any, target: Any) -> None:
    """Serve the echo in one process."""
    server = oslo_messaging.get_rpc_server(
        transport, target(server="bench"), [Echo()], executor="threading"
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server.start(override_pool_size=settings.threads or None)
    loop.ready()
    with profiled(settings.profile and f"{settings.profile}-worker.txt"):
        stop.wait()
    server.stop()
    server.wait()


def client(settings: loop.Settings, transport: Any, target: Any) -> None:
    """Make calls."""
    caller = oslo_messaging.get_rpc_client(transport, target(), timeout=60)
    callers = loop.Callers(
        lambda: lambda: caller.call({}, "plug_vip", **settings.arguments)
    )

    def measure(order: loop.Order) -> list[float]:
        with profiled(settings.profile and f"{settings.profile}-client.txt"):
            return callers.measure(order)

    loop.obey(measure)


def main() -> None:
    """Be the end that the command line names."""
    role, settings = loop.role()
    cfg.CONF(["--config-file", settings.config], project="bench")
    transport = oslo_messaging.get_rpc_transport(cfg.CONF)

    def target(**more: str) -> Any:
        name = settings.name
        return oslo_messaging.Target(exchange=name, topic=name, **more)

    {"worker": worker, "client": client}[role](settings, transport, target)


main()
