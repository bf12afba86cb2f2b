# SPDX-License-Identifier: Apache-2.0
"""The interface as the bus sees it, derived from :class:`NetworkDriver`."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, get_type_hints

import msgspec
import oslo_messaging
from oslo_config import cfg

from networker._types import known
from networker.drivers import base
from networker.drivers.operation import Operation, edge

NAMESPACE = "network"
#: oslo.messaging's priority of all notifications of outcomes, so that they have one queue.
OUTCOMES_PRIORITY = "info"


@dataclasses.dataclass(frozen=True)
class Method:
    """One method of the interface.

    :param name: its name, here and on the wire
    :param operation: which ids it requires, since when, whether it mutates
    :param signature: its parameters, without `self`
    :param arguments: a Struct type with one field for each parameter
    :param returns: the annotation of the result
    """

    name: str
    operation: Operation
    signature: inspect.Signature
    arguments: type[msgspec.Struct]
    returns: Any

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The parameters by name, with annotations as types."""
        return self.signature.parameters

    @property
    def doc(self) -> str:
        """The docstring."""
        return inspect.getdoc(getattr(base.NetworkDriver, self.name)) or ""

    def guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that first refuses required ids that are empty.

        The methods of a driver are so without it.
        """
        return edge(getattr(base.NetworkDriver, self.name), self.operation, function)


def _method(name: str, operation: Operation) -> Method:
    function = getattr(base.NetworkDriver, name)
    hints = get_type_hints(function)
    parameters = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
            raise TypeError(f"{name}({parameter}): the bus cannot carry that")
        parameters.append(parameter.replace(annotation=hints[parameter.name]))
    fields = [
        (p.name, p.annotation)
        if p.default is p.empty
        else (p.name, p.annotation, p.default)
        for p in parameters
    ]
    return Method(
        name=name,
        operation=operation,
        signature=inspect.Signature(parameters, return_annotation=hints["return"]),
        arguments=known(msgspec.defstruct(name, fields, kw_only=True)),
        returns=known(hints["return"]),
    )


def target(conf: cfg.ConfigOpts, **more: Any) -> oslo_messaging.Target:
    """Return where requests go: the exchange is named, whatever the default one is."""
    return oslo_messaging.Target(
        exchange=conf.networker.exchange, topic=conf.networker.topic, **more
    )


def address(conf: cfg.ConfigOpts) -> str:
    """Return where requests go, for people: exchange and topic."""
    return f"{conf.networker.exchange}/{conf.networker.topic}"


def outcomes_topic(topic: str) -> str:
    """Name the topic on which workers publish how the casts of a topic ended."""
    return f"{topic}.outcomes"


@functools.cache
def methods() -> Mapping[str, Method]:
    """Return the methods of the interface by name."""
    made = {name: _method(name, op) for name, op in base.operations().items()}
    return MappingProxyType(made)
