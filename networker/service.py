# SPDX-License-Identifier: Apache-2.0
"""What ``networker-worker`` runs: the one place where bus and driver are joined."""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split

import contextlib
import dataclasses
import functools
import importlib
import logging
import pathlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

import tenacity
from oslo_config import cfg
from oslo_service import opts as service_opts
from oslo_service.backend.base import ServiceBase

from networker import conf as options
from networker import drivers, exceptions, logs, strict, traces
from networker.context import Context
from networker.drivers import base
from networker.notes import Notes, Part, SharedNotes
from networker.reporter import Question, Reporter
from networker.rpc import client
from networker.rpc.rabbitmq import broker, policies
from networker.rpc.rabbitmq.control import Control
from networker.rpc.server import Server
from networker.rpc.transport import open_transport

LOG = logging.getLogger(__name__)

ABOUT = (
    "Serve a network driver on the message bus. Broker, driver and the number of "
    "processes are read from --config-file, else from /etc/networker/networker.conf. "
    "SIGTERM drains; SIGHUP reloads, if the new configuration is right. "
    "`networker config check` tries one."
)
WRONG, UNREACHABLE = 2, 3
#: Seconds that the cloud has to answer when a worker starts.
PATIENCE = 10.0


class Worker(ServiceBase):  # type: ignore[misc]
    """One worker process: a driver behind a server.

    The master process makes it and forks; what must not be shared by processes, which is
    everything but the configuration, is made in :meth:`start`.

    :param conf: the configuration, already checked
    :param serving: called in the worker when it has begun to take requests
    :param directory: where the worker tells the master what it does; None where that does
        not want to know
    :param shared: where it tells the workers beside it
    :param cloud: where the cloud is, for those who ask the pool
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        serving: Callable[[], None] = lambda: None,
        directory: pathlib.Path | None = None,
        shared: SharedNotes | None = None,
        cloud: str | None = None,
    ) -> None:
        self._conf = conf
        self._serving = serving
        self._directory = directory
        self._shared = shared
        self._cloud = cloud
        #: A Monitor; it is loaded only where the master wants to know.
        self._monitor: Any = None
        self._control: Control[Question] | None = None
        #: Who is told of spans; None where nobody is.
        self._exporter: Any = None
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._started = threading.Lock()
        self._server: Server | None = None
        self._driver: drivers.NetworkDriver | None = None

    def start(self) -> None:
        """Make driver and server, and begin to serve as soon as the broker is there."""
        with self._started:
            try:
                self._driver = drivers.load(self._conf)
                self._exporter = traces.of_worker(self._conf)
                server = self._make_server(self._driver)
            except (drivers.Misconfigured, ValueError, cfg.Error) as error:
                # It was right when the master checked it. Another worker tries soon.
                LOG.error("this worker cannot serve: %s", " ".join(str(error).split()))
                sys.exit(WRONG)
            if self._wait_for_broker(server):
                server.start()
                self._server = server
                LOG.info("serving %s", self._conf.networker.topic)
                self._serving()

    def stop(self) -> None:
        """Take no more requests and return when those begun are answered."""
        self._stopping.set()
        with self._started:
            if self._server:
                self._server.stop()
            if self._monitor:
                self._monitor.close()
            if self._control:
                self._control.close()
            if self._shared:
                self._shared.close()
            if self._driver:
                self._driver.close()
            if self._exporter:
                self._exporter.close()
        LOG.info("drained")
        self._stopped.set()

    def wait(self) -> None:
        """Return when the worker has stopped."""
        self._stopped.wait()

    def reset(self) -> None:
        """Do nothing: on SIGHUP every worker is replaced by one with the new options."""

    def _make_server(self, driver: drivers.NetworkDriver) -> Server:
        part = self._shared.claim() if self._shared else None
        module = self._directory and importlib.import_module("networker.monitor")
        notes = module.Recorder(self._directory, part) if module else Notes(part)
        server = Server(self._conf, driver, notes, self._exporter)
        versions = _labels()
        if module:
            facts = {"threads": self._conf.networker.threads, "versions": versions}
            condition = functools.partial(self._condition, server)
            self._monitor = module.Monitor(
                self._directory, notes, driver, condition, facts
            )
            self._monitor.start()
        self._answer_questions(notes, server, part, versions)
        return server

    def _condition(self, server: Server) -> dict[str, Any]:
        """Return how this worker is, for whoever asks.

        :returns: whether it is `draining`; why no requests come, by the `bus`, None if they
            would; how many `dead_letters` there are, None if it does not know; and a
            `warning`, what its parent has to say, such as a refused reload
        """
        return {
            "draining": self._stopping.is_set(),
            "warning": self._shared.warning() if self._shared else None,
            "bus": server.trouble(),
            "dead_letters": server.dead_letters(),
        }

    def _answer_questions(
        self, notes: Notes, server: Server, part: Part | None, versions: dict[str, Any]
    ) -> None:
        """Begin to answer who asks the pool."""
        transport = open_transport(self._conf)
        if not broker.uses_rabbit(transport):
            return
        options = self._conf.networker
        facts = versions | {"driver": options.driver, "cloud_name": self._cloud}
        if options.host:
            facts["host"] = options.host
        facts["threads"] = options.threads
        condition = functools.partial(self._condition, server)
        reporter = Reporter(notes, condition, facts, self._shared)
        if self._monitor:
            reporter.cloud = self._monitor.cloud_trouble

        def changed(now: bool) -> None:
            if part:
                part.answering(now=now)

        self._control = Control(
            transport, options.topic, Question, reporter.answer, changed
        )
        self._control.start()

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


@dataclasses.dataclass(frozen=True)
class Report:
    """What a check found.

    :param facts: what is configured, and who answered
    :param warnings: what does not keep workers from serving, and is not right either
    """

    facts: Mapping[str, str]
    warnings: Sequence[str] = ()

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.facts.items())


def check(conf: cfg.ConfigOpts, *, rights: bool = False) -> Report:
    """Find out whether a worker could serve with this configuration.

    :param rights: whether to ask what the broker's user may do, which leaves lines in the
        broker's log
    :returns: what was found; driver and connections are closed again
    :raises Refused: saying what has to be mended
    """
    with _refusing():
        try:
            driver = drivers.load(conf)
        except drivers.Misconfigured as error:
            # Perhaps because it is not set, but something misspelt is.
            names(conf)
            raise Refused(str(error)) from error
        with contextlib.closing(driver):
            return _check(conf, driver, rights)


def check_caller(conf: cfg.ConfigOpts) -> Report:
    """Find out whether a controller with this configuration could make calls.

    Of its files, only networker's own groups are looked at.

    :raises Refused: saying what has to be mended
    """
    with _refusing():
        strict.register(conf, strict.CALLERS)
        wrong = [each.text for each in strict.unknown(conf, strict.CALLERS)]
        wrong += strict.values(conf)
        if wrong:
            raise Refused("; ".join(wrong))
        facts, warnings = client.check(conf)
        return Report(facts | versions(), warnings)


def _check(conf: cfg.ConfigOpts, driver: drivers.NetworkDriver, rights: bool) -> Report:
    traces.check_worker(conf)
    server = Server(conf, driver)
    service_opts.register_service_opts(conf)
    warnings = names(conf)
    wrong = strict.values(conf)
    if wrong:
        raise Refused("; ".join(wrong))
    with Context(deadline=time.time() + PATIENCE).entered():
        warnings += driver.check() or []
    server.probe()
    facts = {"driver": conf.networker.driver, **driver.describe(), **server.describe()}
    if rights:
        facts |= server.rights()
        warnings += policies.complaints(conf, open_transport(conf))
    return Report(facts | versions(), warnings)


def names(conf: cfg.ConfigOpts) -> list[str]:
    """Look for names in the files that mean nothing.

    :returns: those in other libraries' groups
    :raises Refused: there are some in groups of networker, or groups that nobody knows
    """
    found = strict.unknown(conf)
    wrong = [each.text for each in found if each.ours]
    if wrong:
        raise Refused("; ".join(wrong))
    return [each.text for each in found]


def versions() -> dict[str, str]:
    """Return the versions of what a worker or a caller consists of."""
    return {name: metadata.version(name) for name in ("networker", "oslo.messaging")}


def _labels() -> dict[str, Any]:
    """Return versions by names that labels of metrics can have."""
    known = versions()
    return {
        "version": known["networker"],
        "oslo_messaging": known["oslo.messaging"],
        "interface": base.INTERFACE_VERSION,
    }


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Turn what says that a configuration does not work into :class:`Refused`."""
    try:
        yield
    except exceptions.BusUnavailable as error:
        raise Refused(str(error), WRONG if error.refused else UNREACHABLE) from error
    except exceptions.CloudUnavailable as error:
        raise Refused(str(error), UNREACHABLE) from error
    except (drivers.Misconfigured, ValueError, cfg.Error) as error:
        raise Refused(str(error)) from error


def configure(arguments: Sequence[str]) -> cfg.ConfigOpts:
    """Read the configuration and set up logging.

    :param arguments: the command line's
    :returns: the process's own configuration, which oslo.messaging consults too
    :raises Refused: a file or an option is wrong
    """
    try:
        logs.quieten()
        conf = options.load(arguments, cfg.CONF, "networker-worker", ABOUT)
        logs.setup(conf)
    except (cfg.Error, ValueError, OSError) as error:
        raise Refused(str(error)) from error
    return conf
