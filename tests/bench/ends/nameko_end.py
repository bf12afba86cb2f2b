# SPDX-License-Identifier: Apache-2.0
"""nameko: a service in a container, and its proxy for programs outside."""

from __future__ import annotations

import sys
from typing import Any

from tests.bench.ends import loop


def worker(settings: loop.Settings) -> None:
    """Serve the echo as nameko's own command would."""
    import eventlet

    eventlet.monkey_patch()
    from nameko.containers import ServiceContainer
    from nameko.rpc import rpc

    class Echo:
        name = settings.name

        @rpc
        def plug_vip(self, load_balancer: dict[str, Any], vip: dict[str, Any]) -> Any:
            return load_balancer["amphorae"]

    config = {"AMQP_URI": settings.url, "max_workers": settings.threads}
    container = ServiceContainer(Echo, config=config)
    container.start()
    loop.ready()
    container.wait()


def client(settings: loop.Settings) -> None:
    """Make calls; each caller has a proxy of its own, since nameko's is for one thread."""
    from nameko.standalone.rpc import ClusterRpcProxy

    def make() -> loop.Call:
        proxy = ClusterRpcProxy({"AMQP_URI": settings.url}).start()
        return lambda: proxy[settings.name].plug_vip(**settings.arguments)

    loop.obey(loop.Callers(make).measure)


def main() -> None:
    """Be the end that the command line names."""
    role, settings = loop.role()
    if role == "worker":
        worker(settings)
    else:
        client(settings)
        sys.exit(0)


main()
