# SPDX-License-Identifier: Apache-2.0
"""A driver that does not have all methods yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from networker import exceptions
from networker.drivers.base import NetworkDriver, operations


def _not_written(name: str) -> Callable[..., NoReturn]:
    def method(self: PartialDriver, *_: Any, **__: Any) -> NoReturn:
        driver = type(self).__name__
        raise exceptions.NotImplementedByDriver(method=name, driver=driver)

    method.__name__ = name
    method.__qualname__ = f"PartialDriver.{name}"
    return method


class PartialDriver(NetworkDriver):
    """The base of a driver whose author begins: it need not have all methods.

    A method that is not written raises
    :class:`~networker.exceptions.NotImplementedByDriver`, which the caller on the other end
    of the bus gets, too. Type checkers take such a class for abstract, as it is: leave the
    making of it to :func:`networker.drivers.load`.
    """

    # What is here when the class is made is what makes it no abstract one.
    vars().update({name: _not_written(name) for name in operations()})

    @classmethod
    def written(cls) -> frozenset[str]:
        """Return the names of the methods that it has."""
        return frozenset(
            name
            for name in operations()
            if getattr(cls, name) is not getattr(PartialDriver, name)
        )
