# SPDX-License-Identifier: Apache-2.0
"""A client that is closed, forked, interrupted or used at the very end hangs nowhere."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from networker import exceptions, rpc
from networker.testing import processes
from networker.testing.rabbitmq import Node

NOWHERE = "11111111-2222-4333-8444-555555555555"
#: What each controller begins with: `call` prints how a call ended.
BEGINNING = """
import atexit, os, signal, sys, time
from networker import conf, exceptions, rpc

configured = conf.load(["--config-file", sys.argv[1]])
client = rpc.connect(configured).with_options(timeout=10)


def call(name):
    try:
        client.get_port("%s")
    except exceptions.NetworkException as error:
        print(name, type(error).__name__, flush=True)

"""


@pytest.fixture(scope="module")
def config(
    broker: Node, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[pathlib.Path]:
    """Run a worker whose calls take a second, and return the configuration."""
    directory = tmp_path_factory.mktemp("life")
    path = processes.write(
        directory / "networker.conf",
        {
            "DEFAULT": {"transport_url": broker.url},
            "networker": {
                "driver": "sandbox",
                "topic": "life",
                "exchange": "life",
                "workers": 1,
            },
            "sandbox": {"database": directory / "sandbox.sqlite", "latency": 1},
        },
    )
    with processes.serving(path):
        yield path


def controller(config: pathlib.Path, code: str, timeout: float = 60.0) -> list[str]:
    """Run a controller's code in a process of its own; return what it printed."""
    source = BEGINNING % NOWHERE + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", source, config],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return sorted(done.stdout.splitlines())


@pytest.mark.parametrize("used", [True, False], ids=["used", "not used"])
def test_a_client_from_before_a_fork(config, used):
    """Each process that is forked has a connection of its own, and so has the first."""
    code = f"""
    if {used}:
        call("before")
    child = os.fork()
    call("child" if not child else "parent")
    if child:
        os.waitpid(child, 0)
        call("parent again")
    """
    wanted = ["child PortNotFound", "parent PortNotFound", "parent again PortNotFound"]
    wanted += ["before PortNotFound"] if used else []
    assert controller(config, code) == sorted(wanted)


def test_a_call_at_exit(config):
    """A handler of the interpreter's end can still call."""
    code = """
    call("first")
    atexit.register(call, "last")
    """
    assert controller(config, code) == ["first PortNotFound", "last PortNotFound"]


def test_a_call_when_all_is_over(config):
    """When the interpreter ends, threads have ended; so does a call, at once."""
    code = """
    class Late:
        def __del__(self, call=call):
            call("late")

    call("first")
    sys.modules["late"] = Late()
    """
    began = time.monotonic()
    assert "first PortNotFound" in controller(config, code)
    assert time.monotonic() - began < 30


def test_a_call_from_a_signal_handler(config):
    """It is answered while the thread that it interrupts waits for another call."""
    code = """
    signal.signal(signal.SIGALRM, lambda *_: call("handler"))
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    call("main")
    """
    assert controller(config, code) == ["handler PortNotFound", "main PortNotFound"]


def test_a_client_that_is_closed(config):
    """Calls under way end when it is closed, and later ones are refused, at once."""
    client = rpc.connect(processes.configuration(config))
    with pytest.raises(exceptions.PortNotFound):
        client.get_port(NOWHERE)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(client.get_port, NOWHERE) for _ in range(4)]
        time.sleep(0.3)  # some are on their way, and none is answered
        began = time.monotonic()
        client.close()
        errors = [call.exception(10) for call in calls]
    assert time.monotonic() - began < 5
    assert {type(error) for error in errors} == {exceptions.BusUnavailable}
    for caller in (client, client.cast):
        with pytest.raises(exceptions.BusUnavailable, match="closed"):
            caller.get_port(NOWHERE)
