# SPDX-License-Identifier: Apache-2.0
"""A look at the broker: whether it lets us in, what its queues are like, who listens.

Every look has a connection of its own, which cannot hang for longer than it is told to,
whatever state the others are in.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import amqp
import kombu.exceptions
import oslo_messaging
from amqp import spec
from oslo_messaging._drivers import common, impl_rabbit

from networker import exceptions
from networker.rpc import rabbit, security
from networker.rpc.frames import frame_handler
from networker.rpc.publishing import hear_of_alarms
from networker.rpc.queues import Requests
from networker.rpc.supervision import place

#: Seconds that a look at each host may take while a caller waits.
PATIENCE = 5.0
#: The same for commands and workers that start. RabbitMQ itself has so much patience with a
#: handshake, in which it looks up its own machine's name: a name service that loses a
#: question answers after 5 s.
HANDSHAKE = 10.0


class Look(impl_rabbit.Connection):  # type: ignore[misc]
    """A connection that is tried once on each host and then given up.

    :raises Mistaken: it can never come about with the options for TLS
    """

    def __init__(self, conf: Any, url: Any, purpose: str, retry: float) -> None:
        #: Options that the URL has, instead of the configuration's.
        self.query: dict[str, str] = url.query
        try:
            super().__init__(conf, url, purpose, retry=retry)
        except RuntimeError as error:  # of options that are wrong, or contradict others
            raise security.Mistaken(f"[oslo_messaging_rabbit]: {error}") from error

    def ensure_connection(self) -> None:
        """Connect once to each host in turn, until one answers."""
        wrong = security.wrong_files(self) if self.ssl else None
        if wrong:
            raise security.Mistaken(wrong)
        timeout = self.max_retries
        self.connection.connect_timeout = timeout
        limits = {"read_timeout": timeout, "write_timeout": timeout}
        self.connection.transport_options |= limits | {"frame_handler": frame_handler}
        hosts = self.connection.alt or [None]
        for host in hosts:
            try:
                self.connection.transport.establish_connection().close()
            except (OSError, amqp.UnexpectedFrame) as error:
                if host is hosts[-1]:
                    why = security.explain(self, error)
                    if why:
                        raise security.Mistaken(why) from error
                    raise
                self.connection.maybe_switch_next()
            else:
                return


def uses_rabbit(transport: oslo_messaging.RPCTransport) -> bool:
    """Tell whether a transport needs a broker; those in memory do not."""
    driver = transport._driver  # there is no public way to it
    return isinstance(driver, impl_rabbit.RabbitDriver) and not str(
        driver._url.transport
    ).startswith("kombu+memory")


@contextlib.contextmanager
def look(
    transport: oslo_messaging.RPCTransport, timeout: float = HANDSHAKE
) -> Iterator[Look]:
    """Connect to the broker, and disconnect at the end.

    :param transport: one that :func:`uses_rabbit`
    :param timeout: seconds for each host of the URL
    :raises BusUnavailable: no host could be reached, or one refused; see `refused`
    """
    driver = transport._driver
    try:
        found = Look(driver.conf, driver._url, common.PURPOSE_LISTEN, retry=timeout)
        try:
            yield found
        finally:
            found.close()
    except security.Mistaken as error:
        raise exceptions.BusUnavailable(
            f"the broker {place(driver._url)} cannot be used: {error}", refused=True
        ) from error
    except (amqp.AccessRefused, amqp.NotAllowed) as error:
        raise exceptions.BusUnavailable(
            f"the broker {place(driver._url)} refused: {error.reply_text or error}",
            refused=True,
        ) from error
    except (OSError, amqp.AMQPError, kombu.exceptions.KombuError) as error:
        silent = isinstance(error, TimeoutError)
        why = f"no answer within {timeout:g} s" if silent else error
        raise exceptions.BusUnavailable(
            f"the broker {place(driver._url)} cannot be reached: {why}"
        ) from error


def check(
    transport: oslo_messaging.RPCTransport, target: oslo_messaging.Target
) -> None:
    """Make sure that a server could listen on a target; in memory it always can.

    :raises BusUnavailable: the broker does not let us in, or an exchange or a queue
        exists that would lose requests; the message says how to mend it
    """
    if uses_rabbit(transport):
        with look(transport) as found:
            late = isinstance(transport._driver, rabbit.Driver)
            queue = Requests(found, target.exchange, target.topic, dead_letters=late)
            queue.check(found.connection)


class _Alarm(Exception):
    """The broker takes no messages; the text is its own."""


def alarm(
    transport: oslo_messaging.RPCTransport, timeout: float = PATIENCE
) -> str | None:
    """Return why the broker takes no messages, in its own words; None if it does.

    It says so only to who publishes, so this sends an empty message to nobody.

    :raises BusUnavailable: the broker cannot be asked
    """
    with look(transport, timeout) as found:
        connection, channel = found.connection.connection, found.connection.channel()
        hear_of_alarms(connection, _raise, lambda: None)
        nobody = (0, "", f"reply_{uuid.uuid4().hex}", False, False)
        try:
            message = amqp.basic_message.Message(b"")
            channel.send_method(spec.Basic.Publish, "Bssbb", nobody, message)
            channel.basic_qos(0, 1, False)  # answered when the message was taken
        except _Alarm as told:
            # It would not be answered when it is told good-bye.
            connection.collect()
            found.connection._connection = None
            return str(told)
    return None


def _raise(reason: str) -> None:
    raise _Alarm(reason)


def listeners(
    transport: oslo_messaging.RPCTransport, topic: str, timeout: float = PATIENCE
) -> int:
    """Count the workers that listen on a topic; 0 if nobody has ever done.

    :raises BusUnavailable: the broker cannot be asked
    """
    with look(transport, timeout) as found, found.connection.channel() as channel:
        try:
            return int(channel.queue_declare(topic, passive=True).consumer_count)
        except amqp.NotFound:
            return 0
