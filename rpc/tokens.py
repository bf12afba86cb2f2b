# SPDX-License-Identifier: Apache-2.0
"""Users' tokens on the bus: sealed by the caller, opened by the worker.

Where a method takes a :class:`~networker.models.UserContext`, the bus carries that whole
argument as a Fernet token (cryptography's: AES-128-CBC and HMAC-SHA256, with the time of
sealing) of its JSON. Brokers, dead letters and logs see only that.
"""

from __future__ import annotations

import functools
import re
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from oslo_config import cfg

from networker import exceptions
from networker.models import UserContext
from networker.rpc.contract import Method

#: Seconds after which a sealed token is not opened any more: longer than anybody waits for
#: a read, and short enough to be of little use for who copies requests.
OLDEST = 300
#: What fits into an HTTP header. Anything else would be cited in the error that refuses it.
_SENDABLE = re.compile("[!-~]+")
_KEY = re.compile("[0-9A-Za-z_-]{43}=")
_OPTIONS = "[networker] forward_user_tokens = true and user_token_keys"


class Tokens:
    """Seals and opens the users' tokens among the arguments of calls.

    :param conf: with ``[networker] forward_user_tokens`` and ``user_token_keys``, of
        which the first one seals and all open
    :raises ValueError: tokens are to be forwarded and there is no key, or a key is
        malformed; the message does not contain it
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        texts = conf.networker.user_token_keys
        keys = [_key(number, text) for number, text in enumerate(texts, 1)]
        self._keys: MultiFernet | None = None
        if conf.networker.forward_user_tokens:
            if not keys:
                raise ValueError(
                    "[networker] user_token_keys: forward_user_tokens needs a key; make "
                    'one with python -c "from cryptography.fernet import Fernet; '
                    'print(Fernet.generate_key().decode())"'
                )
            self._keys = MultiFernet(keys)

    def seal(self, method: Method, wire: dict[str, Any]) -> dict[str, Any]:
        """Return encoded arguments with every user's token sealed.

        :param wire: as :func:`networker.rpc.codec.encode_arguments` returned them
        :raises InvalidRequest: tokens are not forwarded, or this one is none
        """
        given = _contexts(method, wire)
        return wire | {name: self._sealed(method, name, wire[name]) for name in given}

    def open(self, method: Method, wire: dict[str, Any]) -> dict[str, Any]:
        """Return encoded arguments with every user's token opened.

        :param wire: as they came from the bus
        :raises InvalidRequest: one is not sealed, too old, or sealed with another key, or
            tokens are not opened here
        """
        given = _contexts(method, wire)
        return wire | {name: self._opened(method, name, wire[name]) for name in given}

    def _sealed(self, method: Method, name: str, value: dict[str, Any]) -> str:
        refused = functools.partial(_refused, method, name)
        if self._keys is None:
            raise refused(
                f"users' tokens are not sent; set {_OPTIONS} here and for the workers"
            )
        if not _SENDABLE.fullmatch(value["auth_token"]):
            raise refused(
                "auth_token is no token: it is empty, or has spaces or odd characters"
            )
        return self._keys.encrypt(msgspec.json.encode(value)).decode()

    def _opened(self, method: Method, name: str, value: Any) -> Any:
        refused = functools.partial(_refused, method, name)
        if not isinstance(value, str):
            raise refused(
                "came unsealed and is not used; send it through networker.rpc, and "
                "revoke the token, which the broker has seen"
            )
        if self._keys is None:
            raise refused(
                f"users' tokens are not opened; set {_OPTIONS} for the workers"
            )
        sealed = value.encode(errors="replace")
        try:
            self._keys.decrypt(sealed)
        except InvalidToken:
            raise refused(
                "is not sealed with a key of this worker, or was changed on its way; "
                "the first of the caller's [networker] user_token_keys must be among "
                "the workers'"
            ) from None
        try:
            return msgspec.json.decode(self._keys.decrypt(sealed, ttl=OLDEST))
        except InvalidToken:
            raise refused(
                f"was sealed more than {OLDEST} s ago, or by a clock that is more than a "
                "minute ahead of this worker's; make the call anew"
            ) from None


def _contexts(method: Method, wire: dict[str, Any]) -> Iterator[str]:
    """Return the names of arguments that are users' contexts, of those that were given."""
    for name, parameter in method.parameters.items():
        kinds = (parameter.annotation, *typing.get_args(parameter.annotation))
        if UserContext in kinds and wire.get(name) is not None:
            yield name


def _key(number: int, text: str) -> Fernet:
    # Fernet itself would take the first of two keys that lack their comma.
    if not _KEY.fullmatch(text):
        raise ValueError(
            f"[networker] user_token_keys: key {number} is malformed; a key is 32 bytes "
            "in URL-safe base64, as Fernet.generate_key() makes them"
        )
    return Fernet(text)


def _refused(method: Method, name: str, text: str) -> exceptions.InvalidRequest:
    return exceptions.InvalidRequest(
        f"{method.name}: {name}: {text}", method=method.name
    )
