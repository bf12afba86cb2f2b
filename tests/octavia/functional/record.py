# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin that writes what became of each test into a file."""

from __future__ import annotations

import collections
import json
import pathlib
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", type=pathlib.Path, help="file for the outcomes")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Record(config.getoption("--record")))


class Record:
    """The outcomes of all tests, and the calls that a backend answered in all processes."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._outcomes: dict[str, str] = {}
        self._calls: collections.Counter[str] = collections.Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[report.nodeid] = report.outcome

    def pytest_testnodedown(self, node: Any) -> None:
        self._calls.update(getattr(node, "workeroutput", {}).get("calls", {}))

    def pytest_sessionfinish(self) -> None:
        record = {"outcomes": self._outcomes, "calls": dict(self._calls)}
        self._path.write_text(json.dumps(record))
