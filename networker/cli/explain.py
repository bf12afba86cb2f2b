# SPDX-License-Identifier: Apache-2.0
"""Say in plain text what a method does, what its models have, and how it is called."""

from __future__ import annotations

import inspect
import re
import textwrap
import typing
from collections.abc import Iterator
from typing import Any

import msgspec

from networker import fields
from networker.cli.examples import example
from networker.rpc import contract

_ROLE = re.compile(r":(?:attr|class|func|meth|mod):`[~.]*(?:[\w.]+\.)?(\w+)`")
#: What is said with the flags.
_PARAMETER = re.compile(r"^:param .*\n(?: +.*\n?)*", re.MULTILINE)
_RAISES = re.compile(r"^:raises (\w+): ", re.MULTILINE)
_WIDTH = 78
_WORDS = {"str": "", "bool": "true or false", "int": "number", "datetime": "time"}


def plain(text: str) -> str:
    """Return reStructuredText as plain text."""
    return _ROLE.sub(r"\1", text).replace("`", "")


def about(method: contract.Method) -> str:
    """Return what a method does, returns and raises, and the fields of its models."""
    text = _PARAMETER.sub("", method.doc + "\n")
    text = _RAISES.sub(r"raises \1: ", text).replace("\n:returns: ", "\nreturns: ")
    return plain(text).strip() + "\n\n" + "\n".join(_fields(method))


def usage(method: contract.Method) -> str:
    """Return an example of a call."""
    text = textwrap.indent(example(method.name), "  ")
    return f"example, with the sandbox's own ids:\n{text}" if text else ""


def _fields(method: contract.Method) -> Iterator[str]:
    """Say which fields there are in the JSON of a method's arguments."""
    kinds = [parameter.annotation for parameter in method.parameters.values()]
    waiting = [model for kind in kinds for model in fields.models(kind)]
    told = set()
    while waiting:
        model = waiting.pop(0)
        if model in told or model.__name__ == "UserContext":
            continue
        told.add(model)
        hints = typing.get_type_hints(model)
        names = [field.encode_name for field in msgspec.structs.fields(model)]
        parts = ", ".join(f"{name}{_kind(hints[name])}" for name in names)
        text = f"fields of {model.__name__}: {parts}"
        yield textwrap.fill(text, _WIDTH, subsequent_indent="  ")
        waiting += [m for name in names for m in fields.models(hints[name])]


def _kind(hint: Any) -> str:
    """Return what a field takes, unless it is a text."""
    parts = [part for part in typing.get_args(hint) if part is not type(None)]
    if typing.get_origin(hint) is list:
        word = f"list of {parts[0].__name__.replace('str', 'texts')}"
    else:
        kind = parts[0] if parts else hint
        name = kind.__name__ if inspect.isclass(kind) else str(kind)
        word = _WORDS.get(name, name)
    return f" ({word})" if word else ""
