# SPDX-License-Identifier: Apache-2.0
"""What a worker process tells the master's endpoint about itself.

It answers on a Unix socket in the directory of the metrics, in a thread of its own. So the
master learns of workers by looking into the directory, and of one that hangs by its
silence.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pathlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from networker import drivers, exceptions
from networker.context import Context
from networker.metrics import Recorder
from networker.observer import Call

LOG = logging.getLogger(__name__)

#: Seconds without an answer of the cloud after which it is asked, and between questions.
_ASKED_EVERY = 20.0
#: Seconds after which it goes on where an answer could not be given.
_PAUSE = 0.1
#: Seconds that the cloud has to answer.
_PATIENCE = 10.0
#: Seconds since its last answer after which the cloud does not count as reachable.
REACHABLE = 60.0


class Monitor:
    """Answers what runs in this process, and whether it could serve.

    :param directory: where its socket is made
    :param recorder: knows the calls
    :param driver: is asked for the cloud where no call does
    :param condition: returns how the worker is, as :class:`networker.service.Worker` knows
    :param facts: what is told of the process besides, for JSON
    """

    def __init__(
        self,
        directory: pathlib.Path,
        recorder: Recorder,
        driver: drivers.NetworkDriver,
        condition: Callable[[], dict[str, Any]],
        facts: dict[str, Any],
    ) -> None:
        self._recorder = recorder
        self._driver = driver
        self._condition = condition
        self._facts = {"pid": os.getpid(), "since": time.time(), **facts}
        self._path = directory / f"{os.getpid()}.sock"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._ended = threading.Event()
        #: What the cloud said when it was asked last; None if it answered.
        self._cloud: str | None = "it was not asked yet"

    def start(self) -> None:
        """Begin to answer."""
        self._path.unlink(missing_ok=True)  # of a process with the same number
        self._socket.bind(str(self._path))
        self._socket.listen()
        for task in (self._answer, self._watch):
            threading.Thread(target=task, name="monitor", daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        self._ended.set()
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it was not started
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def state(self) -> dict[str, Any]:
        """Return what there is to know, for JSON."""
        return {
            **self._facts,
            **self._condition(),
            "cloud": self.cloud_trouble(),
            "cloud_answered_seconds_ago": self._ago(),
            "running": [call.state() for call in self._recorder.running],
        }

    def cloud_trouble(self) -> str | None:
        """Return why the cloud counts as not reachable; None if it is."""
        ago = self._ago()
        reachable = ago is not None and ago <= REACHABLE
        return None if reachable else self._cloud or "it did not answer lately"

    def _ago(self) -> float | None:
        """Return the seconds since the cloud answered last; None if it never has."""
        answered = self._recorder.answered
        return None if answered is None else time.monotonic() - answered

    def _answer(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._socket.accept()
                with connection:
                    connection.settimeout(1.0)
                    connection.sendall(json.dumps(self.state()).encode())
            except OSError:
                # Who asked is gone, or there are too many open files.
                self._ended.wait(_PAUSE)

    def _watch(self) -> None:
        """Ask the cloud where no call has for a while."""
        while not self._ended.is_set():
            answered = self._recorder.answered
            if answered is None or time.monotonic() - answered >= _ASKED_EVERY:
                self._ask_cloud()
            self._ended.wait(_ASKED_EVERY)

    def _ask_cloud(self) -> None:
        context = Context(deadline=time.time() + _PATIENCE)
        context.call = Call(self._recorder, "check", context)
        try:
            with context.entered():
                self._driver.check()
        except (exceptions.NetworkException, drivers.Misconfigured) as error:
            self._cloud = " ".join(str(error).split())
            if not self._ended.is_set():
                LOG.warning("the cloud cannot be reached: %s", self._cloud)
        else:
            self._cloud, self._recorder.answered = None, time.monotonic()
