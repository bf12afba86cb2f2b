# SPDX-License-Identifier: Apache-2.0
"""The tools of the experiments: do they break what they are told to, and count right?"""

from __future__ import annotations

import http.server
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from typing import Any

import psutil
import pytest
import requests

from networker.drivers.sandbox.driver import SandboxDriver
from networker.testing import kit
from tests.chaos.bench import write_topology
from tests.chaos.httpproxy import HttpProxy, Rule
from tests.chaos.killers import Killer
from tests.chaos.load import Load, tally
from tests.chaos.results import Result, differences
from tests.chaos.tcpproxy import TcpProxy


@pytest.fixture
def echo():
    """A TCP server that sends back what it gets; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve_echo, args=[listener], daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def _serve_echo(listener):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_echo, args=[connection], daemon=True).start()


def _echo(connection):
    with connection:
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
        except OSError:
            return


@pytest.fixture
def proxy(echo):
    with TcpProxy(echo) as running:
        yield running


@pytest.fixture
def connect(proxy):
    made = []

    def connect() -> socket.socket:
        made.append(socket.create_connection(("127.0.0.1", proxy.port), timeout=5))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def answered(connection: socket.socket, text: bytes = b"hello") -> bytes:
    connection.sendall(text)
    got = b""
    while len(got) < len(text):
        got += connection.recv(65536)
    return got


def test_a_cut_resets_and_refuses(proxy, connect):
    """After a cut, connections are reset and refused, until all is passed on again."""
    before = connect()
    assert answered(before) == b"hello"
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        before.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect()
    proxy.resume()
    assert answered(connect()) == b"hello"


def test_a_stall_accepts_and_passes_nothing_on(proxy, connect):
    """While it stalls nothing comes through; afterwards what was sent arrives."""
    before = connect()
    assert answered(before) == b"hello"
    proxy.stall()
    during = connect()
    for connection in (before, during):
        connection.settimeout(0.2)
        connection.sendall(b"late")
        with pytest.raises(TimeoutError):
            connection.recv(4)
    proxy.resume()
    for connection in (before, during):
        connection.settimeout(5)
        assert connection.recv(4) == b"late"


def test_slow_takes_its_time(proxy, connect):
    """A thousand bytes at 5000 bytes a second take 0.2 s in each direction."""
    connection = connect()
    assert answered(connection) == b"hello"
    proxy.slow(5000)
    began = time.monotonic()
    answered(connection, b"x" * 1000)
    assert time.monotonic() - began >= 0.4


class _Service(http.server.BaseHTTPRequestHandler):
    """Counts what it serves."""

    served: list[str]

    def log_message(self, format, *args):  # noqa: A002 - the base class's
        """Log nothing."""

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.served.append(f"{self.path} {content.decode()}")
        self.send_response(201)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"made")


@pytest.fixture
def service():
    """An HTTP service; its base URL, and what it served."""
    served: list[str] = []
    handler = type("Handler", (_Service,), {"served": served})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/base", served
    server.shutdown()
    server.server_close()


@pytest.fixture
def lossy(service):
    with HttpProxy({"network": service[0]}, seed=1) as running:
        yield running


def post(proxy: HttpProxy) -> requests.Response:
    return requests.post(f"{proxy.url('network')}/ports?a=b", data="x", timeout=5)


def test_requests_are_passed_on(lossy, service):
    """Without a rule, path, query, body, status and answer arrive unchanged."""
    answer = post(lossy)
    assert (answer.status_code, answer.text) == (201, "made")
    assert service[1] == ["/base/ports?a=b x"]


@pytest.mark.parametrize(("action", "served"), [("drop-before", 0), ("drop-after", 1)])
def test_an_answer_is_lost(lossy, service, action, served):
    """The caller gets no answer either way; the service did the work or did not."""
    lossy.rules.append(Rule(action, nth=1))
    with pytest.raises(requests.ConnectionError):
        post(lossy)
    assert len(service[1]) == served
    assert post(lossy).status_code == 201


def test_another_status_and_a_delay(lossy, service):
    """A status is answered in the service's place, a delay comes before serving."""
    status = Rule("status", "POST", r"^/network/ports", nth=1, status=409)
    lossy.rules += [status, Rule("status", "GET"), Rule("delay", seconds=0.2, nth=1)]
    assert post(lossy).status_code == 409
    assert service[1] == []
    began = time.monotonic()
    assert post(lossy).status_code == 201
    assert time.monotonic() - began >= 0.2


