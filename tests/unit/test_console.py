# SPDX-License-Identifier: Apache-2.0
"""The pages of the console, on a pool that is made up."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.testclient import TestClient

from networker import exceptions
from networker.console.app import Console
from networker.console.watch import Rates
from networker.drawing import Survey, survey
from networker.drivers.sandbox.driver import SandboxDriver
from networker.models import LoadBalancer
from networker.reports import Calls, PoolState, Worker
from networker.testing import kit

TOKEN = "t0ken-of-this-console"
LETTER = {"operation_id": "op-1", "method": "plug_vip", "fields": {"arguments": {}}}


class Pretended:
    """What the console asks, without a pool."""

    def __init__(self, driver: SandboxDriver) -> None:
        self._driver = driver
        self.state = PoolState(
            asked_at=1000.0,
            broker="127.0.0.1:5672",
            version="RabbitMQ 3.10.8",
            exchange="networker",
            topic="networker",
            workers=(Worker(host="net1", pid=4711, since=900.0),),
        )
        self.replayed: list[str] = []
        self.error: Exception | None = None
        self.asked = 0

    def pool(self) -> dict[str, Any]:
        self.asked += 1
        if self.error:
            raise self.error
        return self.state.state()

    def letters(self) -> list[dict[str, Any]]:
        if self.error:
            raise self.error
        return [LETTER]

    def replay(self, letter_id: str) -> int:
        if letter_id != "op-1":
            raise exceptions.NetworkException(f"there is no dead letter {letter_id}")
        self.replayed.append(letter_id)
        return 1

    def survey(self, load_balancer: LoadBalancer) -> Survey:
        return survey(self._driver, load_balancer)


@pytest.fixture
def sources(tmp_path):
    return Pretended(SandboxDriver(kit.configuration(tmp_path / "sandbox.sqlite")))


@pytest.fixture
def app(sources):
    return Console(sources, TOKEN, every=0.05).app(["console.example.org"])


@pytest.fixture
def client(app):
    with TestClient(app, base_url="http://localhost:9190") as client:
        yield client


class TestPages:
    def test_the_page_has_all_that_it_needs(self, client):
        """What the page loads is there, with its type, and comes from here."""
        page = client.get("/")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        loaded = re.findall(r'(?:src|href)="(/[^"#]+)"', page.text)
        assert len(loaded) == 4
        for path in loaded:
            answer = client.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-type"].split(";")[0] in {
                "text/css",
                "text/javascript",
                "image/svg+xml",
            }

    def test_nothing_is_loaded_from_elsewhere_nor_written_into_the_page(self, client):
        """The browser refuses what is not a file of the console's own."""
        page = client.get("/")
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page.text)
        assert not re.search(r"<style|style=|<script>|\son\w+=", page.text)
        policy = dict(
            part.strip().split(" ", 1)
            for part in page.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert {policy[f"{kind}-src"] for kind in ("script", "style", "connect")} == {
            "'self'"
        }
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cross-origin-resource-policy"] == "same-origin"

    def test_the_page_can_be_used_without_eyes(self, client):
        """Landmarks, one heading of the first order, captions, labels and live regions."""
        page = client.get("/").text
        for landmark in ("<header", "<nav", "<main", "<footer"):
            assert page.count(landmark) == 1
        assert page.count("<h1") == 1
        assert page.count("<table") == page.count("<caption") == 6
        assert 'aria-live="polite"' in page
        inputs = set(re.findall(r'<input id="([^"]+)"', page))
        assert inputs == set(re.findall(r'<label for="([^"]+)"', page))
        assert '<html lang="en">' in page

    def test_every_id_that_the_script_looks_for_is_there(self, client):
        """The page and its script agree."""
        page, script = client.get("/").text, client.get("/static/console.js").text
        wanted = set(re.findall(r'\b(?:by|fill)\("([a-z-]+)"', script))
        assert wanted
        assert wanted <= set(re.findall(r'\bid="([a-z-]+)"', page))


class TestGuard:
    @pytest.mark.parametrize(
        ("host", "status"),
        [
            ("localhost:9190", 200),
            ("LOCALHOST", 200),
            ("127.0.0.1:9190", 200),
            ("[::1]:9190", 200),
            ("console.example.org", 200),
            ("evil.example.org:9190", 421),
            ("localhost.evil.example.org", 421),
            ("127.0.0.1.evil.example.org", 421),
            ("", 421),
        ],
    )
    def test_a_strangers_name_leads_nowhere(self, client, host, status):
        """A page of somebody else whose name leads here is refused, and told why."""
        answer = client.get("/letters", headers={"host": host})
        assert answer.status_code == status
        assert ("op-1" in answer.text) == (status == 200)
        assert ("--allow-host" in answer.text) == (status != 200)
        assert "content-security-policy" in answer.headers

    @pytest.mark.parametrize(
        "authorization",
        [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, "Bearer töken"],
    )
    def test_replaying_needs_the_token(self, client, sources, authorization):
        """Whoever lacks the token changes nothing."""
        headers = {"authorization": authorization.encode()} if authorization else {}
        answer = client.post("/letters/op-1/replay", headers=headers)
        assert answer.status_code == 401
        assert "token" in answer.json()["error"]
        assert sources.replayed == []

    def test_nothing_is_replayed_by_a_link(self, client, sources):
        """To look at the address changes nothing, whoever does it."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        assert client.get("/letters/op-1/replay", headers=headers).status_code == 405
        assert sources.replayed == []

    def test_the_token_replays(self, client, sources):
        """With it a letter is replayed, and one that is not there is an error."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        answer = client.post("/letters/op-1/replay", headers=headers)
        assert answer.json() == {"replayed": 1}
        assert sources.replayed == ["op-1"]
        answer = client.post("/letters/op-2/replay", headers=headers)
        assert answer.status_code == 502
        assert "no dead letter op-2" in answer.json()["error"]


class TestAnswers:
    def test_letters(self, client):
        """Dead letters are told with what is in them."""
        assert client.get("/letters").json() == {"letters": [LETTER]}

    def test_a_broker_that_is_away(self, client, sources):
        """What cannot be asked is told in one line."""
        sources.error = exceptions.BusUnavailable("nobody answers at 127.0.0.1:5672")
        answer = client.get("/letters")
        assert answer.status_code == 503
        assert "nobody answers at 127.0.0.1:5672" in answer.json()["error"]

    def test_a_drawing(self, client):
        """A load balancer is drawn as picture, as text, and with its troubles."""
        asked = {"load_balancer": "lb-1", "amphora": ["a-1", "a-2=c-2"]}
        told = client.get("/drawing", params=asked).json()
        assert told["svg"].startswith("<svg")
        assert "<style" not in told["svg"]
        assert "amphora a-2 on server c-2" in told["text"]
        assert any("no security group lb-lb-1" in each for each in told["troubles"])
        assert ".networker-drawing" in client.get("/drawing.css").text

    def test_a_drawing_of_nothing(self, client):
        """Without an id there is nothing to be asked."""
        answer = client.get("/drawing")
        assert answer.status_code == 400
        assert "load_balancer.id" in answer.json()["error"]


@contextlib.contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve by HTTP, since a stream does not end in a test client."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)


def messages(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Return what a stream of events tells."""
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


class TestEvents:
    def test_changes_are_told(self, app, sources):
        """Whoever looks is told how the pool is, and again when it is otherwise."""
        with (
            served(app) as url,
            httpx2.stream("GET", f"{url}/events", timeout=20) as got,
        ):
            assert got.headers["content-type"].startswith("text/event-stream")
            stream = messages(got.iter_lines())
            first = next(stream)
            assert [each["pid"] for each in first["pool"]["workers"]] == [4711]
            assert first["error"] is None
            sources.state = PoolState(**{**_fields(sources.state), "workers": ()})
            assert next(each for each in stream if not each["pool"]["workers"])

    def test_a_pool_that_cannot_be_asked(self, app, sources):
        """What was known stays, with the reason why it is old; later it goes on."""
        with (
            served(app) as url,
            httpx2.stream("GET", f"{url}/events", timeout=20) as got,
        ):
            stream = messages(got.iter_lines())
            assert next(stream)["error"] is None
            sources.error = exceptions.BusUnavailable("nobody answers")
            told = next(each for each in stream if each["error"])
            assert told["error"] == "BusUnavailable: nobody answers"
            assert told["pool"]["workers"]
            sources.error = None
            assert next(each for each in stream if not each["error"])

    def test_what_nobody_foresaw(self, app, sources, caplog):
        """A defect ends the stream, and is logged with where it is."""
        with (
            served(app) as url,
            httpx2.stream("GET", f"{url}/events", timeout=20) as got,
        ):
            stream = messages(got.iter_lines())
            assert next(stream)["error"] is None
            sources.error = ZeroDivisionError("a defect")
            assert all(each["error"] is None for each in stream)
            sources.error = None
        (logged,) = [each for each in caplog.records if each.levelname == "CRITICAL"]
        assert "a defect" in logged.getMessage()

    def test_nobody_looks(self, app, sources):
        """The pool is asked also while nobody looks, for the rates of the hour."""
        with served(app):
            asked, end = sources.asked, time.monotonic() + 20
            while sources.asked < asked + 3:
                assert time.monotonic() < end
                time.sleep(0.02)


def _fields(state: PoolState) -> dict[str, Any]:
    return {name: getattr(state, name) for name in state.__struct_fields__}


def pool(at: float, *workers: Worker) -> dict[str, Any]:
    return PoolState(
        asked_at=at, broker="", version="", exchange="", topic="", workers=workers
    ).state()


def worker(since: float, ended: int, failed: int = 0, **more: Any) -> Worker:
    errors = {"PlugVIPException": failed} if failed else {}
    calls = Calls(method="plug_vip", ended=ended, errors=errors, seconds=ended * 0.5)
    return Worker(host="net1", pid=1, since=since, calls=(calls,), **more)


class TestRates:
    def test_only_what_grows_counts(self):
        """What a worker had counted before the console began is not of this hour."""
        rates = Rates(step=10)
        rates.note(pool(1000, worker(500, ended=100)))
        assert rates.summary()["methods"] == {}
        rates.note(pool(1004, worker(500, ended=106, failed=2)))
        told = rates.summary()
        assert told["methods"] == {"plug_vip": [6, 2, 3.0]}
        assert told["errors"] == {"PlugVIPException": 2}
        assert told["seconds"] == 4
        assert rates.curve() == [(1004, 1.5, 0.5)]

    def test_a_new_worker_counts_from_zero(self):
        """One that took another's place has all its calls within this hour."""
        rates = Rates(step=10)
        rates.note(pool(1000, worker(500, ended=100)))
        rates.note(pool(1002, worker(1001, ended=3)))
        assert rates.summary()["methods"] == {"plug_vip": [3, 0, 1.5]}

    def test_a_worker_that_hangs_is_no_loss(self):
        """What it counts when it answers again is what it did meanwhile."""
        rates = Rates(step=10)
        rates.note(pool(1000, worker(500, ended=100)))
        rates.note(pool(1002, Worker(host="net1", pid=1, since=500, hangs="silent")))
        rates.note(pool(1004, worker(500, ended=101)))
        assert rates.summary()["methods"] == {"plug_vip": [1, 0, 0.5]}

    def test_an_hour_and_no_more(self):
        """Samples are as long as they should be, and the oldest go."""
        rates = Rates(step=10)
        for number in range(2000):
            rates.note(pool(1000 + 2.0 * number, worker(500, ended=number)))
        assert len(rates.samples) == 360
        told = rates.summary()
        assert told["seconds"] == pytest.approx(3600, abs=10)
        assert told["methods"]["plug_vip"][0] == pytest.approx(1800, abs=5)
        assert all(per_second == 0.5 for _, per_second, _ in rates.curve()[1:])
