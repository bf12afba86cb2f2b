# SPDX-License-Identifier: Apache-2.0
"""TLS to the broker: which option is wrong where there is no connection."""

from __future__ import annotations

import ssl
from typing import Any

from networker import tls

_GROUP = "oslo_messaging_rabbit"


class Mistaken(Exception):
    """The options for TLS are wrong; the message names one, and its value."""


def wrong_files(connection: Any) -> str | None:
    """Return which file of certificates or keys cannot be used, and why.

    :param connection: a look at the broker, which need not have connected
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


def explain(connection: Any, error: Exception) -> str | None:
    """Return which option has to be mended where TLS is why there is no connection.

    :param connection: a look at the broker that could not connect
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


def _option(connection: Any, name: str) -> str:
    """Name an option, which may be in the URL as well."""
    if name in connection.query:
        return f"{name} in transport_url"
    return f"[{_GROUP}] {name}"
