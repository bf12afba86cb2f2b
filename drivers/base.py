# SPDX-License-Identifier: Apache-2.0
"""The network driver interface: what a controller calls and what a driver implements.

:class:`NetworkDriver` is the one source of truth. The proxy, the server's endpoint, the
schema of the messages, the command line and the reference are all derived from it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from networker.drivers.interface.amphorae import Amphorae
from networker.drivers.interface.interfaces import Interfaces
from networker.drivers.interface.lookups import Lookups
from networker.drivers.interface.ports import Ports
from networker.drivers.interface.vips import Vips
from networker.drivers.operation import Operation, checked

#: Version of the interface: methods and optional arguments raise the minor number,
#: everything else the major one. ``tests/contract/<version>.json`` is its snapshot.
INTERFACE_VERSION = "1.2"


class Misconfigured(Exception):
    """A driver cannot work with its configuration; the message says what to mend."""


class NetworkDriver(Vips, Amphorae, Interfaces, Ports, Lookups):
    """Everything that a load-balancer controller needs of a network.

    Implementations keep no state between calls and may run in any number of copies.
    Every method that changes something (`mutates`) is idempotent: made again, after
    success, failure or a lost answer, or twice at once, it ends in the same single
    result. When it raises, what it had done is undone.

    Any method may raise :class:`~networker.exceptions.InvalidRequest` (an id that it
    needs is empty; nothing was asked of the cloud) and
    :class:`~networker.exceptions.CloudUnavailable` (the cloud gave no answer in time).
    Any mutator may raise :class:`~networker.exceptions.QuotaExceeded`, and one that
    detaches :class:`~networker.exceptions.TimeoutException`.

    A `context` says on whose behalf something is looked up: with that user's token, so
    that a user learns of nothing, and uses nothing, that the cloud hides from them. The
    token serves for that one read only, and crosses the bus sealed.

    The required ids are checked before the code of an implementation runs: a missing id
    in a query to the cloud would otherwise select everybody's resources.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, declared in operations().items():
            method = vars(cls).get(name)
            if method is not None:
                signature = inspect.signature(getattr(NetworkDriver, name))
                setattr(cls, name, checked(name, declared, signature, method))

    def check(self) -> Sequence[str] | None:
        """Find out whether calls could succeed; a worker does so before it serves.

        :returns: what may not be right and does not keep it from serving, a line for each
        :raises Misconfigured: saying in one line what the operator has to mend
        :raises CloudUnavailable: the cloud cannot be reached just now
        """

    def describe(self) -> dict[str, str]:
        """Return, by name, where the network is, for the log and for the operator."""
        return {}

    def close(self) -> None:
        """Release connections and threads; the driver is not used afterwards."""


def operations() -> dict[str, Operation]:
    """Return the methods of the interface, by name, in alphabetical order."""
    return {
        name: vars(getattr(NetworkDriver, name))["operation"]
        for name in sorted(NetworkDriver.__abstractmethods__)
    }
