# SPDX-License-Identifier: Apache-2.0
"""oslo.messaging's RabbitMQ driver, acknowledging a request when it is answered.

It is registered as the messaging driver ``networker``, and takes the place of ``rabbit``
when :mod:`networker.rpc.transport` opens a ``rabbit://`` URL. It uses names of
oslo.messaging that are not public, for which setup.cfg pins a range of releases and
``tests/integration/test_rabbit.py`` fails when they move.
"""

from __future__ import annotations

from typing import Any

import oslo_messaging
from oslo_config import cfg
from oslo_messaging._drivers import base, common, impl_rabbit

from networker.rpc.rabbitmq.call_queue import CallConsumer
from networker.rpc.rabbitmq.connection import Connection
from networker.rpc.rabbitmq.listener import RequestListener
from networker.rpc.rabbitmq.queues import RequestConsumer, callers_exchange

#: The scheme by which stevedore finds this driver.
SCHEME = "networker"
#: oslo.messaging's group of options for RabbitMQ.
GROUP = "oslo_messaging_rabbit"
#: What suits us better than oslo.messaging's defaults; an operator's values win. They
#: are given with the URL, since the configuration may be a controller's, and have to be
#: text.
_DEFAULTS = {
    "amqp_durable_queues": "true",
    "rabbit_quorum_queue": "true",
    # How often a request may take its worker with it; a call once more before that.
    "rabbit_quorum_delivery_limit": "8",
    # A stopped worker's requests go to others after about 2.5 times as many seconds.
    "heartbeat_timeout_threshold": "15",
    # How soon after the broker's return the work goes on.
    "kombu_reconnect_delay": "0.1",
    "rabbit_interval_max": "1",
}


class Driver(impl_rabbit.RabbitDriver):  # type: ignore[misc]
    """The RabbitMQ driver with networker's own connections and listener."""

    def __init__(
        self, conf: cfg.ConfigOpts, url: oslo_messaging.TransportURL, **kwargs: Any
    ) -> None:
        url.transport = url.transport.replace(SCHEME, "rabbit", 1)
        opts = impl_rabbit.rabbit_opts + impl_rabbit.rpc_amqp.amqp_opts
        conf.register_opts(opts, group=GROUP)
        several = len(url.hosts) > 1
        wanted = conf.networker.calls
        late = conf.networker.delivery == "at-least-once"
        transient = wanted == "transient" or (wanted == "auto" and not several)
        #: Whether calls have a queue of their own, in memory.
        self.transient = late and transient
        #: Whether it is used wherever it is, and not only on one's own node.
        self.anywhere = wanted == "transient"
        defaults = _DEFAULTS | {
            # A worker holds no request that it has no thread for.
            "rabbit_qos_prefetch_count": str(conf.networker.threads),
            # A reply can be lost where its call can, and is asked for again with it.
            "rabbit_transient_quorum_queue": str(late and not transient).lower(),
        }
        for name, value in defaults.items():
            found = conf.get_location(name, GROUP)
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
        listener = RequestListener(self, connection)
        exchange = self._get_exchange(target)
        place = connection.connection, exchange, target.topic, listener
        callers = callers_exchange(target.topic)
        connection.declare_consumer(RequestConsumer(*place, callers=callers))
        if self.transient:
            listener.call_consumer = CallConsumer(*place, callers)
            connection.declare_consumer(listener.call_consumer)
        connection.begin()
        return base.PollStyleListenerAdapter(listener, batch_size, batch_timeout)


def driver_of(transport: Any) -> Driver | None:
    """Return the driver of a transport, if it is this one."""
    found = transport._driver  # there is no public way to it
    return found if isinstance(found, Driver) else None
