# SPDX-License-Identifier: Apache-2.0
"""Declare the interface's operations, and make every driver keep what is declared."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from networker import exceptions
from networker.exceptions import CloudFailure, NetworkException

Method = TypeVar("Method", bound=Callable[..., Any])


#: Attributes of an error, by name.
About = Mapping[str, str | None]


class Refusal(Exception, abc.ABC):
    """What a cloud, or a driver for it, refuses: each operation has its own error for it.

    Drivers raise it, and :func:`edge` turns it into what the interface promises.
    """

    @abc.abstractmethod
    def as_error(
        self, failure: type[NetworkException], about: About
    ) -> NetworkException:
        """Return the interface's error.

        :param failure: the operation's own class, for a reason that has none of its own
        :param about: attributes of the error, as far as its class has them
        """


@dataclasses.dataclass(frozen=True)
class Operation:
    """What is known of a method besides its signature.

    :param requires: paths of the ids that must not be empty, such as ``vip.port_id``; in a
        list, in none of its items
    :param since: the interface version that brought it
    :param mutates: whether it changes anything
    :param added: arguments that came later than the method, and since when
    :param fails_as: the class of its errors, unless the reason has one of its own
    :param about: what its errors are about: their attributes, and the paths of the values;
        of several paths, joined by "or", the first that is not empty
    """

    requires: tuple[str, ...]
    since: str
    mutates: bool
    added: Mapping[str, str]
    fails_as: type[NetworkException]
    about: Mapping[str, str]

    def version(self, arguments: Iterable[str]) -> str:
        """Return the oldest version of the interface that has it with some arguments."""
        versions = [
            self.since,
            *(self.added.get(name, self.since) for name in arguments),
        ]
        return max(versions, key=lambda version: [int(n) for n in version.split(".")])

    def attributes(self, arguments: Mapping[str, Any]) -> About:
        """Return what an error of a call with some arguments is about."""
        return {name: _first(path, arguments) for name, path in self.about.items()}


def operation(
    *requires: str,
    mutates: bool = False,
    since: str = "1.0",
    added: Mapping[str, str] = MappingProxyType({}),
    fails_as: type[NetworkException] = NetworkException,
    about: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[Method], Method]:
    """Mark a method as part of the interface; see :class:`Operation`."""

    def mark(method: Method) -> Method:
        made = Operation(requires, since, mutates, added, fails_as, about)
        vars(method)["operation"] = made
        return method

    return mark


def edge(
    interface: Callable[..., Any], declared: Operation, method: Callable[..., Any]
) -> Callable[..., Any]:
    """Return an implementation as it is called from outside.

    It refuses a call in which a required id is empty, and fails as the interface promises.

    :param interface: the interface's method
    :param declared: what the interface says of it
    :param method: an implementation
    """
    name, signature = interface.__name__, inspect.signature(interface)
    names = list(signature.parameters)[1:]

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        # The method itself refuses arguments that do not fit. To bind them here, too,
        # would cost each call as much as all the rest of this.
        arguments = {**dict(zip(names, args, strict=False)), **kwargs}
        try:
            for path in declared.requires:
                _require(name, path, arguments)
        except exceptions.InvalidRequest:
            signature.bind(self, *args, **kwargs)
            raise
        try:
            return method(self, *args, **kwargs)
        except (Refusal, CloudFailure) as error:
            raise _as_promised(error, declared, arguments) from error

    call.__doc__ = method.__doc__ or interface.__doc__
    return call


@contextlib.contextmanager
def failing_as(
    interface: Callable[..., Any], **arguments: str | None
) -> Iterator[None]:
    """Let a part of an operation fail as another operation does.

    :param interface: the other one: a method of the interface
    :param arguments: with which it could have been called
    """
    try:
        yield
    except (Refusal, CloudFailure) as error:
        declared: Operation = vars(interface)["operation"]
        raise _as_promised(error, declared, arguments) from error


def _as_promised(
    error: Refusal | CloudFailure, declared: Operation, arguments: Mapping[str, Any]
) -> NetworkException:
    about = declared.attributes(arguments)
    if isinstance(error, Refusal):
        return error.as_error(declared.fails_as, about)
    known = {name: value for name, value in about.items() if name in error.names()}
    return type(error)(str(error), **{**known, **error.attributes()})


def _first(paths: str, arguments: Mapping[str, Any]) -> Any:
    """Return what is at the first of some paths into the arguments where something is."""
    found: list[Any] = []
    for path in paths.split(" or "):
        first, *fields = path.split(".")
        found += _values(arguments.get(first), fields)
    return next(filter(None, found), found[-1] if found else None)


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
