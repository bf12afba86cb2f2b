# SPDX-License-Identifier: Apache-2.0
"""The broker's limits: both ends notice, say so once, and go on."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import tenacity

from networker import exceptions
from networker.testing import processes
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
