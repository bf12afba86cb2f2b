# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: a configuration is checked before it replaces what runs; who ends with whom."""

from __future__ import annotations

import contextlib
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


def test_systemd_is_told(one, monkeypatch, tmp_path):
    """It is told that workers serve, and why a reload was refused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(tmp_path / "notify"))
        notified.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with started(one) as workers:
            assert notified.recv(4096) == b"READY=1\nSTATUS=serving"
            one.write_text(one.read_text().replace("= sandbox\n", "= nuetron\n"))
            reload(workers)
            told = notified.recv(4096).decode()
        assert told.startswith(f"STATUS={REFUSED}[networker] driver = nuetron")
