# SPDX-License-Identifier: Apache-2.0
"""Make methods of the interface that send their arguments to a worker."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

from networker.drivers import base
from networker.rpc import codec, contract
from networker.rpc.tokens import Tokens


class Sender(Protocol):
    """What the methods are of."""

    @property
    def tokens(self) -> Tokens:
        """Seals users' tokens."""


def remote(
    method: contract.Method,
    send: Callable[[Any, contract.Method, dict[str, Any]], Any],
) -> Callable[..., Any]:
    """Return a function with a method's name, signature and docstring that sends it.

    :param method: what to send
    :param send: sends it; called with the object, the method and its encoded arguments
    """

    @functools.wraps(getattr(base.NetworkDriver, method.name))
    def made(self: Sender, *args: Any, **kwargs: Any) -> Any:
        bound = method.signature.bind(*args, **kwargs).arguments
        wire = self.tokens.seal(method, codec.encode_arguments(method, bound))
        return send(self, method, wire)

    vars(made).pop("__isabstractmethod__", None)
    return made
