# SPDX-License-Identifier: Apache-2.0
"""oslo.messaging's RabbitMQ driver, acknowledging a request when it is answered.

It is registered as the messaging driver ``networker``, and takes the place of ``rabbit``
when :mod:`networker.rpc.transport` opens a ``rabbit://`` URL. It uses names of
oslo.messaging that are not public, for which setup.cfg pins a range of releases and
``tests/integration/test_rabbit.py`` fails when they move.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from typing import Any

import oslo_messaging
from oslo_config import cfg
from oslo_messaging._drivers import base, common, impl_rabbit

from networker.rpc.listener import Listener
from networker.rpc.queues import Requests

#: The scheme by which stevedore finds this driver.
SCHEME = "networker"
_LONGEST_PAUSE = 30.0
#: Seconds that the rest of a frame may take when its beginning is there.
_FRAME = 0.05
_GROUP = "oslo_messaging_rabbit"
#: What suits us better than oslo.messaging's defaults; an operator's values win. They
#: are given with the URL, since the configuration may be a controller's, and have to be
#: text.
_DEFAULTS = {
    "amqp_durable_queues": "true",
    "rabbit_quorum_queue": "true",
    "rabbit_transient_quorum_queue": "true",
    # How often a request may take its worker with it.
    "rabbit_quorum_delivery_limit": "9",
    # A stopped worker's requests go to others after about 2.5 times as many seconds.
    "heartbeat_timeout_threshold": "15",
    # A reply for a caller that is gone holds a thread of the worker so long.
    "kombu_missing_consumer_retry_timeout": "5",
    # How soon after the broker's return the work goes on.
    "kombu_reconnect_delay": "0.1",
    "rabbit_interval_max": "1",
}


class Connection(impl_rabbit.Connection):  # type: ignore[misc]
    """A connection whose consumer sleeps until there is something to do.

    oslo.messaging's looks for work in intervals of up to 5 s, in which acknowledgements
    wait. This one is woken by them. And when the broker refuses it, because the virtual
    host or the permission is gone, it pauses between attempts, longer from time to time,
    where both of oslo.messaging's consuming loops would try again at once.
    """

    def __init__(
        self, conf: Any, url: Any, purpose: str, retry: int | None = None
    ) -> None:
        self._stopping = threading.Event()
        self._pause = 0.0
        super().__init__(conf, url, purpose, retry=retry)
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)

    def ensure_connection(self) -> None:
        """Connect, however long it takes, in short intervals."""
        # The options count in whole seconds.
        self.interval_start = self.interval_stepping = self.kombu_reconnect_delay
        super().ensure_connection()

    def consume(self, timeout: float | None = None) -> None:  # noqa: ARG002
        """Wait for messages, :meth:`wake`, or the time for a heartbeat.

        :param timeout: is ignored: it would be the interval of looking for other work
        """
        if not self._wait():
            return
        try:
            super().consume(timeout=_FRAME)
        except oslo_messaging.MessageDeliveryFailure as error:
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause or 1.0)
            self._stopping.wait(self._pause)
            # Both loops log the traceback, which says nothing more than the text.
            raise oslo_messaging.MessageDeliveryFailure(str(error)) from None
        self._pause = 0.0

    def _wait(self) -> bool:
        """Return when there is something to do; tell whether it is on the connection."""
        sock = getattr(getattr(self.channel, "connection", None), "sock", None)
        if self._new_tags or sock is None:
            return True
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            return True
        waiting = select.poll()
        waiting.register(sock, select.POLLIN)
        waiting.register(self._woken, select.POLLIN)
        ready = [fd for fd, _ in waiting.poll(self._poll_timeout * 1000)]
        if self._woken.fileno() in ready:
            self._woken.recv(4096)
        return ready != [self._woken.fileno()]

    def tend(self) -> None:
        """Keep the connection alive until the next :meth:`wake`, and consume nothing."""
        if self._wait():
            try:
                self.connection.drain_events(timeout=_FRAME)
            except TimeoutError:
                self._heartbeat_check()

    def wake(self) -> None:
        """Let :meth:`consume` return, from any thread."""
        # If there is no room, it has not noticed earlier ones yet.
        with contextlib.suppress(BlockingIOError):
            self._waker.send(b"\0")

    def stop_consuming(self) -> None:
        """Stop, and cut a pause short."""
        self._stopping.set()
        super().stop_consuming()
        self.wake()

    def topic_send(
        self,
        exchange_name: str,
        topic: str,
        msg: Any,
        timeout: float | None = None,  # noqa: ARG002
        retry: int | None = None,
        transport_options: Any = None,
    ) -> None:
        """Send a request, without a time to live.

        It would let requests expire into the queue for those that kill workers. The
        deadline goes with the request, and a worker refuses it afterwards.
        """
        super().topic_send(
            exchange_name, topic, msg, retry=retry, transport_options=transport_options
        )

    def _publish(self, exchange: Any, msg: Any, *args: Any, **options: Any) -> None:
        if not exchange.passive and exchange.name not in self._declared_exchanges:
            # oslo.messaging would go on with an exchange that a restart of the broker
            # removes; here the difference is an error.
            exchange(self.channel).declare()
            self._declared_exchanges.add(exchange.name)
        super()._publish(exchange, msg, *args, **options)

    def close(self) -> None:
        """Close the connection."""
        super().close()
        self._woken.close()
        self._waker.close()


class Driver(impl_rabbit.RabbitDriver):  # type: ignore[misc]
    """The RabbitMQ driver with the connections of this module."""

    def __init__(
        self, conf: cfg.ConfigOpts, url: oslo_messaging.TransportURL, **kwargs: Any
    ) -> None:
        url.transport = url.transport.replace(SCHEME, "rabbit", 1)
        opts = impl_rabbit.rabbit_opts + impl_rabbit.rpc_amqp.amqp_opts
        conf.register_opts(opts, group=_GROUP)
        # A worker holds no request that it has no thread for.
        prefetch = {"rabbit_qos_prefetch_count": str(conf.networker.threads)}
        for name, value in (_DEFAULTS | prefetch).items():
            found = conf.get_location(name, _GROUP)
            if found and found.location is cfg.Locations.opt_default:
                url.query.setdefault(name, value)
        super().__init__(conf, url, **kwargs)
        self._connection_pool.connection_cls = Connection

    def listen(
        self,
        target: oslo_messaging.Target,
        batch_size: int,
        batch_timeout: float | None,
    ) -> base.PollStyleListenerAdapter:
        """Take requests from a topic; there is no queue for each server, and no fanout."""
        connection = self._get_connection(common.PURPOSE_LISTEN)
        listener = Listener(self, connection)
        exchange = self._get_exchange(target)
        connection.declare_consumer(
            Requests(connection.connection, exchange, target.topic, listener)
        )
        return base.PollStyleListenerAdapter(listener, batch_size, batch_timeout)
