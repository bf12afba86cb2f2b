# SPDX-License-Identifier: Apache-2.0
"""Where workers can tell how they are, who is ready, and what a worker tells."""

from __future__ import annotations

import contextlib
import socket

import pytest
from oslo_config import cfg
from prometheus_client import values

from networker import conf as options
from networker import exceptions, listening, monitor
from networker.drivers.sandbox.driver import SandboxDriver
from networker.endpoint import Endpoints, readiness, reports
from networker.metrics import Recorder
from networker.testing import kit


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9191", ("127.0.0.1", 9191)),
        ("localhost:1", ("localhost", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("/run/networker/health.sock", "/run/networker/health.sock"),
    ],
)
def test_addresses(text, address):
    """An address is a host and a port, or a path."""
    assert listening.parse(text) == address


@pytest.mark.parametrize(
    "text", ["9191", ":9191", "host", "host:0", "host:65536", "::1:9191", "run/x.sock"]
)
def test_what_is_no_address(text, tmp_path):
    """Whoever reads the option says what is wrong, and what it should be."""
    path = tmp_path / "networker.conf"
    path.write_text(f"[networker]\nlisten = {text}\n")
    with pytest.raises((cfg.Error, ValueError)) as raised:
        options.load(["--config-file", str(path)])
    assert "listen" in str(raised.value)
    assert "127.0.0.1:9191" in str(raised.value)


def worker(**more: object) -> dict[str, object]:
    return {"pid": 7, "draining": False, "bus": None, "cloud": None, **more}


def test_one_that_serves_is_enough():
    """Nothing is wrong with a host as long as one of its workers serves."""
    told = [
        worker(),
        worker(bus="gone"),
        worker(draining=True),
        {"pid": 1, "hangs": "x"},
    ]
    assert readiness(told, draining=False) == []


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ([], "no worker has begun to serve"),
        ([worker(bus="not subscribed")], "worker 7: broker: not subscribed"),
        ([worker(cloud="HTTP 503")], "worker 7: cloud: HTTP 503"),
        ([worker(draining=True)], "worker 7: draining"),
        ([{"pid": 7, "hangs": "no answer"}], "worker 7: no answer"),
    ],
)
def test_why_nobody_serves(told, why):
    """The reason is told for each worker."""
    assert readiness(told, draining=False) == [why]
    (line,) = readiness(told, draining=True)
    assert line.startswith("draining")


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    return Recorder(tmp_path)


class Away(SandboxDriver):
    """A driver whose cloud does not answer."""

    def check(self) -> None:
        raise exceptions.CloudUnavailable(orig_msg="HTTP 503:\nnobody")


def test_a_cloud_that_is_away(tmp_path, recorder):
    """A worker whose cloud does not answer says so in the cloud's words; one whose cloud
    answers again is ready."""
    conf = kit.configuration(tmp_path / "sandbox.sqlite")
    away, there = (
        monitor.Monitor(tmp_path, recorder, driver(conf), dict, {})
        for driver in (Away, SandboxDriver)
    )
    with contextlib.closing(away), contextlib.closing(there):
        assert away.state()["cloud"] == "it was not asked yet"
        away._ask_cloud()
        assert "HTTP 503: nobody" in away.state()["cloud"]
        there._ask_cloud()
        assert away.state()["cloud"] is None


def test_workers_are_found_by_their_sockets(tmp_path, recorder):
    """Who answers is told of; who was killed is forgotten."""
    driver = SandboxDriver(kit.configuration(tmp_path / "sandbox.sqlite"))
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(tmp_path / "1.sock"))
    condition = {"draining": False, "bus": "away"}
    one = monitor.Monitor(tmp_path, recorder, driver, lambda: condition, {"threads": 4})
    one.start()
    try:
        (told,) = reports(tmp_path)
        assert (told["threads"], told["bus"], told["running"]) == (4, "away", [])
        condition["draining"] = True
        assert reports(tmp_path)[0]["draining"]
    finally:
        one.close()
    assert reports(tmp_path) == []
    assert list(tmp_path.glob("*.sock")) == []


def test_a_path_that_was_left_over(tmp_path):
    """A socket that nobody listens on is replaced; a file, or one that somebody listens
    on, is not."""
    path = tmp_path / "health.sock"
    with listening.bind(str(path)), pytest.raises(OSError, match="in use"):
        listening.bind(str(path))
    listening.bind(str(path)).close()
    listening.release(str(path))
    path.write_text("mine")
    with pytest.raises(OSError, match="in use"):
        listening.bind(str(path))
    assert path.read_text() == "mine"


def test_unknown_pages_are_told(tmp_path):
    """Who asks for what is not there is told what is."""
    path = str(tmp_path / "health.sock")
    served = Endpoints(lambda: False, lambda: False)
    try:
        assert "directory" in served.open("pool", path)
        answer = listening.ask(path, "/")
        assert (answer.status, "/readyz" in answer.text) == (404, True)
        assert listening.ask(path, "/livez").status == 503
        assert listening.taken(path) is None
    finally:
        served.close()
