# SPDX-License-Identifier: Apache-2.0
"""Whatever the broker does short of dying, both ends notice, say so once, and go on."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import amqp
import pytest
import tenacity
from kombu.connection import Connection

from networker import exceptions, rpc
from networker.rpc.rabbitmq.caller import Caller
from networker.testing import processes
from networker.testing.rabbitmq import Node
from tests.chaos.bench import until
from tests.rabbitmq import STOCK_OPTIONS

NOWHERE = "11111111-2222-4333-8444-555555555555"
#: Seconds in which everything is to be as before. It is said to take 2, which
#: `make chaos ONLY=quiet` measures; other tests run beside these.
SOON = 20.0
MODES: dict[str, dict[str, object]] = {
    "transient": {},
    "durable": {"calls": "durable"},
    # The exchange of the others is durable, which oslo.messaging's own is not.
    "at-most-once": {"delivery": "at-most-once"},
}
#: Each asks a broker's command line again and again, which takes its time.
pytestmark = pytest.mark.timeout(400)
OURS = [mode for mode in MODES if mode != "at-most-once"]


class Site:
    """Two worker processes, a client for them, and a look at the broker's queues."""

    def __init__(
        self,
        node: Node,
        config: pathlib.Path,
        workers: processes.Workers,
        client: rpc.Client,
    ) -> None:
        self.node, self.config = node, config
        self.workers, self.client = workers, client
        self.mode = self.waits_in = ""
        conf = processes.configuration(config)
        self.topic, self.exchange = conf.networker.topic, conf.networker.exchange

    @property
    def calls_queue(self) -> str:
        """The queue in which calls wait."""
        name = f"{self.topic}.calls"
        return self.topic if self.consumers(name) is None else name

    def waiting(self) -> int:
        """Return how many calls wait on the broker."""
        counts = self._counts(self.waits_in)
        assert counts
        return counts[0]

    @property
    def reply_queue(self) -> str:
        """The queue for this client's answers."""
        delivery = self.client._bus._caller
        assert isinstance(delivery, Caller)
        assert delivery._link
        return delivery._link._name

    def properties(self, prefix: str) -> set[str]:
        """Return what queues are whose names begin alike."""
        listed = self.node.control("list_queues", "name", "durable", "arguments")
        return {row for row in listed.splitlines() if row.startswith(prefix)}

    def consumers(self, name: str) -> int | None:
        """Return how many consume from a queue, None if there is none."""
        counts = self._counts(name)
        return counts and counts[1]

    def _counts(self, name: str) -> tuple[int, int] | None:
        """Return how many messages wait in a queue, and how many consume from it.

        It is asked of the queue itself: lists have it of quorum queues as it was up to five
        seconds ago.
        """
        with self.amqp() as connection:
            try:
                found = connection.channel().queue_declare(name, passive=True)
            except amqp.NotFound:
                return None
        return found.message_count, found.consumer_count

    def delete_queue(self, name: str) -> None:
        """Delete a queue, by hand as it were."""
        self.node.control("delete_queue", name)

    def amqp(self) -> Connection:
        """Return a connection of somebody else's."""
        return Connection(self.node.url.replace("rabbit", "amqp", 1))

    def serves(self, timeout: float = SOON) -> None:
        """Make sure that a call is answered and a cast is run within so many seconds."""
        began = time.monotonic()
        with pytest.raises(exceptions.PortNotFound):
            self.client.with_options(timeout=timeout).get_port(NOWHERE)
        port = str(uuid.uuid4())
        self.client.with_options(timeout=timeout).cast.get_port(port)
        until(lambda: port in self.workers.log, "the cast to run", timeout)
        assert time.monotonic() - began < timeout

    def told(self, since: int, *words: str) -> list[str]:
        """Return the warnings of the workers since then that have these words."""
        lines = self.workers.log[since:].splitlines()
        lines = [line for line in lines if " WARNING " in line]
        return [line for line in lines if all(word in line for word in words)]


