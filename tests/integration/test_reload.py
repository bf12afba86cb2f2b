# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: a configuration is checked before it replaces what runs; who ends with whom."""

from __future__ import annotations

import contextlib
import os
import pathlib
import resource
import signal
import socket
import time
from collections.abc import Iterator

import psutil
import pytest

from networker.testing import processes, rabbitmq
from tests.integration.test_worker import children, eventually, lookup
from tests.trees import workers_of

REFUSED = "reload refused, the workers go on as they are: "


@pytest.fixture
def one(configured):
    """Write a configuration of one worker process."""
    return configured(networker={"workers": 1})


def reload(workers: processes.Workers) -> None:
    workers.process.send_signal(signal.SIGHUP)


def refusals(workers: processes.Workers) -> list[str]:
    """Return why reloads were refused, as the log tells."""
    found = [line.partition(REFUSED) for line in workers.log.splitlines()]
    return [why for _, said, why in found if said]


def pools(workers: processes.Workers) -> list[psutil.Process]:
    return psutil.Process(workers.process.pid).children()


@contextlib.contextmanager
def started(config) -> Iterator[processes.Workers]:
    """Run workers without waiting until they serve."""
    workers = processes.Workers(config)
    try:
        yield workers
    finally:
        workers.close()


@pytest.mark.timeout(300)
def test_what_is_wrong_changes_nothing(one):
    """Whatever is wrong, one line says what, and the same workers serve; once it is mended
    they are replaced."""
    right = one.read_bytes()
    nowhere = f"rabbit://127.0.0.1:{rabbitmq.free_port()}/"
    more = {
        "driver = nuetron: no such driver": "[networker]\ndriver = nuetron",
        "did you mean [sandbox]?": "[sanbox]\nlatency = 1",
        "cannot be reached": f"[DEFAULT]\ntransport_url = {nowhere}",
        "/none/networker.log": "[DEFAULT]\nlog_file = /none/networker.log",
        "is not UTF-8": "# \xff",
        "one.conf": None,
    }
    with processes.serving(one) as (workers, client):
        before = children(workers)
        for number, (text, lines) in enumerate(more.items(), 1):
            if lines:
                one.write_bytes(right + b"\n" + lines.encode("latin-1") + b"\n")
            else:
                one.unlink()
            reload(workers)
            eventually(lambda number=number: len(refusals(workers)) == number, 60)
            assert text.replace("one.conf", one.name) in refusals(workers)[-1]
            assert children(workers) == before
            assert len(pools(workers)) == 1
        assert lookup(client)
        assert "Traceback" not in workers.log
        assert "drained" not in workers.log
        one.write_bytes(right)
        reload(workers)
        eventually(lambda: not set(children(workers)) & set(before), 60)
        assert lookup(client)
        assert len(refusals(workers)) == len(more)
        assert workers.terminate() == 0


def test_what_follows_a_reload(one):
    """Workers, threads, level and place of the log are those of the new file."""
    elsewhere = one.with_name("elsewhere.log")
    with processes.serving(one) as (workers, client):
        before = set(children(workers))
        text = one.read_text().replace("workers = 1", "workers = 2")
        more = f"[DEFAULT]\ndebug = true\nlog_file = {elsewhere}\n"
        one.write_text(f"{text}\n{more}")
        reload(workers)
        eventually(lambda: len(set(children(workers)) - before) == 2, 60)
        eventually(lambda: not set(children(workers)) & before, 60)
        lookup(client)
        eventually(lambda: "get_port" in elsewhere.read_text())
        assert " DEBUG " in elsewhere.read_text()
        one.write_text(one.read_text().replace("workers = 2", "workers = 1"))
        before = set(children(workers))
        reload(workers)
        eventually(lambda: len(children(workers)) == 1, 60)
        assert not set(children(workers)) & before
        assert lookup(client)


def test_reloads_in_quick_succession(one):
    """The last one counts; nothing is left of the others."""
    with processes.serving(one) as (workers, client):
        before = children(workers)
        for _ in range(4):
            reload(workers)
            time.sleep(0.1)
        eventually(lambda: len(pools(workers)) == 1 and children(workers), 60)
        eventually(lambda: not set(children(workers)) & set(before), 60)
        assert lookup(client)
        assert refusals(workers) == []


def test_sigterm_while_a_reload_is_checked(one):
    """Everything ends, with 0, and no process is left."""
    with processes.serving(one) as (workers, _):
        reload(workers)
        eventually(lambda: len(pools(workers)) == 2)
        tree = psutil.Process(workers.process.pid).children(recursive=True)
        assert workers.terminate() == 0
        assert not [process for process in tree if process.is_running()]


def test_sigint_ends_everything_at_once(one):
    """There is no process left, whatever it was doing."""
    with processes.serving(one) as (workers, _):
        tree = psutil.Process(workers.process.pid).children(recursive=True)
        workers.process.send_signal(signal.SIGINT)
        assert workers.process.wait(30) == 1
        eventually(lambda: not [each for each in tree if each.is_running()])


