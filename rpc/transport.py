# SPDX-License-Identifier: Apache-2.0
"""From a configuration to a bus that keeps its deadlines."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import amqp
import kombu.exceptions
import oslo_messaging
from oslo_config import cfg

from networker import exceptions
from networker.context import Context
from networker.rpc import contract, rabbit

#: Seconds that the first look at the broker may take.
PROBE = 5.0
#: Requests that may be stuck in oslo.messaging before new ones are refused.
_MOST_STUCK = 64
_BROKEN = (
    oslo_messaging.MessagingException,
    kombu.exceptions.KombuError,
    amqp.AMQPError,
    OSError,
)


def open_transport(conf: cfg.ConfigOpts) -> oslo_messaging.RPCTransport:
    """Return oslo.messaging's transport for ``[DEFAULT] transport_url``; no I/O yet.

    A ``rabbit`` URL gets :class:`networker.rpc.rabbit.Driver`, others what they name.

    :raises ValueError: the URL is malformed or names an unknown transport
    """
    try:
        url = oslo_messaging.TransportURL.parse(conf)
        scheme, plus, rest = url.transport.partition("+")
        if scheme == "rabbit":
            url.transport = rabbit.SCHEME + plus + rest
        return oslo_messaging.get_rpc_transport(conf, url)
    except (oslo_messaging.InvalidTransportURL, ValueError) as error:
        raise ValueError(f"[DEFAULT] transport_url: {error}") from error
    except oslo_messaging.DriverLoadFailure as error:
        raise ValueError(
            f"[DEFAULT] transport_url: there is no transport {url.transport!r}"
        ) from error


def probe(transport: oslo_messaging.RPCTransport, timeout: float = PROBE) -> None:
    """Find out whether the broker lets us in; in-memory transports always do.

    :param timeout: seconds
    :raises BusUnavailable: it does not
    """
    if driver := _rabbit(transport):
        driver.probe(timeout)


def take_rest(
    transport: oslo_messaging.RPCTransport, server: oslo_messaging.RPCServer
) -> None:
    """Run what was delivered to a server that was told to stop.

    :param server: stopped, and not waited for yet
    """
    if driver := _rabbit(transport):
        driver.take_rest(server)


def _rabbit(transport: oslo_messaging.RPCTransport) -> rabbit.Driver | None:
    driver = transport._driver  # there is no public way to it
    return driver if isinstance(driver, rabbit.Driver) else None


def target(conf: cfg.ConfigOpts, **more: Any) -> oslo_messaging.Target:
    """Return where requests go: the exchange is named, whatever the default one is."""
    return oslo_messaging.Target(
        exchange=conf.networker.exchange, topic=conf.networker.topic, **more
    )


class Bus:
    """The caller's end of the bus: sends requests and waits for answers.

    oslo.messaging may block for ever while the broker is away. Here every request ends
    by its deadline: it is sent from a thread of its own, which is left behind if it is
    stuck. Once the broker is back it may still send the request, and a worker refuses
    it then, because the deadline travels with a call.

    :param conf: a configuration on which :func:`networker.conf.register` was called
    :raises ValueError: its transport_url is wrong
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._transport = open_transport(conf)
        self._topic = f"{conf.networker.exchange}/{conf.networker.topic}"
        self._client = oslo_messaging.get_rpc_client(
            self._transport, target(conf, namespace=contract.NAMESPACE)
        )
        self._seen = False
        self._closed = False
        self._stuck: list[threading.Thread] = []
        self._lock = threading.Lock()

    def call(
        self, context: Context, method: str, wire: dict[str, Any], timeout: float
    ) -> Any:
        """Send a request and return the answer.

        :param wire: encoded arguments
        :param timeout: seconds for all of it
        :raises BusError: there was none
        """
        context.deadline = time.time() + timeout

        def send(left: float) -> Any:
            # A little less than is left, so that the more precise error comes first.
            prepared = self._prepare(method, timeout=left - min(0.1, left / 10))
            return prepared.call(context.to_wire(), method, **wire)

        return self._send(method, send, timeout)

    def cast(
        self, context: Context, method: str, wire: dict[str, Any], timeout: float
    ) -> None:
        """Hand a request to the broker; `timeout` bounds that, not the execution.

        :raises BusError: the broker has not confirmed it
        """

        def send(_left: float) -> None:
            self._prepare(method).cast(context.to_wire(), method, **wire)

        self._send(method, send, timeout)

    def close(self) -> None:
        """Close the connections; requests that are made afterwards are refused."""
        self._closed = True
        self._transport.cleanup()

    def _prepare(self, method: str, timeout: float | None = None) -> Any:
        return self._client.prepare(
            version=contract.methods()[method].operation.since,
            timeout=timeout,
            transport_options=oslo_messaging.TransportOptions(at_least_once=True),
        )

    def _send(self, method: str, send: Callable[[float], Any], timeout: float) -> Any:
        end = time.monotonic() + timeout
        self._refuse_if_useless(method)
        if not self._seen:
            probe(self._transport, min(timeout, PROBE))
        answers: queue.SimpleQueue[tuple[Any, BaseException | None]]
        answers = queue.SimpleQueue()

        def run() -> None:
            try:
                answers.put((send(max(end - time.monotonic(), 0.001)), None))
            except BaseException as error:  # noqa: BLE001 - raised again by the caller
                answers.put((None, error))

        thread = threading.Thread(target=run, daemon=True, name=f"send-{method}")
        thread.start()
        try:
            value, error = answers.get(timeout=max(end - time.monotonic(), 0))
        except queue.Empty:
            self._seen = False
            with self._lock:
                self._stuck.append(thread)
            raise exceptions.CallTimeout(method=method, timeout=timeout) from None
        if error is not None:
            raise self._translated(method, error, timeout) from error
        self._seen = True
        return value

    def _refuse_if_useless(self, method: str) -> None:
        if self._closed:
            text = f"{method}: this client is closed"
            raise exceptions.BusUnavailable(text, method=method)
        with self._lock:
            self._stuck = [thread for thread in self._stuck if thread.is_alive()]
            stuck = len(self._stuck)
        if stuck >= _MOST_STUCK:
            text = f"{method}: {stuck} earlier requests still wait for the broker"
            raise exceptions.BusUnavailable(text, method=method)

    def _translated(
        self, method: str, error: BaseException, timeout: float
    ) -> exceptions.NetworkException:
        kind = getattr(error, "exc_type", type(error).__name__)
        if isinstance(error, oslo_messaging.MessagingTimeout):
            return exceptions.CallTimeout(method=method, timeout=timeout)
        if isinstance(error, oslo_messaging.MessageUndeliverable):
            text = f"{method}: no worker has declared {self._topic}; is one running?"
            return exceptions.BusUnavailable(text, method=method)
        if kind in {"UnsupportedVersion", "NoSuchMethod"}:
            since = contract.methods()[method].operation.since
            return exceptions.UnsupportedVersion(method=method, version=since)
        if isinstance(error, oslo_messaging.RemoteError):
            return exceptions.WorkerError(f"{method}: {kind}: {error.value}")
        if isinstance(error, _BROKEN):
            self._seen = False
            text = f"{method}: the broker did not take the request: {error}"
            return exceptions.BusUnavailable(text, method=method)
        return exceptions.WorkerError(f"{method}: {kind}: {error}", method=method)
