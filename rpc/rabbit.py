# SPDX-License-Identifier: Apache-2.0
"""oslo.messaging's RabbitMQ driver, mended where it would harm an operator.

It is registered as the messaging driver ``networker``, and takes the place of ``rabbit``
when :mod:`networker.rpc.transport` opens a ``rabbit://`` URL. It uses names of
oslo.messaging that are not public, for which setup.cfg pins a range of releases and
``tests/integration/test_rabbit.py`` fails when they move.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

import amqp
import kombu.exceptions
import oslo_messaging
from oslo_config import cfg
from oslo_messaging._drivers import common, impl_rabbit

from networker import exceptions

LOG = logging.getLogger(__name__)
#: The scheme by which stevedore finds this driver.
SCHEME = "networker"
_LONGEST_PAUSE = 30.0
_GROUP = "oslo_messaging_rabbit"
#: What suits us better than oslo.messaging's defaults; an operator's values win. They
#: are given with the URL, since the configuration may be a controller's, and have to be
#: text.
_DEFAULTS = {
    # A reply for a caller that is gone holds a thread of the worker so long.
    "kombu_missing_consumer_retry_timeout": "5",
    # How soon after the broker's return the work goes on.
    "kombu_reconnect_delay": "0.2",
    "rabbit_interval_max": "5",
}


class Connection(impl_rabbit.Connection):  # type: ignore[misc]
    """A connection whose consumer does not spin while the broker refuses it.

    When the virtual host or the permission is gone, every attempt to consume fails at
    once, and both of oslo.messaging's consuming loops try again at once, logging a
    traceback each time. Here they wait, longer from time to time.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._stopping = threading.Event()
        self._pause = 0.0
        super().__init__(*args, **kwargs)

    def consume(self, timeout: float | None = None) -> None:
        """Wait for messages; after a failure, pause before passing it on."""
        try:
            super().consume(timeout=timeout)
        except oslo_messaging.MessageDeliveryFailure as error:
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause or 1.0)
            self._stopping.wait(self._pause)
            # Both loops log the traceback, which says nothing more than the text.
            raise oslo_messaging.MessageDeliveryFailure(str(error)) from None
        self._pause = 0.0

    def stop_consuming(self) -> None:
        """Stop, and cut a pause short."""
        self._stopping.set()
        super().stop_consuming()


class _Probe(impl_rabbit.Connection):  # type: ignore[misc]
    """A connection that is tried once on each host and then given up."""

    def ensure_connection(self) -> None:
        """Connect once to each host in turn, until one answers."""
        self.connection.connect_timeout = self.max_retries
        hosts = self.connection.alt or [None]
        for host in hosts:
            try:
                self.connection.transport.establish_connection().close()
            except OSError:
                if host is hosts[-1]:
                    raise
                self.connection.maybe_switch_next()
            else:
                return


class Driver(impl_rabbit.RabbitDriver):  # type: ignore[misc]
    """The RabbitMQ driver with the connections of this module."""

    def __init__(
        self, conf: cfg.ConfigOpts, url: oslo_messaging.TransportURL, **kwargs: Any
    ) -> None:
        url.transport = url.transport.replace(SCHEME, "rabbit", 1)
        conf.register_opts(impl_rabbit.rabbit_opts, group=_GROUP)
        for name, value in _DEFAULTS.items():
            found = conf.get_location(name, _GROUP)
            if found and found.location is cfg.Locations.opt_default:
                url.query.setdefault(name, value)
        super().__init__(conf, url, **kwargs)
        self._connection_pool.connection_cls = Connection
        self._probed_url = url

    def probe(self, timeout: float) -> None:
        """Connect to the broker and disconnect.

        :param timeout: seconds for each host of the URL
        :raises BusUnavailable: no host could be reached, or one refused; see `refused`
        """
        try:
            _Probe(self.conf, self._probed_url, common.PURPOSE_LISTEN, retry=timeout)
        except (amqp.AccessRefused, amqp.NotAllowed) as error:
            raise exceptions.BusUnavailable(
                f"the broker {self.place} refused: {error.reply_text or error}",
                refused=True,
            ) from error
        except (OSError, amqp.AMQPError, kombu.exceptions.KombuError) as error:
            raise exceptions.BusUnavailable(
                f"the broker {self.place} cannot be reached: {error}"
            ) from error

    @property
    def place(self) -> str:
        """Hosts, ports and virtual host of the URL, without the password."""
        hosts = [f"{h.hostname}:{h.port or 5672}" for h in self._probed_url.hosts]
        vhost = self._probed_url.virtual_host or "/"
        return f"{', '.join(hosts) or 'localhost:5672'} (virtual host {vhost})"

    def take_rest(self, server: oslo_messaging.RPCServer) -> None:
        """Run what the broker still delivered to a server that was told to stop.

        oslo.messaging stops to look, but does not tell the broker: what comes until the
        connection is closed would be acknowledged and never run. This cancels the
        consumers, so that later requests stay on the queue for others.

        :param server: stopped, and not waited for yet
        """
        listener = server.listener._poll_style_listener
        connection = listener.conn.connection
        if not connection.connection.connected:
            return
        try:
            connection.reset()
        except (OSError, amqp.AMQPError) as error:
            LOG.warning("the consumers were not cancelled: %s", error)
        while incoming := listener.poll(batch_size=1):
            server._on_incoming(incoming)
