# SPDX-License-Identifier: Apache-2.0
"""Find fields that no model has, in what people have written.

On the wire they are ignored, so that two releases can talk. In what somebody has written
they are mistakes, and what was meant would silently not be done.
"""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Iterator
from typing import Any

import msgspec


def models(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """Return the models in a type: itself, or those of a list, a dictionary, a union."""
    if inspect.isclass(kind) and issubclass(kind, msgspec.Struct):
        yield kind
    for part in typing.get_args(kind):
        yield from models(part)


def unknown(value: Any, kind: Any, path: str = "$") -> Iterator[str]:
    """Say which fields a model has not, where they are, and what may have been meant.

    :param value: what JSON can carry
    :param kind: the type that it is read as
    :param path: of the value
    """
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from unknown(item, kind, f"{path}[{number}]")
        return
    model = next(models(kind), None)
    if not isinstance(value, dict) or model is None:
        return
    hints = typing.get_type_hints(model)
    fields = {
        field.encode_name: hints[field.name] for field in msgspec.structs.fields(model)
    }
    for name, item in value.items():
        if name in fields:
            yield from unknown(item, fields[name], f"{path}.{name}")
        else:
            near = difflib.get_close_matches(str(name), sorted(fields), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"{path}.{name}: {model.__name__} has no such field{hint}"
