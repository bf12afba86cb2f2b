# SPDX-License-Identifier: Apache-2.0
"""``networker demo`` that is ended by a signal: nothing is left of it."""

from __future__ import annotations

import os
import pathlib
import pty
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest
import tenacity

from networker.testing import processes

#: Seconds in which everything has to be over, with as many again for a loaded machine.
BOUND = 20.0
#: Seconds that a demo takes, more or less; it need not be over.
WHOLE = 12.0


def belongs(process: psutil.Process, directory: pathlib.Path) -> bool:
    """Tell whether a process has anything to do with a directory."""
    folder = pathlib.Path(f"/proc/{process.pid}")
    found = b""
    for name in ("cmdline", "environ"):
        try:
            found += (folder / name).read_bytes()
        except OSError:
            continue
    for name in ("cwd", "fd/0", "fd/1", "fd/2"):
        try:
            found += os.fsencode((folder / name).readlink())
        except OSError:
            continue
    return os.fsencode(directory) in found


def left(directory: pathlib.Path) -> list[object]:
    """Return the files and processes of demos in a directory."""
    mine = psutil.Process().pid
    found = [
        p for p in psutil.process_iter() if p.pid != mine and belongs(p, directory)
    ]
    return [*found, *directory.glob("networker-*")]


def begin(
    directory: pathlib.Path, command: list[object], **options
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(word) for word in command],
        env=os.environ | {"TMPDIR": str(directory)},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        **options,
    )


def demo(directory: pathlib.Path, log: pathlib.Path) -> subprocess.Popen[bytes]:
    """Begin a demo whose files are in a directory, in a session of its own."""
    command = [processes.BIN / "networker", "demo", "--bus", "rabbitmq"]
    with log.open("wb") as out:
        return begin(directory, command, stdout=out, stderr=subprocess.STDOUT)


def moments(number: int) -> list[tuple[signal.Signals, bool, bool, float]]:
    """Return signals, whether to the whole group, whether twice, and when."""
    chance = random.Random(10)
    return [
        (
            (signal.SIGINT, signal.SIGTERM)[n % 2],
            n // 2 % 2 == 0,
            n // 4 % 2 == 1,
            round(chance.uniform(0, WHOLE), 2),
        )
        for n in range(number)
    ]


def ended(
    directory: pathlib.Path,
    log: pathlib.Path,
    number: signal.Signals,
    group: bool,
    twice: bool,
    moment: float,
) -> float:
    """End a demo by a signal after some seconds, and return how long that took."""
    process = demo(directory, log)
    until(lambda: any(directory.iterdir()))  # Python itself has begun
    time.sleep(moment)
    if process.poll() is None:
        began = time.monotonic()
        for _ in range(1 + twice):
            (os.killpg if group else os.kill)(process.pid, number)
            time.sleep(0.02)
        assert process.wait(BOUND) == 128 + number
        took = time.monotonic() - began
        *_, line = log.read_text().splitlines()
        assert line == f"networker: ended by {number.name}, and all that it had begun"
    else:
        took = 0.0
    assert "Traceback" not in log.read_text()
    assert left(directory) == []
    return took


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize(("number", "group", "twice", "moment"), moments(6))
def test_a_signal_leaves_nothing(tmp_path, number, group, twice, moment):
    """At any moment, to one process or to all of a terminal, once or twice."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    seconds = ended(directory, tmp_path / "log", number, group, twice, moment)
    assert seconds < BOUND


@pytest.mark.usefixtures("broker")
def test_a_killed_demo_leaves_nothing(tmp_path):
    """Not even SIGKILL, while its broker starts, leaves processes or files."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    process = demo(directory, tmp_path / "log")
    until(lambda: any(directory.glob("*/networker-rabbit-*")))
    process.kill()
    assert process.wait() == -signal.SIGKILL
    until(lambda: left(directory) == [])


def until(condition) -> None:
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda held: not held),
        wait=tenacity.wait_fixed(0.1),
        stop=tenacity.stop_after_delay(BOUND),
    )(condition)


@pytest.mark.usefixtures("broker")
def test_ctrl_c_in_a_terminal(tmp_path):
    """The terminal's key ends make and all below it, and gives the cursor back."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    (tmp_path / "Makefile").write_text(
        f"demo:\n\t@{processes.BIN}/networker demo --bus rabbitmq\n"
    )
    mine, its = pty.openpty()
    code = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    code += "os.execvp(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "make", "demo"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(directory), "TERM": "xterm"},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    until(lambda: any(directory.glob("*/networker-rabbit-*")))
    os.write(mine, b"\x03")
    assert process.wait(BOUND) != 0
    shown = b""
    try:
        while piece := os.read(mine, 65536):
            shown += piece
    except OSError:  # that is how a terminal ends
        pass
    os.close(mine)
    text = shown.decode()
    assert "Traceback" not in text
    assert "networker: ended by SIGINT, and all that it had begun" in text
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")
    assert left(directory) == []


if __name__ == "__main__":
    import tempfile

    for row in moments(int(sys.argv[1])):
        with tempfile.TemporaryDirectory() as name:
            (pathlib.Path(name) / "tmp").mkdir()
            took = ended(pathlib.Path(name) / "tmp", pathlib.Path(name) / "log", *row)
            print(*row, f"over after {took:.2f} s", flush=True)
