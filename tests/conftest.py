# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split

import gc
import logging
import os
import pathlib
import signal
import warnings
from collections.abc import Iterator

import pytest

from networker import cli
from networker.context import current
from networker.testing import rabbitmq

#: What takes minutes: every fault at every request, a broker that fails in every way,
#: clusters, signals at any moment. `make test-long` runs it, and tests that are marked so.
LONG = (
    "faults/test_adoption.py",
    "faults/test_crash_points.py",
    "faults/test_rollback_matrix.py",
    "faults/test_twins.py",
    "functional/test_call_help.py",
    "functional/test_write_a_driver.py",
    "integration/test_bench.py",
    "integration/test_call_queue.py",
    "integration/test_chaos.py",
    "integration/test_cluster.py",
    "integration/test_config_check.py",
    "integration/test_console.py",
    "integration/test_demo.py",
    "integration/test_endpoint.py",
    "integration/test_junk.py",
    "integration/test_outcomes.py",
    "integration/test_policies.py",
    "integration/test_pool.py",
    "integration/test_quiet.py",
    "integration/test_quiet_limits.py",
    "integration/test_reload.py",
    "integration/test_top.py",
    "integration/test_traces.py",
)


def pytest_configure() -> None:
    """Let programs that tests start have SIGINT; a shell in the background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def nobodys_thread() -> Iterator[None]:
    """Let each test begin without a current context, and leave none to the next."""
    with current(None):
        yield


@pytest.fixture
def run(config, capsys):
    """Run the command with `config`; return its exit code and what it printed."""

    def command(*arguments):
        handlers = logging.root.handlers[:]
        code: int | str
        try:
            code = cli.main(["--config-file", str(config), *map(str, arguments)])
        except SystemExit as exited:
            code = exited.code or 0
        finally:
            logging.root.handlers[:] = handlers
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return command


@pytest.fixture(scope="session")
def broker() -> Iterator[rabbitmq.Node]:
    """A private RabbitMQ node; an error in CI where there is none, a skip at home."""
    if not rabbitmq.installed():
        text = "RabbitMQ is not installed: apt-get install rabbitmq-server"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    with rabbitmq.Node() as node:
        yield node


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long; excuse sockets that py-amqp leaves when it loses its broker."""
    here = pathlib.Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            path = item.path.relative_to(here)
            if any(path.is_relative_to(one) for one in LONG):
                item.add_marker(pytest.mark.long)
        if item.path.parent in (here / "integration", here / "chaos"):
            ignored = "ignore:unclosed <socket:ResourceWarning"
            item.add_marker(pytest.mark.filterwarnings(ignored))


@pytest.fixture(scope="module", autouse=True)
def own_sockets() -> Iterator[None]:
    """Let sockets that nobody closed be found in the module that has left them.

    What a module's last test logged keeps some of those that are excused until the next
    module begins.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    yield
    gc.collect()
