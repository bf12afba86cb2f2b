# SPDX-License-Identifier: Apache-2.0
"""``networker console``, as a page that is open sees it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import httpx2

from networker.testing import processes, rabbitmq
from tests.chaos.bench import Bench, until


class OpenPage:
    """What the console's page was told last.

    :param url: of the console
    """

    def __init__(self, url: str) -> None:
        self._client = httpx2.Client(base_url=url, timeout=60)
        self._told: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._read, name="page", daemon=True)
        self._thread.start()

    def says(self, text: str) -> bool:
        """Tell whether it shows something that is not well with a text in it."""
        pool = self._told.get("pool") or {}
        lines = [*pool.get("unwell", ()), self._told.get("error") or ""]
        return any(text in line for line in lines)

    def well(self) -> bool:
        """Tell whether it shows nothing that is not well."""
        pool = self._told.get("pool") or {}
        return bool(pool) and not pool["unwell"] and not self._told.get("error")

    def pids(self) -> set[int]:
        """Return the processes that it shows."""
        pool = self._told.get("pool") or {}
        return {worker["pid"] for worker in pool.get("workers", ())}

    def _read(self) -> None:
        # The console is ended while the page is open.
        with (
            contextlib.suppress(httpx2.TransportError),
            self._client.stream("GET", "/events") as answer,
        ):
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    self._told = json.loads(line.removeprefix("data: "))


@contextlib.contextmanager
def opened_page(bench: Bench) -> Iterator[OpenPage]:
    """Run the command, and open its page."""
    address = f"127.0.0.1:{rabbitmq.free_port()}"
    program = str(processes.BIN / "networker")
    command = [program, "--config-file", str(bench.config), "console"]
    with subprocess.Popen(
        [*command, "--listen", address], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().split(": ", 1)[1].strip()
            page = OpenPage(url)
            until(page.pids, "the console to show workers")
            yield page
        finally:
            process.kill()