def test_whatever_ends_the_pool_ends_the_master(one):
    """Where its pool is killed, the master says so in one line and ends with an error."""
    with processes.serving(one) as (workers, _):
        tree = children(workers)
        begun = len(workers.log)
        pools(workers)[0].kill()
        assert workers.process.wait(30) == 1
        said = [
            line
            for line in workers.log[begun:].splitlines()
            if line.startswith("networker-worker: ")
        ]
        assert len(said) == 1
        assert "the process that runs the workers is gone" in said[0]
        assert "SIGKILL" in said[0]
        eventually(lambda: not [pid for pid in tree if psutil.pid_exists(pid)], 60)
        assert "drained" in workers.log[begun:]


def test_whatever_ends_the_supervision_ends_the_master(one):
    """Where workers can not be replaced, all ends with an error that says why."""
    with processes.serving(one) as (workers, _):
        (pool,) = pools(workers)
        begun = len(workers.log)
        # There is no file left for a new process's pipe.
        limit = pool.num_fds()
        pool.rlimit(resource.RLIMIT_NOFILE, (limit, limit))
        for worker in workers_of(workers.process.pid):
            worker.kill()
        assert workers.process.wait(60) == 1
        (said,) = [
            line
            for line in workers.log[begun:].splitlines()
            if line.startswith("networker-worker: ")
        ]
        assert "Too many open files" in said
        assert "Traceback" not in workers.log[begun:]


def test_a_pool_without_its_master_drains(one):
    """After kill -9 of the master nothing is left, and nothing was cut off."""
    with processes.serving(one) as (workers, _):
        tree = psutil.Process(workers.process.pid).children(recursive=True)
        workers.process.kill()
        workers.process.wait()
        eventually(lambda: not [each for each in tree if each.is_running()], 60)
        assert "the master is gone" in workers.log
        assert "drained" in workers.log


class Systemd:
    """What systemd is told by whoever has its address.

    :param path: of the socket
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))

    def told(self, within: float = 60.0) -> dict[str, str]:
        """Return the next message; raise TimeoutError when there is none."""
        self.socket.settimeout(within)
        lines = self.socket.recv(4096).decode().split("\n")
        parts = [line.partition("=") for line in lines]
        return {name: value for name, _, value in parts}

    def quiet(self, seconds: float) -> bool:
        """Tell whether nothing comes for a while."""
        try:
            self.told(seconds)
        except TimeoutError:
            return True
        return False

    def until(self, name: str) -> dict[str, str]:
        """Return the first message that has an assignment."""
        while name not in (told := self.told()):
            pass
        return told


@pytest.fixture
def systemd(monkeypatch, tmp_path) -> Iterator[Systemd]:
    """Be the systemd of whatever is started."""
    # Not an abstract address, though it has an @.
    path = tmp_path / "notify@1"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    found = Systemd(path)
    with found.socket:
        yield found


def test_systemd_is_told(one, systemd):
    """It is told that workers serve, that a reload begins and how it ends, and of the
    end."""
    with started(one) as workers:
        assert systemd.told() == {"STATUS": "checking the configuration"}
        assert systemd.told() == {"READY": "1", "STATUS": "serving"}
        right = one.read_text()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        for text, status in (
            (
                right.replace("= sandbox\n", "= nuetron\n"),
                f"serving; {REFUSED}[networker] driver = nuetron: no such driver",
            ),
            (right, "serving"),
        ):
            one.write_text(text)
            reload(workers)
            begun = systemd.told()
            assert begun["RELOADING"] == "1"
            assert int(begun["MONOTONIC_USEC"]) >= before
            assert begun["STATUS"] == "serving; checking a new configuration"
            ended = systemd.told()
            assert ended["READY"] == "1"
            assert ended["STATUS"].startswith(status)
        workers.process.send_signal(signal.SIGTERM)
        ended = systemd.told()
        assert ended["STOPPING"] == "1"
        assert ended["STATUS"].startswith("draining")
        assert workers.process.wait(60) == 0


def test_systemd_is_told_what_ended_the_pool(one, systemd):
    """`systemctl status` has the reason."""
    with started(one) as workers:
        systemd.until("READY")
        pools(workers)[0].kill()
        assert "SIGKILL" in systemd.told()["STATUS"]
        assert workers.process.wait(30) == 1


def test_the_watchdog(one, systemd, monkeypatch):
    """It is fed while master and pool go on, and not when the process that replaces
    workers hangs."""
    monkeypatch.setenv("WATCHDOG_USEC", "800000")
    fed = {"WATCHDOG": "1"}
    with started(one) as workers:
        systemd.until("READY")
        assert [systemd.told() for _ in range(3)] == [fed, fed, fed]
        (pool,) = pools(workers)
        pool.suspend()
        # One answer may have come just before.
        assert systemd.quiet(2) or systemd.quiet(2) or systemd.quiet(2)
        pool.resume()
        assert systemd.told() == fed


def test_a_watchdog_of_another_process(one, systemd, monkeypatch):
    """It is left alone."""
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    with started(one) as workers:
        assert "STATUS" in systemd.told()
        assert "READY" in systemd.told()
        assert workers.terminate() == 0
        assert "STOPPING" in systemd.told()
