# SPDX-License-Identifier: Apache-2.0
"""Why a connection by TLS cannot be had, in words that name the option to mend."""

from __future__ import annotations

import contextlib
import datetime
import os
import pathlib
import socket
import ssl
from collections.abc import Mapping

from cryptography import x509

#: Seconds for a look at what a port speaks.
_MOMENT = 2.0
_AMQP = b"AMQP\x00\x00\x09\x01"


def wrong_files(
    files: Mapping[str, tuple[str, str | None]], *, folders: bool = False
) -> str | None:
    """Find out whether files of certificates and keys can be used.

    :param files: name of the option and path, by what it is: ``ca``, ``cert``, ``key``
    :param folders: whether the authorities may be a directory
    :returns: what has to be mended, None if all is well or nothing is given
    """
    for kind, (option, path) in files.items():
        why = _unusable(kind, pathlib.Path(path), folders=folders) if path else None
        if why:
            return f"{option} = {path}: {why}"
    cert_option, cert = files["cert"]
    key_option, key = files["key"]
    if key and not cert:
        return f"{key_option} = {key}: has no effect without {cert_option}"
    if cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            # A password would be asked for on the terminal.
            context.load_cert_chain(cert, key, password=lambda: "")
        except (ssl.SSLError, ValueError) as error:
            named = f"{cert_option} = {cert}, {key_option} = {key or 'not set'}"
            return f"{named}: no certificate with its key: {reason(error)}"
        ended = x509.load_pem_x509_certificate(pathlib.Path(cert).read_bytes())
        if ended.not_valid_after_utc < datetime.datetime.now(datetime.UTC):
            # The other side may end the connection without a word.
            return f"{cert_option} = {cert}: expired at {ended.not_valid_after_utc}"
    return None


def _unusable(kind: str, path: pathlib.Path, *, folders: bool) -> str | None:
    try:
        if not (folders and kind == "ca" and path.is_dir()):
            path.open("rb").close()
            if kind == "ca":
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return "has no certificate in PEM format"
    except OSError as error:
        return os.strerror(error.errno or 0)
    return None


def reason(error: BaseException) -> str:
    """Return what OpenSSL says, in plain words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return str(error)


def failed(error: BaseException) -> ssl.SSLError | None:
    """Return the error of TLS among what an error was raised from, if there is one."""
    seen: set[int] = set()
    looking = [error]
    while looking:
        found = looking.pop()
        if isinstance(found, ssl.SSLError):
            return found
        seen.add(id(found))
        # Libraries that do not chain their errors carry them as arguments.
        inner = [found.__cause__, found.__context__, *found.args]
        inner.append(getattr(found, "reason", None))
        looking += [
            each
            for each in inner
            if isinstance(each, BaseException) and id(each) not in seen
        ]
    return None


def refused(error: ssl.SSLError) -> bool:
    """Tell whether another try with the same options would fail in the same way."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return True
    why = error.reason or ""
    return "ALERT" in why or "HANDSHAKE_FAILURE" in why or is_plain(error)


def is_plain(error: ssl.SSLError) -> bool:
    """Tell whether the other side answered with something that is not TLS."""
    return error.reason in {
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
        "PACKET_LENGTH_TOO_LONG",
        "HTTP_REQUEST",
        "UNKNOWN_PROTOCOL",
    }


def answers_tls(host: str, port: int) -> bool:
    """Find out whether a port speaks TLS, whatever its certificate is worth."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), _MOMENT) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False


def answers_amqp(host: str, port: int) -> bool:
    """Find out whether a port speaks AMQP without TLS."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), _MOMENT) as plain,
    ):
        plain.sendall(_AMQP)
        return plain.recv(4)[:1] in (b"\x01", b"A")
    return False
