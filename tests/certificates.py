# SPDX-License-Identifier: Apache-2.0
"""Certificates for loopback: an authority, and what it signed, good and bad."""

from __future__ import annotations

import datetime
import ipaddress
import pathlib
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)
#: What the key of an authority is for.
_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class Pair(NamedTuple):
    """Files of a certificate and its key."""

    cert: pathlib.Path
    key: pathlib.Path


class Authority:
    """Signs certificates, and keeps them in files.

    :param directory: where they are
    :param name: its own
    """

    def __init__(self, directory: pathlib.Path, name: str = "authority") -> None:
        self._directory = directory
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = self._sign(name, self._key, authority=True).cert

    def pair(
        self, name: str, *, expired: bool = False, host: str = "127.0.0.1"
    ) -> Pair:
        """Return the files of a new certificate for a host."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._sign(name, key, expired=expired, host=host)

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        authority: bool = False,
        expired: bool = False,
        host: str = "127.0.0.1",
    ) -> Pair:
        now = datetime.datetime.now(datetime.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        address = x509.IPAddress(ipaddress.ip_address(host))
        own, issuer = key.public_key(), self._key.public_key()
        # Python 3.13 checks what RFC 5280 demands.
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(authority, None), True),
            (x509.SubjectAlternativeName([address]), False),
            (x509.SubjectKeyIdentifier.from_public_key(own), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), False),
        ]
        if authority:
            extensions.append((_SIGNS, True))
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(own)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 3 * _DAY)
            .not_valid_after(now - _DAY if expired else now + _DAY)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        signed = builder.sign(self._key, hashes.SHA256())
        pair = Pair(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        pair.cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pair
