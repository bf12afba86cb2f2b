# SPDX-License-Identifier: Apache-2.0
"""What is known of an interface's method besides its signature, and checked for it."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from networker import exceptions

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class Operation:
    """What is known of a method besides its signature.

    :param requires: paths of the ids that must not be empty, such as ``vip.port_id``; in a
        list, in none of its items
    :param since: the interface version that brought it
    :param mutates: whether it changes anything
    :param added: arguments that came later than the method, and since when
    """

    requires: tuple[str, ...]
    since: str
    mutates: bool
    added: Mapping[str, str]

    def version(self, arguments: Iterable[str]) -> str:
        """Return the oldest version of the interface that has it with some arguments."""
        versions = [
            self.since,
            *(self.added.get(name, self.since) for name in arguments),
        ]
        return max(versions, key=lambda version: [int(n) for n in version.split(".")])


def operation(
    *requires: str,
    mutates: bool = False,
    since: str = "1.0",
    added: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[Method], Method]:
    """Mark a method as part of the interface; see :class:`Operation`."""

    def mark(method: Method) -> Method:
        vars(method)["operation"] = Operation(requires, since, mutates, added)
        return method

    return mark


def checked(
    name: str, declared: Operation, signature: inspect.Signature, method: Method
) -> Callable[..., Any]:
    """Return a method that refuses a call in which a required id is empty.

    :param name: the method's, for messages
    :param declared: what the interface says of it
    :param signature: the interface's, with `self`
    :param method: an implementation
    """
    names = list(signature.parameters)[1:]

    @functools.wraps(method)
    def checking(self: Any, *args: Any, **kwargs: Any) -> Any:
        # The method itself refuses arguments that do not fit. To bind them here, too,
        # would cost each call as much as all the rest of this.
        arguments = {**dict(zip(names, args, strict=False)), **kwargs}
        try:
            for path in declared.requires:
                _require(name, path, arguments)
        except exceptions.InvalidRequest:
            signature.bind(self, *args, **kwargs)
            raise
        return method(self, *args, **kwargs)

    return checking


def _require(method: str, path: str, arguments: Mapping[str, Any]) -> None:
    """Raise InvalidRequest if there is nothing at a path into the arguments."""
    first, *fields = path.split(".")
    for value in _values(arguments.get(first), fields):
        if value is None or (isinstance(value, str) and not value.strip()):
            raise exceptions.InvalidRequest(
                f"{method}: {path} must not be empty", method=method
            )


def _values(value: Any, fields: Sequence[str]) -> Iterator[Any]:
    """Return what is at a path; in a list, at that of each of its items."""
    if isinstance(value, list):
        for item in value:
            yield from _values(item, fields)
    elif fields:
        yield from _values(getattr(value, fields[0], None), fields[1:])
    else:
        yield value
