# SPDX-License-Identifier: Apache-2.0
"""Ask the broker whether it lets us in, what its queues are like, and who listens.

Every question has a connection of its own, which cannot hang for longer than it is told to,
whatever state the others are in.
"""

from __future__ import annotations

import contextlib
import ssl
import uuid
from collections.abc import Iterator
from typing import Any

import amqp
import kombu.exceptions
import oslo_messaging
from amqp import spec
from oslo_messaging._drivers import common, impl_rabbit

from networker import exceptions, tls
from networker.rpc.rabbitmq.messaging_driver import GROUP, driver_of
from networker.rpc.rabbitmq.pyamqp import frame_handler, on_alarms
from networker.rpc.rabbitmq.queues import RequestConsumer
from networker.rpc.rabbitmq.supervision import place

#: Seconds that each host has to answer while a caller waits.
TIMEOUT = 5.0
#: The same for commands and workers that start. RabbitMQ itself gives so much time to a
#: handshake, in which it looks up its own machine's name: a name service that loses a
#: question answers after 5 s.
HANDSHAKE = 10.0


class WrongOptions(Exception):
    """The options for TLS are wrong; the message names one, and its value."""


class ProbeConnection(impl_rabbit.Connection):  # type: ignore[misc]
    """A connection that is tried once on each host and then given up.

    :raises WrongOptions: it can never come about with the options for TLS
    """

    def __init__(self, conf: Any, url: Any, purpose: str, retry: float) -> None:
        #: Options that the URL has, instead of the configuration's.
        self.query: dict[str, str] = url.query
        try:
            super().__init__(conf, url, purpose, retry=retry)
        except RuntimeError as error:  # of options that are wrong, or contradict others
            raise WrongOptions(f"[{GROUP}]: {error}") from error

    def ensure_connection(self) -> None:
        """Connect once to each host in turn, until one answers."""
        wrong = _wrong_files(self) if self.ssl else None
        if wrong:
            raise WrongOptions(wrong)
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
                    why = _explain(self, error)
                    if why:
                        raise WrongOptions(why) from error
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
def connected(
    transport: oslo_messaging.RPCTransport, timeout: float = HANDSHAKE
) -> Iterator[ProbeConnection]:
    """Connect to the broker, and disconnect at the end.

    :param transport: one that :func:`uses_rabbit`
    :param timeout: seconds for each host of the URL
    :raises BusUnavailable: no host could be reached, or one refused; see `refused`
    """
    driver = transport._driver
    with telling(transport, timeout):
        found = ProbeConnection(
            driver.conf, driver._url, common.PURPOSE_LISTEN, retry=timeout
        )
        try:
            yield found
        finally:
            found.close()


@contextlib.contextmanager
def telling(
    transport: oslo_messaging.RPCTransport, timeout: float = HANDSHAKE
) -> Iterator[None]:
    """Translate what goes wrong with a connection in the block.

    :param transport: one that :func:`uses_rabbit`
    :param timeout: seconds that each host had
    :raises BusUnavailable: no host could be reached, or one refused; see `refused`
    """
    driver = transport._driver
    try:
        yield
    except WrongOptions as error:
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
    """Make sure that a server could listen on a target.

    :param transport: one that :func:`uses_rabbit`
    :raises BusUnavailable: the broker does not let us in, or an exchange or a queue
        exists that would lose requests; the message says how to mend it
    """
    with connected(transport) as found:
        late = driver_of(transport) is not None
        queue = RequestConsumer(found, target.exchange, target.topic, dead_letters=late)
        queue.check(found.connection)


class _Alarm(Exception):
    """The broker takes no messages; the text is its own."""


def alarm(
    transport: oslo_messaging.RPCTransport, timeout: float = TIMEOUT
) -> str | None:
    """Return why the broker takes no messages, in its own words; None if it does.

    It says so only to who publishes, so this sends an empty message to nobody.

    :raises BusUnavailable: the broker cannot be asked
    """
    with connected(transport, timeout) as found:
        connection, channel = found.connection.connection, found.connection.channel()
        on_alarms(connection, _raise, lambda: None)
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
    transport: oslo_messaging.RPCTransport, topic: str, timeout: float = TIMEOUT
) -> int:
    """Count the workers that listen on a topic; 0 if nobody has ever done.

    :raises BusUnavailable: the broker cannot be asked
    """
    with connected(transport, timeout) as found:
        counted = count(found, topic)
    return counted[1] if counted else 0