@contextlib.contextmanager
def site_of(
    broker: Node,
    directory: pathlib.Path,
    mode: str,
    latency: float = 0.0,
    **options: object,
) -> Iterator[Site]:
    """Run workers and a client in one of the modes."""
    names = {"topic": f"t-{uuid.uuid4()}", "exchange": f"x-{uuid.uuid4()}"}
    numbers: dict[str, object] = {"workers": 2, "threads": 4, "pool_timeout": 5}
    settings: dict[str, dict[str, object]] = {
        "DEFAULT": {"transport_url": broker.url},
        "networker": {
            "driver": "sandbox",
            **names,
            **numbers,
            **MODES[mode],
            **options,
        },
        "sandbox": {"database": directory / "sandbox.sqlite", "latency": latency},
    }
    if mode == "at-most-once":
        settings["oslo_messaging_rabbit"] = {**STOCK_OPTIONS}
    config = processes.write(directory / "networker.conf", settings)
    with processes.serving(config) as (workers, client):
        count = int(str(settings["networker"]["workers"]))
        until(lambda: workers.log.count(" serving ") == count, "all workers")
        site = Site(broker, config, workers, client)
        site.mode = mode
        site.serves(20)
        yield site


@pytest.fixture(scope="module", params=MODES)
def site(
    request: pytest.FixtureRequest,
    broker: Node,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Run a site in each mode."""
    with site_of(broker, tmp_path_factory.mktemp("quiet"), request.param) as found:
        yield found


@pytest.mark.parametrize("name", ["", ".calls", ".dead", "reply"])
def test_a_queue_is_deleted(site, name):
    """It is declared again as it was, consumed from as before, and that is told once."""
    wanted = site.reply_queue if name == "reply" else site.topic + name
    consumers = site.consumers(wanted)
    if consumers is None:
        pytest.skip("this mode has no such queue")
    before = site.properties(wanted)
    for _ in range(2):
        mark = len(site.workers.log)
        site.delete_queue(wanted)
        until(lambda: site.consumers(wanted) == consumers, "consumers", 2 * SOON)
        site.serves()
        if site.mode in OURS and name != "reply":
            assert 1 <= len(site.told(mark, wanted)) <= 2
    assert site.properties(wanted) == before


def test_an_exchange_is_deleted(site):
    """Workers declare it and bind their queues again, for whoever publishes to it."""
    if site.mode not in OURS:
        pytest.skip("oslo.messaging's own driver does not look")
    mark = len(site.workers.log)
    names = site.exchange, f"{site.topic}.dead"
    with site.amqp() as connection:
        for name in names:
            connection.channel().exchange_delete(name)
        connection.channel().queue_unbind(f"{site.topic}.dead", names[1], names[1])

        def bound() -> bool:
            bindings = site.node.control(
                "list_bindings", "source_name", "destination_name"
            )
            return f"{names[0]}\t{site.topic}" in bindings and (
                f"{names[1]}\t{names[1]}" in bindings
            )

        until(bound, "the bindings", SOON)
        assert site.told(mark, "is declared again")
        # As oslo.messaging's own client would.
        request = {"method": "get_port", "args": {"port_id": NOWHERE}}
        request |= {"namespace": "network", "version": "1.0"}
        mark = len(site.workers.log)
        connection.Producer().publish(
            json.dumps(request),
            exchange=site.exchange,
            routing_key=site.topic,
            content_type="application/json",
        )
        until(lambda: "get_port" in site.workers.log[mark:], "the cast to run", SOON)
    site.serves()


@pytest.mark.parametrize("mode", OURS)
def test_waiting_calls_are_asked_for_again(broker, tmp_path, mode):
    """What waited in a deleted queue, or for a deleted queue, is sent again in its time."""
    with (
        site_of(broker, tmp_path, mode, latency=1.5, workers=1, threads=1) as site,
        ThreadPoolExecutor(6) as pool,
    ):
        caller = site.client.with_options(timeout=40)
        site.waits_in = site.calls_queue
        for queue in (site.waits_in, site.reply_queue):
            waiting = [pool.submit(caller.get_port, NOWHERE) for _ in range(6)]
            until(lambda: site.waiting() >= 3, "calls to wait", every=0.01)
            site.delete_queue(queue)
            for call in waiting:
                assert isinstance(call.exception(40), exceptions.PortNotFound)


def test_access_is_refused_for_a_while(broker, tmp_path):
    """While it lasts, callers hear the broker's own words at once; then all goes on."""
    user = f"u{uuid.uuid4().hex}"
    broker.control("add_user", user, "secret")

    def permit(what: str) -> None:
        broker.control("set_permissions", user, what, what, what)

    permit(".*")
    login = broker.url_of("", f"{user}:secret")
    options = {"transport_url": login}
    with site_of(broker, tmp_path, "transient", **options) as site:
        permit("^$")
        mark = len(site.workers.log)
        for name in connections(broker, user):
            broker.control("close_connection", name, "by hand")
        refused = site.client.with_options(timeout=30)

        def told() -> bool:
            began = time.monotonic()
            try:
                refused.get_port(NOWHERE)
            except exceptions.BusUnavailable as error:
                assert time.monotonic() - began < SOON
                return error.refused and "ACCESS_REFUSED" in str(error)
            except exceptions.PortNotFound:
                return False
            return False

        until(told, "the refusal")
        with pytest.raises(exceptions.BusUnavailable, match="ACCESS_REFUSED"):
            refused.cast.get_port(NOWHERE)
        threading.Event().wait(5)
        # Two processes, which lose it and are refused.
        assert 1 <= len(site.told(mark, "ACCESS_REFUSED")) <= 6
        permit(".*")
        until(lambda: not told(), "the end of it", SOON, every=0.05)
        site.serves()
    broker.control("delete_user", user)


def connections(broker: Node, user: str) -> list[str]:
    """Return the pids, as the broker names them, of a user's connections."""
    listed = broker.control("list_connections", "user", "pid")
    rows = [line.split("\t") for line in listed.splitlines() if "\t" in line]
    return [row[1] for row in rows if row[0] == user]


@pytest.mark.parametrize("mode", OURS)
def test_a_consumer_that_takes_too_long(broker, tmp_path, mode):
    """A channel that the broker closes, again and again, leaves nobody deaf."""

    def limit(milliseconds: int) -> None:
        values = (
            f"[{{consumer_timeout, {milliseconds}}}, {{channel_tick_interval, 500}}]"
        )
        broker.control(
            "eval", f"[application:set_env(rabbit, K, V) || {{K, V}} <- {values}]."
        )

    options: dict[str, object] = {"workers": 1, "threads": 2, "call_timeout": 90}
    with (
        site_of(broker, tmp_path, mode, latency=4, **options) as site,
        ThreadPoolExecutor(1) as pool,
    ):
        mark = len(site.workers.log)
        limit(1500)
        try:
            for name in connections(broker, "guest"):
                broker.control("close_connection", name, "for new limits")
            call = pool.submit(site.client.get_port, NOWHERE)
            closed = "PRECONDITION_FAILED"
            until(lambda: len(site.told(mark, closed)) >= 2, "two closed channels")
        finally:
            limit(1_800_000)
        assert isinstance(call.exception(90), exceptions.PortNotFound)
        site.serves(30)


@pytest.mark.parametrize("mode", MODES)
def test_a_broker_in_alarm(broker, tmp_path, mode):
    """It takes no messages: that is said, nothing is sent, and then all goes on."""
    with site_of(broker, tmp_path, mode) as site:
        alarmed(site)


def alarmed(site: Site) -> None:
    """Let the broker have a memory alarm while requests are made."""
    port = str(uuid.uuid4())
    asked = site.client.with_options(timeout=3)
    # Proof that the broker takes messages is older than what counts.
    threading.Event().wait(1)
    site.node.control("set_vm_memory_high_watermark", "absolute", "1000")
    try:
        for ask in (
            lambda: asked.get_port(port),
            lambda: asked.cast.get_port(port),
        ):
            began = time.monotonic()
            with pytest.raises(
                exceptions.BusUnavailable, match="low on memory"
            ) as told:
                ask()
            assert time.monotonic() - began < 5
            assert "nothing was sent" in str(told.value)
        assert "low on memory" in status(site)
    finally:
        with ThreadPoolExecutor(1) as pool:
            waits = pool.submit(site.client.with_options(timeout=30).get_port, NOWHERE)
            threading.Event().wait(0.5)
            site.node.control("set_vm_memory_high_watermark", "0.4")
            assert isinstance(waits.exception(30), exceptions.PortNotFound)
    site.serves()
    assert port not in site.workers.log


def status(site: Site) -> str:
    """Return what the operator's command says is not well."""
    done = subprocess.run(
        [processes.BIN / "networker", "--config-file", site.config, "status"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("mode", OURS)
def test_an_answer_that_nobody_waits_for(broker, tmp_path, mode):
    """It is dropped soon, which is told with the operation's id and counted."""
    operation = str(uuid.uuid4())
    with site_of(broker, tmp_path, mode) as site, site.amqp() as connection:
        mark = len(site.workers.log)
        for _ in range(2):
            request = {
                "method": "get_port",
                "args": {"port_id": NOWHERE},
                "namespace": "network",
                "version": "1.0",
                "_msg_id": uuid.uuid4().hex,
                "_reply_q": f"reply_{uuid.uuid4().hex}",
                "_context_operation_id": operation,
            }
            connection.Producer().publish(
                json.dumps(request),
                exchange=site.exchange,
                routing_key=site.topic,
                content_type="application/json",
            )
        until(lambda: len(site.told(mark, operation, "dropped")) == 2, "it to be told")
        site.serves()


@contextlib.contextmanager
def takes_one(site: Site, name: str) -> Iterator[None]:
    """Let a policy limit a queue to one message; what comes besides is refused."""
    policy, control = f"p{uuid.uuid4().hex}", site.node.control
    limits = json.dumps({"max-length": 1, "overflow": "reject-publish"})
    control("set_policy", policy, f"^{name}$", limits, "--apply-to", "queues")
    try:
        yield
    finally:
        control("clear_policy", policy)


@pytest.mark.parametrize("mode", OURS)
def test_a_queue_that_takes_no_more(broker, tmp_path, mode):
    """A request that the broker nacks is BusUnavailable, and goes when there is room."""
    with (
        site_of(broker, tmp_path, mode, latency=1, workers=1, threads=1) as site,
        ThreadPoolExecutor(16) as pool,
    ):
        cast = site.client.with_options(timeout=4).cast.get_port
        errors: list[BaseException | None] = []

        def is_refused() -> bool:
            casts = [pool.submit(cast, NOWHERE) for _ in range(16)]
            errors.extend(done.exception(20) for done in casts)
            return any(isinstance(e, exceptions.BusUnavailable) for e in errors)

        with takes_one(site, site.topic):
            # The queue hears of the policy a moment later.
            until(is_refused, "the queue to refuse a cast", SOON)
        failed = [error for error in errors if error is not None]
        refused = [e for e in failed if isinstance(e, exceptions.BusUnavailable)]
        # Of one whose time was up during its last attempt it is not known.
        late = [e for e in failed if isinstance(e, exceptions.CallTimeout)]
        assert len(refused) + len(late) == len(failed)
        assert "did not take the request" in str(refused[0])
        # And of its end.
        takes = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(exceptions.BusUnavailable),
            wait=tenacity.wait_fixed(0.1),
            stop=tenacity.stop_after_delay(SOON),
        )
        takes(site.client.cast.get_port, NOWHERE)
        site.serves(60)


@pytest.mark.parametrize("mode", OURS)
def test_a_queue_for_calls_that_takes_no_more(broker, tmp_path, mode):
    """A call that the broker nacks is sent again while there is time, or is refused."""
    with (
        site_of(broker, tmp_path, mode, latency=1, workers=1, threads=1) as site,
        ThreadPoolExecutor(8) as pool,
    ):
        with takes_one(site, site.calls_queue):
            call = site.client.with_options(timeout=40).get_port
            calls = [pool.submit(call, NOWHERE) for _ in range(8)]
            errors = [done.exception(60) for done in calls]
        answered = [e for e in errors if isinstance(e, exceptions.PortNotFound)]
        refused = [e for e in errors if isinstance(e, exceptions.BusUnavailable)]
        assert answered
        assert len(answered) + len(refused) == len(errors)
        assert all("did not take the request" in str(error) for error in refused)
