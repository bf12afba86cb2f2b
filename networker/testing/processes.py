# SPDX-License-Identifier: Apache-2.0
"""Worker processes for tests and demonstrations, started as an operator would."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import tenacity
from oslo_config import cfg

from networker import conf as options
from networker import exceptions, rpc

BIN = pathlib.Path(sys.executable).parent
#: Sections of a configuration file: options by group.
Settings = Mapping[str, Mapping[str, object]]


def write(path: pathlib.Path, settings: Settings) -> pathlib.Path:
    """Write a configuration file and return its path."""
    lines = []
    for group, values in settings.items():
        lines += [f"[{group}]", *(f"{k} = {v}" for k, v in values.items()), ""]
    path.write_text("\n".join(lines))
    return path


def configuration(path: pathlib.Path) -> cfg.ConfigOpts:
    """Read a configuration file as a controller in this process would."""
    return options.load(["--config-file", str(path)])


class Workers:
    """A running ``networker-worker`` with its log in a file.

    :param config: its configuration file; the log is written beside it
    """

    def __init__(self, config: pathlib.Path) -> None:
        self.log_path = config.with_suffix(".log")
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [BIN / "networker-worker", "--config-file", config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self.log_path.read_text(errors="replace")

    def terminate(self, timeout: float = 60.0) -> int:
        """Send SIGTERM, wait for the end and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def close(self) -> None:
        """End it however it may be."""
        if self.process.poll() is None:
            try:
                self.terminate(30.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def until_served(client: rpc.Client, timeout: float = 60.0) -> None:
    """Wait until workers answer."""

    def answered() -> None:
        try:
            client.with_options(timeout=5).get_network("nobody's")
        except exceptions.NetworkNotFound:
            return

    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(exceptions.Retriable),
        wait=tenacity.wait_fixed(0.1),
        stop=tenacity.stop_after_delay(timeout),
        reraise=True,
    )(answered)


@contextmanager
def serving(config: pathlib.Path) -> Iterator[tuple[Workers, rpc.Client]]:
    """Run workers and a client for them."""
    workers = Workers(config)
    try:
        with rpc.connect(configuration(config)) as client:
            until_served(client)
            yield workers, client
    finally:
        workers.close()
