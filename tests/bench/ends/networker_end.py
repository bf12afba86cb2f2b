# SPDX-License-Identifier: Apache-2.0
"""networker: a worker process whose driver does nothing, and clients."""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split

import functools
import signal
import threading

from networker import rpc, service
from networker.rpc import aio, codec, contract
from networker.rpc.server import Server
from networker.testing import processes
from tests.bench import driver
from tests.bench.ends import loop
from tests.bench.ends.coroutines import Coroutines
from tests.bench.ends.profile import profiled


def worker(settings: loop.Settings) -> None:
    """Serve the driver that does nothing, in one process, with networker's own log."""
    conf = service.configure(["--config-file", settings.config])
    server = Server(conf, driver.Echo())
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server.probe()
    server.start()
    loop.ready()
    with profiled(settings.profile and f"{settings.profile}-worker.txt"):
        stop.wait()
    server.stop()


def client(role: str, settings: loop.Settings) -> None:
    """Make calls of one kind, as the role says.

    :param role: `client` for calls that do nothing, `slow` for those that take long,
        `reader` for looking a network up
    """
    conf = processes.configuration(settings.config)  # type: ignore[arg-type]
    with rpc.connect(conf) as network:
        method = contract.methods()["plug_vip"]
        sent = codec.decode_arguments(method, settings.arguments)
        calls: dict[str, loop.Call] = {
            "client": lambda: network.plug_vip(**sent),
            "slow": lambda: network.unplug_network("a-server", "a-network"),
            "reader": functools.partial(network.get_network, settings.network_id),
        }
        callers = loop.Callers(lambda: calls[role])

        def measure(order: loop.Order) -> list[float]:
            with profiled(settings.profile and f"{settings.profile}-client.txt"):
                return callers.measure(order)

        loop.obey(measure)


def coroutines(settings: loop.Settings) -> None:
    """Make calls that do nothing, as coroutines."""
    conf = processes.configuration(settings.config)  # type: ignore[arg-type]
    method = contract.methods()["plug_vip"]
    sent = codec.decode_arguments(method, settings.arguments)
    callers, network = Coroutines(), aio.connect(conf)
    loop.obey(lambda order: callers.measure(lambda: network.plug_vip(**sent), order))
    callers.run(network.close())


def main() -> None:
    """Be the end that the command line names."""
    role, settings = loop.role()
    if role == "worker":
        worker(settings)
    elif role == "coroutines":
        coroutines(settings)
    else:
        client(role, settings)


main()
