# SPDX-License-Identifier: Apache-2.0
"""From networker's errors to those of the Octavia that is installed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from octavia.common import exceptions as common
from octavia.network import base

from networker import exceptions
from networker._text import printable
from networker.rpc import contract

LOG = logging.getLogger(__name__)

#: Characters of an error's text in the log.
_LONGEST = 2000
#: What Octavia's own driver raises instead, because its callers look for that.
_INSTEAD: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("unplug_network", "AmphoraNotFound"): "NetworkNotFound",
    }
)
#: Those that are with the errors of all Octavia, and not of its network drivers.
_COMMON = ("MissingVIPSecurityGroup", "NetworkServiceError")


class AllocateVIP(base.AllocateVIPException):  # type: ignore[misc]
    """A VIP could not be allocated.

    Octavia's API sets `message` to the cloud's words, and then shows the error as text.
    """

    def __str__(self) -> str:
        return str(self.message)


class VIPInUse(base.VIPInUseException, AllocateVIP):  # type: ignore[misc]
    """The VIP's address is taken.

    One part of Octavia's API catches the first of these classes, another the second.
    """


@contextlib.contextmanager
def translated(method: str) -> Iterator[None]:
    """Raise Octavia's errors instead of networker's.

    What an operator has to mend is logged, because Octavia tells the user something else,
    such as that a subnet does not exist, and logs nothing.

    :param method: the method of the interface that is called
    """
    try:
        yield
    except exceptions.NetworkException as error:
        if isinstance(error, (exceptions.BusError, exceptions.Retriable)):
            LOG.error("networker: %s: %s", type(error).__name__, shown(error))
        raise translate(method, error) from error


def shown(error: exceptions.NetworkException) -> str:
    """Return what an error says as it can be in one line of Octavia's log."""
    return printable(str(error), _LONGEST)


def translate(method: str, error: exceptions.NetworkException) -> Any:
    """Return Octavia's error for one of networker's, with the words of the cloud."""
    made = _made(_kind(method, error), error)
    made.orig_msg, made.orig_code = error.orig_msg, error.orig_code
    return made


def _kind(method: str, error: exceptions.NetworkException) -> Any:
    """Return Octavia's class for an error.

    A CloudFailure, which is the own class of every operation at once, gets the method's.
    """
    if method == "allocate_vip":
        in_use = isinstance(error, exceptions.AddressInUse)
        return VIPInUse if in_use else AllocateVIP
    own = _class(_own(method)) or base.NetworkException
    if isinstance(error, (exceptions.CloudFailure, exceptions.BusError)):
        return own
    names = [kind.__name__ for kind in type(error).__mro__]
    special = names[: names.index("NetworkException")]
    kinds = [_class(_INSTEAD.get((method, name), name)) for name in special]
    return next(filter(None, kinds), own)


def _own(method: str) -> str:
    """Name the class that says that a method failed, whatever the reason."""
    declared = contract.methods().get(method)
    kind = declared.operation.fails_as if declared else exceptions.NetworkException
    return kind.__name__


def _class(name: str) -> Any:
    """Return a class of the Octavia that is installed, None if it has none."""
    return getattr(common if name in _COMMON else base, name, None)


def _made(kind: Any, error: exceptions.NetworkException) -> Any:
    text = str(error)
    if kind.__name__ == "MissingVIPSecurityGroup":
        return kind(lb_id=getattr(error, "load_balancer_id", None) or text)
    if kind.__name__ == "NetworkServiceError":
        return kind(net_error=text)
    made = kind(text.replace("%", "%%"))  # Octavia takes it for a format
    made.message = text
    return made
