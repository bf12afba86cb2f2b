# SPDX-License-Identifier: Apache-2.0
"""Queues and exchanges deleted, or left by who waited: both ends notice, and go on."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from networker import exceptions
from networker.testing.rabbitmq import Node
from tests.chaos.bench import until
from tests.integration.quiet import (
    MODES,
    NOWHERE,
    OURS,
    SOON,
    Site,
    connections,
    site_of,
)

#: Each asks a broker's command line again and again, which takes its time.
pytestmark = pytest.mark.timeout(400)


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
