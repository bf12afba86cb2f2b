# SPDX-License-Identifier: Apache-2.0
"""``networker-worker``: the one place where bus and driver are joined.

Exit codes: 0 stopped on request; 2 the configuration is wrong, or the broker or the
cloud refused what it says; 3 the broker or the cloud cannot be reached just now.
"""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split

import logging
import sys
import threading
import time
from collections.abc import Sequence
from typing import NoReturn

import tenacity
from oslo_config import cfg
from oslo_service import backend
from oslo_service.backend.base import ServiceBase

from networker import conf as options
from networker import drivers, exceptions, logs
from networker.context import Context
from networker.rpc import policies
from networker.rpc.server import Server

LOG = logging.getLogger(__name__)

ABOUT = (
    "Serve a network driver on the message bus. Broker, driver and the number of "
    "processes are read from --config-file, else from /etc/networker/networker.conf. "
    "SIGTERM drains, SIGHUP reloads. `networker config check` tries a configuration."
)
WRONG, UNREACHABLE = 2, 3
#: Seconds that the cloud has to answer when a worker starts.
PATIENCE = 10.0


class Worker(ServiceBase):  # type: ignore[misc]
    """One worker process: a driver behind a server.

    The master process makes it and forks; what must not be shared by processes, which is
    everything but the configuration, is made in :meth:`start`.

    :param conf: the configuration, already checked
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._started = threading.Lock()
        self._server: Server | None = None
        self._driver: drivers.NetworkDriver | None = None

    def start(self) -> None:
        """Make driver and server, and begin to serve as soon as the broker is there."""
        with self._started:
            self._driver = drivers.load(self._conf)
            server = Server(self._conf, self._driver)
            if self._wait_for_broker(server):
                server.start()
                self._server = server
                LOG.info("serving %s", self._conf.networker.topic)

    def stop(self) -> None:
        """Take no more requests and return when those begun are answered."""
        self._stopping.set()
        with self._started:
            if self._server:
                self._server.stop()
            if self._driver:
                self._driver.close()
        LOG.info("drained")
        self._stopped.set()

    def wait(self) -> None:
        """Return when the worker has stopped."""
        self._stopped.wait()

    def reset(self) -> None:
        """Do nothing: on SIGHUP every worker is replaced by one with the new options."""

    def _wait_for_broker(self, server: Server) -> bool:
        # oslo.messaging would end the process when the broker refuses, and cotyledon
        # begin a new one at once, for ever.
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(exceptions.BusUnavailable),
            wait=tenacity.wait_exponential(min=1, max=30),
            stop=tenacity.stop_when_event_set(self._stopping),
            sleep=tenacity.sleep_using_event(self._stopping),
            before_sleep=tenacity.before_sleep_log(LOG, logging.WARNING),
        )
        try:
            attempts(server.probe)
        except tenacity.RetryError:
            return False
        return True


class Refused(Exception):
    """Something the operator has to mend.

    :param code: the exit code that says how urgent it is
    """

    def __init__(self, message: str, code: int = WRONG) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code


def check(conf: cfg.ConfigOpts) -> drivers.NetworkDriver:
    """Find out whether a worker could serve with this configuration.

    :returns: the driver, which the caller closes
    :raises Refused: saying what has to be mended
    """
    try:
        driver = drivers.load(conf)
        with Context(deadline=time.time() + PATIENCE).entered():
            driver.check()
        Server(conf, driver).probe()
    except exceptions.BusUnavailable as error:
        raise Refused(str(error), WRONG if error.refused else UNREACHABLE) from error
    except exceptions.CloudUnavailable as error:
        raise Refused(str(error), UNREACHABLE) from error
    except (drivers.Misconfigured, ValueError, cfg.Error) as error:
        raise Refused(str(error)) from error
    return driver


def configure(arguments: Sequence[str]) -> cfg.ConfigOpts:
    """Read the configuration and set up logging.

    :param arguments: the command line's
    :returns: the process's own configuration, which oslo.messaging consults too
    :raises Refused: a file or an option is wrong
    """
    try:
        conf = options.load(arguments, cfg.CONF, "networker-worker", ABOUT)
        logs.setup(conf)
    except cfg.Error as error:
        raise Refused(str(error)) from error
    return conf


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run ``networker-worker`` until it is told to stop."""
    try:
        conf = configure(sys.argv[1:] if arguments is None else arguments)
        check(conf).close()
        policies.warn(conf)
    except Refused as error:
        print(f"networker-worker: {error}", file=sys.stderr)
        sys.exit(error.code)
    launch = backend.get_component("launch")
    launcher = launch(conf, Worker(conf), workers=conf.networker.workers)
    sys.exit(launcher.wait())
