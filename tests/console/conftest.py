# SPDX-License-Identifier: Apache-2.0
"""A pool, its console and a browser, as an operator has them."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from networker import rpc
from networker.drivers.sandbox.backdoor import Backdoor
from networker.drivers.sandbox.driver import SandboxDriver
from networker.testing import processes

# Fixtures that are needed here, too.
from tests.integration.conftest import configured  # noqa: F401
from tests.integration.test_console import began
from tests.integration.test_dead import bury, channel, topic  # noqa: F401

CHROMIUM = shutil.which("chromium")
#: Where the pictures of the documents are written, if they are wanted.
PICTURES = os.environ.get("PICTURES")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium without a window; an error in CI where there is none."""
    if importlib.util.find_spec("playwright") is None or CHROMIUM is None:
        text = "run `make test-console`, which installs Chromium and playwright"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    with importlib.import_module("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


def errors(said: Any) -> list[str]:
    """Return what the browser complains of, if it does."""
    return [said.text] if said.type == "error" else []


@pytest.fixture
def page(browser) -> Iterator[Any]:
    """A page in which nothing is wrong, by the browser's own words."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.set_default_timeout(30_000)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.extend(errors(said)))
        yield page
        # What was refused by its status is refused on purpose.
        assert [c for c in complaints if "the server responded with" not in c] == []


@pytest.fixture
def config(configured):  # noqa: F811
    return configured(networker={"threads": 2}, sandbox={"latency": 0.3})


@dataclasses.dataclass
class Operated:
    """What an operator has.

    :param url: of the console
    :param token: that it printed
    """

    url: str
    token: str
    workers: processes.Workers
    client: rpc.Client
    sandbox: Backdoor


@pytest.fixture
def operated(config: pathlib.Path) -> Iterator[Operated]:
    """Run workers and the console."""
    with processes.serving(config) as (workers, client), began(config) as console:
        sandbox = SandboxDriver(processes.configuration(config)).backdoor
        yield Operated(console.url, console.token, workers, client, sandbox)