def count(probe: ProbeConnection, queue: str) -> tuple[int, int] | None:
    """Count the messages that wait in a queue, and its consumers.

    :param probe: from :func:`connected`
    :param queue: its name
    :returns: None if there is no such queue
    """
    with probe.connection.channel() as channel:
        try:
            found = channel.queue_declare(queue, passive=True)
        except amqp.NotFound:
            return None
    return found.message_count, found.consumer_count


def describe(transport: oslo_messaging.RPCTransport, topic: str) -> dict[str, str]:
    """Return, by name, where requests go, and what carries them.

    :param topic: with its exchange, for people
    :raises BusUnavailable: the broker cannot be asked
    """
    url = transport._driver._url
    hosts = [f"{host.hostname}:{host.port or 5672}" for host in url.hosts]
    with connected(transport) as found:
        told = found.connection.connection.server_properties
        how = _transport_security(found)
    return {
        "broker": ", ".join(hosts) or "localhost:5672",
        "virtual host": virtual_host(transport),
        "topic": topic,
        "connection": how,
        str(told.get("product", "broker's version")): str(told.get("version")),
    }


def _transport_security(found: ProbeConnection) -> str:
    if not found.ssl:
        return "without TLS"
    return f"TLS, verified by {found.ssl_ca_file or 'the authorities of the system'}"


def virtual_host(transport: oslo_messaging.RPCTransport) -> str:
    """Return the name of the virtual host."""
    return transport._driver._url.virtual_host or "/"


def location(transport: oslo_messaging.RPCTransport) -> str:
    """Return hosts, ports and virtual host of the broker, for people."""
    return place(transport._driver._url)


def _wrong_files(connection: ProbeConnection) -> str | None:
    """Return which file of certificates or keys cannot be used, and why.

    :param connection: which need not have connected
    """
    return tls.wrong_files(
        {
            kind: (_option(connection, name), getattr(connection, name) or None)
            for kind, name in (
                ("ca", "ssl_ca_file"),
                ("cert", "ssl_cert_file"),
                ("key", "ssl_key_file"),
            )
        }
    )


def _explain(connection: ProbeConnection, error: Exception) -> str | None:
    """Return which option has to be mended where TLS is why there is no connection.

    :param connection: one that could not connect
    :param error: what came of it
    :returns: None if it may be there another time, or TLS is not why
    """
    kombu = connection.connection
    host, port = kombu.hostname, kombu.port or 5672
    where = f"{host}:{port}"
    if not connection.ssl:
        # Where nobody listens, it makes no difference what is spoken.
        if _is_open(error) and tls.answers_tls(host, port):
            return f"{where} speaks TLS, and {_option(connection, 'ssl')} is not set"
        return None
    found = tls.failed(error)
    if isinstance(found, ssl.SSLCertVerificationError):
        ca = connection.ssl_ca_file or "not set"
        return (
            f"the certificate of {where} is not accepted: {tls.reason(found)}; "
            f"see {_option(connection, 'ssl_ca_file')} = {ca}"
        )
    if _is_open(error) and tls.answers_amqp(host, port):
        return f"{where} does not speak TLS, and {_option(connection, 'ssl')} is set"
    if found is not None and tls.refused(found):
        cert = connection.ssl_cert_file or "not set"
        return (
            f"{where} ended TLS: {tls.reason(found)}; "
            f"see {_option(connection, 'ssl_cert_file')} = {cert}"
        )
    return None


def _is_open(error: Exception) -> bool:
    """Tell whether something listens on the port: it ended the connection afterwards."""
    return not isinstance(error, ConnectionRefusedError)


def _option(connection: ProbeConnection, name: str) -> str:
    """Name an option, which may be in the URL as well."""
    if name in connection.query:
        return f"{name} in transport_url"
    return f"[{GROUP}] {name}"
