# SPDX-License-Identifier: Apache-2.0
"""``networker top`` in a terminal, with workers on RabbitMQ."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from concurrent import futures

import pytest

from networker.testing import processes, rabbitmq
from tests.integration.test_pool import run
from tests.integration.test_worker import lookup

pytestmark = pytest.mark.timeout(240)
_SEQUENCE = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9])")


class Terminal:
    """A terminal of 80x24 in which a command runs."""

    def __init__(self, *command: object) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        environment = os.environ | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
        self.process = subprocess.Popen(
            [str(each) for each in command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
        )
        self._text = ""

    def until(self, pattern: str, timeout: float = 60.0) -> str:
        """Read until something is drawn; return all that was since the last time."""
        end = time.monotonic() + timeout
        while not re.search(pattern, self._text, re.DOTALL):
            left = end - time.monotonic()
            assert left > 0, f"{pattern!r} is not in {self._text[-3000:]}"
            if select.select([self._ours], [], [], left)[0]:
                read = os.read(self._ours, 65536).decode(errors="replace")
                self._text += _SEQUENCE.sub("", read)
        found, self._text = self._text, ""
        return found

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    def end(self, timeout: float = 30.0) -> int:
        """Return the exit code; what is still drawn is read meanwhile."""
        end = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self._ours], [], [], 0.1)[0]:
                self._text += os.read(self._ours, 65536).decode(errors="replace")
        return self.process.wait(1)

    @property
    def is_as_before(self) -> bool:
        """Whether keys are read by lines and shown, as before."""
        return termios.tcgetattr(self._theirs) == self.before

    def close(self) -> None:
        """End it, however it may be."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@contextlib.contextmanager
def top(config: pathlib.Path, *more: str) -> Iterator[Terminal]:
    """Run it in a terminal."""
    command = [processes.BIN / "networker", "--config-file", config, "top"]
    terminal = Terminal(*command, "--interval", "0.5", *more)
    try:
        yield terminal
    finally:
        terminal.close()


def test_live(configured):
    """Running calls are drawn, one is shown alone, and a key ends it."""
    config = configured(sandbox={"latency": 4})
    with processes.serving(config) as (_, client), top(config) as terminal:
        terminal.until("all is well")
        with futures.ThreadPoolExecutor(1) as threads:
            call = threads.submit(lookup, client)
            terminal.until("get_port")
            terminal.press("\r")
            terminal.until("caller.*outcome.*it runs")
            call.result()
        terminal.until("runs no more")
        terminal.press("\x1b")
        terminal.until("method.*get_port")
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.is_as_before


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_signals(configured, number, code):
    """They end it, and leave the terminal as it was."""
    with top(configured()) as terminal:
        terminal.until("no worker listens")
        terminal.process.send_signal(number)
        assert terminal.end() == code
        assert terminal.is_as_before


def test_a_broker_that_goes_and_comes(tmp_path):
    """That is said, and what is known is drawn again by itself."""
    with rabbitmq.Node() as node:
        config = processes.write(
            tmp_path / "networker.conf",
            {
                "DEFAULT": {"transport_url": node.url},
                "networker": {"driver": "sandbox", "workers": 1},
                "sandbox": {"database": tmp_path / "sandbox.sqlite"},
            },
        )
        with processes.serving(config), top(config) as terminal:
            terminal.until("all is well")
            node.stop(signal.SIGKILL)
            terminal.until("as it was .* ago: the broker")
            node.start()
            terminal.until("all is well")
            terminal.press("q")
            assert terminal.end() == 0


def test_once(configured):
    """Without a terminal it is printed once."""
    config = configured()
    with processes.serving(config):
        code, out, _ = run(config, "top", "--interval", "0.2")
    assert code == 0
    assert "all is well" in out
    assert "\x1b" not in out
    config.write_text(config.read_text().replace("rabbit://", "kombu+memory://"))
    code, _, err = run(config, "top")
    assert code == 2
    assert "only RabbitMQ" in err
