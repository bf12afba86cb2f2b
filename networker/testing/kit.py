# SPDX-License-Identifier: Apache-2.0
"""The parts of the pytest plugin, for those who test with something else."""

from __future__ import annotations

import contextlib
import functools
import pathlib
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any

from oslo_config import cfg

from networker import conf as options
from networker import exceptions, fields, rpc
from networker.context import Context
from networker.drivers import base
from networker.drivers.sandbox.driver import SandboxDriver
from networker.rpc import contract
from networker.rpc.bus import Bus
from networker.rpc.client import Options
from networker.rpc.proxy import Proxy
from networker.rpc.request import Request
from networker.rpc.server import Server
from networker.rpc.tokens import Tokens


class FallibleSandbox(SandboxDriver):
    """A sandbox whose calls can be made to fail.

    :param conf: as for :class:`SandboxDriver`
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        self.conf = conf
        self._failures: defaultdict[str, deque[BaseException]] = defaultdict(deque)

    def fail_next(self, method: str, error: BaseException) -> None:
        """Make the next call of a method raise `error`, before it does anything.

        :param method: name of a method of the interface
        :param error: one of :mod:`networker.exceptions`, as a driver raises them, or
            any other, which the caller sees as WorkerError
        :raises LookupError: there is no such method
        """
        if method not in base.operations():
            raise LookupError(f"the interface has no method {method!r}")
        self._failures[method].append(error)


def _fallible(name: str) -> Callable[..., Any]:
    declared = getattr(SandboxDriver, name)

    @functools.wraps(declared)
    def method(self: FallibleSandbox, *args: Any, **kwargs: Any) -> Any:
        if self._failures[name]:
            raise self._failures[name].popleft()
        return declared(self, *args, **kwargs)

    return method


for _name in base.operations():
    setattr(FallibleSandbox, _name, _fallible(_name))


def configuration(
    database: pathlib.Path, latency: float = 0.0, topology: pathlib.Path | None = None
) -> cfg.ConfigOpts:
    """Return the configuration of a sandbox of its own on an in-memory bus of its own.

    :param database: file of the sandbox; made when it does not exist
    :param latency: seconds that each round trip of the sandbox takes
    :param topology: what a new sandbox begins with; the packaged one if None
    """
    conf = options.load(["--config-file", "/dev/null"])
    conf.set_override("transport_url", "fake:/")
    conf.set_override("topic", f"networker-{uuid.uuid4()}", "networker")
    conf.set_override("database", str(database), "sandbox")
    conf.set_override("latency", latency, "sandbox")
    conf.set_override("topology", topology and str(topology), "sandbox")
    return conf


class StrictBus(Bus):
    """A bus that refuses fields that no model has: a test's mistakes, or a controller's.

    Workers ignore them, as they may come from a newer release.
    """

    def request(
        self,
        context: Context,
        method: str,
        wire: dict[str, Any],
        timeout: float,
        pool_timeout: float | None = None,
    ) -> Request:
        """Return what is sent, see :class:`networker.rpc.bus.Bus`.

        :raises InvalidRequest: a field of an argument is unknown, or it is too large
        """
        _refuse_unknown(method, wire)
        return super().request(context, method, wire, timeout, pool_timeout)


def _refuse_unknown(method: str, wire: dict[str, Any]) -> None:
    parameters = contract.methods()[method].parameters
    for name, value in wire.items():
        wrong = list(fields.unknown(value, parameters[name].annotation, f"$.{name}"))
        if wrong:
            text = f"{method}: {'; '.join(wrong)}"
            raise exceptions.InvalidRequest(text, method=method)


@contextlib.contextmanager
def served(conf: cfg.ConfigOpts, driver: base.NetworkDriver) -> Iterator[rpc.Client]:
    """Serve a driver in this process and yield a client for it.

    The client refuses fields that no model has, in dictionaries given for models.

    :param conf: such as :func:`configuration` returns
    :param driver: what answers
    """
    server = Server(conf, driver)
    server.start()
    try:
        settings = Options(conf.networker.call_timeout)
        with Proxy(StrictBus(conf), Tokens(conf), settings) as client:
            yield client
    finally:
        server.stop()
