# SPDX-License-Identifier: Apache-2.0
"""The process below :mod:`networker.master` that checks a configuration and runs workers.

Exit codes: 0 stopped on request; 2 the configuration is wrong, or the broker or the cloud
refused what it says; 3 the broker or the cloud cannot be reached just now.
"""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split

import json
import logging
import os
import pathlib
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any, NoReturn

from oslo_service import backend

from networker import service
from networker.notes import SharedNotes
from networker.rpc.rabbitmq import policies
from networker.rpc.transport import open_transport
from networker.service import Refused, Worker

LOG = logging.getLogger("networker.master")
_LONGEST = 1 << 16


class Channel:
    """The way to the master; workers, which are forked, use it as well.

    :param number: the file descriptor
    """

    def __init__(self, number: int) -> None:
        self._socket = socket.socket(fileno=number)

    def tell(self, state: str, **more: object) -> None:
        """Tell the master something; it may be gone."""
        try:
            self._socket.send(json.dumps({"state": state, **more}).encode())
        except OSError as error:
            LOG.debug("the master is not there: %s", error)

    def follow(self, shared: SharedNotes) -> None:
        """Log what the master says, answer it, and drain when it is gone.

        :param shared: by which workers tell of its errors, such as a reload that is refused
        """
        while message := self._receive():
            if "ask" in message:
                self.tell("alive")
            else:
                LOG.log(message["level"], message["text"])
                if message["level"] >= logging.ERROR:
                    shared.warn(message["text"])
        LOG.error("the master is gone: the workers finish and end")
        os.kill(os.getpid(), signal.SIGTERM)

    def listen(self, address: str) -> pathlib.Path:
        """Let the master tell at an address how the workers are.

        :returns: the directory in which workers tell the master
        :raises Refused: it cannot
        """
        self.tell("listen", address=address)
        answer = self._receive() or {"error": "the master is gone"}
        if "error" in answer:
            raise Refused(answer["error"])
        return pathlib.Path(answer["directory"])

    def _receive(self) -> dict[str, Any] | None:
        try:
            message = self._socket.recv(_LONGEST)
        except OSError:
            return None
        return json.loads(message) if message else None


def end_with_threads(channel: Channel) -> None:
    """End this process when one of its threads is ended by an error.

    cotyledon supervises workers in a thread. Without it nobody would replace them, and
    workers drain when this process is gone.
    """
    process, usual = os.getpid(), threading.excepthook

    def ended(args: threading.ExceptHookArgs) -> None:
        if os.getpid() != process:  # a worker, which was forked
            usual(args)
            return
        text = f"its supervision failed: {args.exc_type.__name__}: {args.exc_value}"
        LOG.critical("%s", text)
        channel.tell("ending", text=text, code=1)
        os._exit(1)

    threading.excepthook = ended


def run(channel: Channel, arguments: Sequence[str]) -> int:
    """Check the configuration and run workers until told to stop.

    :returns: the exit code
    """
    try:
        conf = service.configure(arguments)
        listen = conf.networker.listen
        directory = channel.listen(listen) if listen else None
        report = service.check(conf)
    except Refused as error:
        channel.tell("ending", text=str(error), code=error.code)
        return error.code
    channel.tell("checked")
    policies.warn(conf, open_transport(conf))
    LOG.info("starting: %s", report)
    for text in report.warnings:
        LOG.warning("%s", text)
    end_with_threads(channel)
    workers, calls = conf.networker.workers, 2 * conf.networker.threads
    shared = SharedNotes(workers, calls)
    threading.Thread(
        target=channel.follow, args=(shared,), name="master", daemon=True
    ).start()
    launch = backend.get_component("launch")
    worker = Worker(
        conf,
        lambda: channel.tell("serving"),
        directory,
        shared,
        report.facts.get("cloud"),
    )
    return int(launch(conf, worker, workers=workers).wait() or 0)


def main() -> NoReturn:
    """Run ``python -m networker.pool CHANNEL ARGUMENT ...``, as the master does."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _module, channel, *arguments = sys.argv
    # The name under which the broker and the process list show it.
    sys.argv = ["networker-worker", *arguments]
    sys.exit(run(Channel(int(channel)), arguments))


if __name__ == "__main__":
    main()