def test_the_seed_decides_what_is_lost(service):
    """With one seed the same requests suffer, with another one others do."""

    def lost(seed: int) -> list[int]:
        with HttpProxy({"network": service[0]}, seed) as proxy:
            proxy.rules.append(Rule("status", probability=0.5, status=500))
            return [post(proxy).status_code for _ in range(20)]

    assert lost(1) == lost(1)
    assert lost(1) != lost(2)
    assert {201, 500} == set(lost(1))


def test_a_killer_kills_and_counts():
    """Every process that it may hit is ended by its signal in the end, and counted."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    started = [subprocess.Popen(command) for _ in range(2)]
    processes = [psutil.Process(each.pid) for each in started]

    def alive() -> list[psutil.Process]:
        return [
            p for p, each in zip(processes, started, strict=True) if not each.poll()
        ]

    with Killer(alive, every=0.05, seed=1) as killer:
        codes = [each.wait(30) for each in started]
    assert codes == [-signal.SIGKILL] * 2
    assert killer.hits >= 2


def test_a_figure_out_of_its_bounds_breaks_the_result():
    """Only what is within its bounds passes, and what is not is named."""
    result = Result().exactly("lost", 0, 0).at_most("slowest", 4.0, 5.0, "s")
    assert result.passed
    result.at_least("requests", 0, 1).exactly("doubled", 2, 0).note("kills", 3)
    assert result.broken == ["requests 0", "doubled 2"]
    assert (result["kills"], str(result.figures[1])) == (3, "slowest 4.00 s")


class _Idle:
    """A broker without a queue."""

    def control(self, *arguments):
        return "0"


@pytest.fixture
def load(tmp_path):
    """Callers that have made 16 operations on a sandbox in this process."""
    topology = write_topology(tmp_path / "topology.yaml")
    conf = kit.configuration(tmp_path / "sandbox.sqlite", topology=topology)
    driver = SandboxDriver(conf)
    with kit.served(conf, driver) as client:
        bench: Any = types.SimpleNamespace(
            sandbox=driver.backdoor, node=_Idle(), topic="t", connect=lambda: client
        )
        made = Load(bench, seed=1, callers=4, timeout=20)
        with made.running(at_least=16):
            pass
        yield made


def test_what_is_done_once_is_counted_as_such(load):
    """Calls and casts that took place once are neither lost nor doubled."""
    counted = tally(load)
    assert (counted.calls + counted.casts) == len(load.sent) >= 16
    assert counted.calls > 0 < counted.casts
    assert (counted.errors, counted.lost, counted.doubled, counted.wrong) == (0,) * 4


def test_what_is_missing_or_there_twice_is_counted(load):
    """A port that vanished is lost, a second one of its kind doubled and wrong."""
    load.settle()
    calls = [s for s in load.sent if s.awaited and s.purpose.startswith("octavia-lb-")]
    first, second, *_ = calls
    sandbox = load.bench.sandbox
    network_id = sandbox.ports(id=first.port_id)[0].network_id
    sandbox.delete_port(first.port_id)
    sandbox.create_port(network_id, name=second.purpose)
    sandbox.create_port(network_id, name="nobody's")
    counted = tally(load)
    assert (counted.errors, counted.lost, counted.doubled, counted.wrong) == (
        0,
        1,
        2,
        2,
    )


def test_differences_are_counted_on_both_sides():
    """An item that changed counts as one that is gone and one that came."""
    assert differences([{"a": 1}, {"b": 2}], [{"a": 1}, {"b": 3}]) == 2
    assert differences([1, 2], [2, 1]) == 0
