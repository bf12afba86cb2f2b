# SPDX-License-Identifier: Apache-2.0
"""Messages that are too large are refused by who would send them; nobody else notices."""

from __future__ import annotations

import contextlib
import logging
import threading
import urllib.parse
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from oslo_config import cfg

from networker import exceptions, rpc
from networker.models import VIP, LoadBalancer, Network
from networker.testing import kit
from tests.functional.test_bus import echo
from tests.rabbitmq import STOCK_OPTIONS

MOST = 2**18
WAYS = ["memory", "transient", "durable", "at-most-once"]
#: Text that grows in oslo.messaging's envelope.
GROWING = '"é\\'


@pytest.fixture(scope="module")
def broker_of_that_size(broker) -> Iterator[Any]:
    """A broker that closes the channel of what is larger."""
    limit = "application:{}_env(rabbit, max_message_size{})."
    before = broker.control("eval", limit.format("get", "")).strip()
    broker.control("eval", limit.format("set", f", {MOST}"))
    yield broker
    number = before.strip("{}").partition(",")[2] or "134217728"
    broker.control("eval", limit.format("set", f", {number}"))


@pytest.fixture(params=WAYS)
def conf(request, broker_of_that_size, tmp_path) -> cfg.ConfigOpts:
    """A configuration for one way of sending."""
    conf = kit.configuration(tmp_path / "unused.sqlite")
    conf.set_override("max_message_size", MOST, "networker")
    if request.param != "memory":
        conf.set_override("transport_url", broker_of_that_size.url)
    if request.param == "at-most-once":
        conf.set_override("delivery", "at-most-once", "networker")
        conf.set_override("exchange", f"x-{uuid.uuid4()}", "networker")
        query = urllib.parse.urlencode(STOCK_OPTIONS)
        conf.set_override("transport_url", f"{broker_of_that_size.url}?{query}")
    elif request.param != "memory":
        conf.set_override("calls", request.param, "networker")
    return conf


@contextlib.contextmanager
def served(conf: cfg.ConfigOpts, **answers: Any) -> Iterator[tuple[rpc.Client, Any]]:
    driver, calls = echo(**answers)
    with kit.served(conf, driver) as client:
        yield client.with_options(timeout=30), calls


def refused(size: int) -> str:
    return rf"{size}\d* bytes, and \[networker\] max_message_size lets {MOST} through"


def test_a_request_that_is_too_large(conf):
    """Its caller gets InvalidRequest; calls and casts beside it and later are served."""
    held, release, casts = threading.Event(), threading.Event(), threading.Semaphore(0)

    def hold(**_: object) -> Network:
        held.set()
        assert release.wait(30)
        return Network(id="n")

    with served(conf, get_network=hold, get_port=lambda **_: casts.release()) as (
        client,
        calls,
    ):
        ids: list[str | None] = []
        beside = threading.Thread(target=lambda: ids.append(client.get_network("n").id))
        beside.start()
        assert held.wait(30)
        client.cast.get_port("p")
        for _ in range(2):
            for caller in (client, client.cast):
                with pytest.raises(exceptions.InvalidRequest, match=refused(26)):
                    caller.get_port("x" * MOST)
        client.cast.get_port("p")
        release.set()
        beside.join()
        assert ids == ["n"]
        assert casts.acquire(timeout=30)
        assert casts.acquire(timeout=30)
    assert all(len(str(arguments)) < 100 for _, arguments in calls)


@pytest.mark.parametrize("text", ["x", GROWING])
def test_the_largest_request_reaches_the_worker(conf, text):
    """What is not refused is no more than a broker of that limit takes, in any way."""
    with served(conf, get_network=lambda **_: Network(id="n")) as (client, calls):
        low, high = 1, MOST
        while high - low > 1:
            middle = (low + high) // 2
            try:
                client.cast.get_network(text * middle)
                low = middle
            except exceptions.InvalidRequest:
                high = middle
        # A call has its deadline besides.
        largest = text * (low - 100)
        for _ in range(2):
            client.get_network(largest)
        assert {"network_id": largest} in [arguments for _, arguments in calls]


def test_an_answer_that_is_too_large(conf, caplog):
    """Its caller learns why, the log names the operation, and others are answered."""
    held, release = threading.Event(), threading.Event()

    def network(network_id: str, **_: object) -> Network:
        if network_id == "slow":
            held.set()
            assert release.wait(30)
        return Network(id="n", name="x" * (MOST if network_id == "large" else 1))

    with (
        caplog.at_level(logging.INFO),
        served(conf, get_network=network) as (client, _),
    ):
        ids: list[str | None] = []
        beside = threading.Thread(
            target=lambda: ids.append(client.get_network("slow").id)
        )
        beside.start()
        assert held.wait(30)
        for _ in range(2):
            with pytest.raises(exceptions.WorkerError, match=refused(26)):
                client.get_network("large")
        release.set()
        beside.join()
        assert ids == ["n"]
        assert client.get_network("n").id == "n"
    lines = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(lines) == 2
    assert "get_network: the answer has" in lines[0]
    assert "(operation " in lines[0]


def test_what_was_done_is_said(conf):
    """The error of a mutator whose answer is too large tells that it was carried out."""

    def allocate(**_: object) -> VIP:
        return VIP(port_id="p", ip_address="x" * MOST)

    with (
        served(conf, allocate_vip=allocate) as (client, calls),
        pytest.raises(
            exceptions.WorkerError, match="it was done, and can be looked up"
        ),
    ):
        client.allocate_vip(LoadBalancer(id="lb", vip=VIP(subnet_id="s")))
    assert [name for name, _ in calls] == ["allocate_vip"]


def test_an_error_that_is_too_large_keeps_its_kind(conf):
    """A driver's error with an endless text arrives as what it is, shortened."""

    def fail(**_: object) -> None:
        raise exceptions.PortNotFound("x" * MOST, port_id="y" * MOST, orig_code=404)

    with (
        served(conf, get_port=fail) as (client, _),
        pytest.raises(exceptions.PortNotFound) as told,
    ):
        client.get_port("p")
    assert len(str(told.value)) < 2000
    assert told.value.orig_code == 404


def test_text_that_is_none(conf):
    """A lone surrogate, which no message can carry, is refused before it is sent."""
    with served(conf, get_port=None) as (client, calls):
        for caller in (client, client.cast, client, client.cast):
            with pytest.raises(exceptions.InvalidRequest, match="cannot be sent"):
                caller.get_port("\ud800")
    assert calls == []


def test_a_result_with_text_that_is_none(conf):
    """One in a result is a fault of the worker, and the caller is told at once."""
    with (
        served(conf, get_network=lambda **_: Network(id="\ud800")) as (client, _),
        pytest.raises(exceptions.WorkerError),
    ):
        client.get_network("n")


@pytest.mark.parametrize("conf", ["transient"], indirect=True)
def test_an_outcome_that_is_too_large(conf):
    """It is told as an error, and those that follow as they are."""
    conf.set_override("notify", True, "networker")

    def network(network_id: str, **_: object) -> Network:
        return Network(id="n", name="x" * (MOST if network_id == "large" else 1))

    with served(conf, get_network=network) as (client, _):
        ids = [client.cast.get_network(name) for name in ("large", "n")]
        found = {}
        with rpc.outcomes(conf, timeout=20) as told:
            for outcome in told:
                found[outcome.operation_id] = outcome
                if len(found) == len(ids):
                    break
    large, small = (found[operation] for operation in ids)
    assert isinstance(large.error, exceptions.WorkerError)
    assert "max_message_size" in str(large.error)
    assert small.result == Network(id="n", name="x")
