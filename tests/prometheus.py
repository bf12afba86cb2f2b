# SPDX-License-Identifier: Apache-2.0
"""Prometheus, as Debian has it, with the project's alerts."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any, Self

import requests
import tenacity
import yaml

from networker.testing import rabbitmq

ROOT = pathlib.Path(__file__).parents[1]
RULES = ROOT / "etc/prometheus/networker.rules.yml"
#: Seconds between two looks at the endpoints.
EVERY = 5
# Where `make programs` puts it: Debian's package would start a server.
_PATH = f"{ROOT}/build/prometheus/usr/bin:/usr/local/bin:/usr/bin:/bin"


def program(name: str) -> str | None:
    """Return where a program of Prometheus is; None if it is not installed."""
    return shutil.which(name, path=_PATH)


class Prometheus:
    """A server that looks at endpoints of workers, while the context lasts.

    :param path: of the program
    :param directory: for what it collects
    :param addresses: host and port of each endpoint
    """

    def __init__(
        self, path: str, directory: pathlib.Path, addresses: Sequence[str]
    ) -> None:
        directory.mkdir()
        config = directory / "prometheus.yml"
        every = f"{EVERY}s"
        contents = {
            "global": {"scrape_interval": every, "evaluation_interval": every},
            "rule_files": [str(RULES)],
            "scrape_configs": [
                {
                    "job_name": "networker",
                    "static_configs": [{"targets": list(addresses)}],
                }
            ],
        }
        config.write_text(yaml.safe_dump(contents))
        self._endpoints = len(addresses)
        address = f"127.0.0.1:{rabbitmq.free_port()}"
        self._url = f"http://{address}/api/v1"
        self._log = (directory / "prometheus.log").open("w")
        self._process = subprocess.Popen(
            [
                path,
                f"--config.file={config}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Self:
        """Wait until it answers."""
        tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(requests.RequestException),
            wait=tenacity.wait_fixed(0.2),
            stop=tenacity.stop_after_delay(60),
        )(self.firing)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def knows(self, name: str) -> bool:
        """Return whether it has a metric of each endpoint, whose increase it can see."""
        return len(self._asked("query", query=name)["result"]) == self._endpoints

    def firing(self) -> set[str]:
        """Return the names of the alerts that are raised now."""
        alerts = self._asked("alerts")["alerts"]
        return {
            each["labels"]["alertname"] for each in alerts if each["state"] == "firing"
        }

    def values(
        self, expression: str, began: float, ended: float
    ) -> dict[str, list[tuple[float, float]]]:
        """Return what an expression was, by its labels, at times between two moments."""
        asked = {"query": expression, "start": began, "end": ended, "step": EVERY}
        return {
            " ".join(each["metric"].values()): [
                (at, float(value)) for at, value in each["values"]
            ]
            for each in self._asked("query_range", **asked)["result"]
        }

    def _asked(self, what: str, **asked: Any) -> Any:
        answer = requests.get(f"{self._url}/{what}", params=asked, timeout=30)
        answer.raise_for_status()
        return answer.json()["data"]
