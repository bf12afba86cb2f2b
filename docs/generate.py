# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference.md from the interface; ``make docs`` runs it."""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split
import inspect
import json
import pathlib
import re
import sys
import typing
from collections.abc import Iterator

import msgspec

from networker import exceptions, models
from networker.drivers import base
from networker.drivers.operation import Operation
from networker.rpc import codec, contract

_COSTS = """\
*Requests / waves* is what the neutron driver asks of Neutron and Nova; waves are requests
that have to wait for each other. A look for the end of something that the cloud goes on with
by itself, such as a detach, counts once.
"""
_OTHER = re.compile(r":(?:class|meth|mod):`[~.]*(?:[\w.]+\.)?(\w+)`")


def plain(text: str) -> str:
    """Return reStructuredText as Markdown."""
    return _OTHER.sub(r"`\1`", text).replace("``", "`")


def short(kind: object) -> str:
    """Return a type as a reader writes it."""
    text = kind.__name__ if isinstance(kind, type) else str(kind)
    return text.replace("networker.models.", "").replace("NoneType", "None")


def fields(doc: str) -> tuple[str, list[tuple[str, str]]]:
    """Split a docstring into its prose and its fields."""
    prose, *rest = re.split(r"^:(?=param|returns|raises)", doc, flags=re.MULTILINE)
    last = rest[-1] if rest else ""
    body, blank, tail = last.partition("\n\n")
    if rest:
        rest[-1] = body
    found = []
    for field in rest:
        name, _, text = field.partition(":")
        found.append((name, " ".join(text.split())))
    return prose.rstrip() + ("\n\n" + tail if blank else ""), found


def since(operation: Operation) -> str:
    """Say since when there is a method, and its later arguments."""
    later = [f"`{name}` since {version}" for name, version in operation.added.items()]
    return ", ".join([f"Since {operation.since}", *later])


def costs() -> dict[str, dict[str, str]]:
    """Return by method and case what tests/contract/test_requests.py has measured."""
    path = pathlib.Path(__file__).with_name("requests.json")
    found: dict[str, dict[str, str]] = json.loads(path.read_text())
    return found


def methods() -> Iterator[str]:
    """Describe every method."""
    measured = costs()
    for method in contract.methods().values():
        arguments = ", ".join(
            f"{p.name}: {short(p.annotation)}"
            + ("" if p.default is p.empty else f" = {p.default!r}")
            for p in method.parameters.values()
        )
        yield f"### `{method.name}({arguments}) -> {short(method.returns)}`\n"
        operation = method.operation
        kind = "changes the network; idempotent" if operation.mutates else "reads"
        yield f"*{since(operation)}; {kind}.*"
        if operation.requires:
            needed = ", ".join(f"`{path}`" for path in operation.requires)
            yield f"*Must not be empty: {needed}.*"
        prose, found = fields(method.doc)
        yield "\n" + plain(prose).strip() + "\n"
        for name, text in found:
            role, _, subject = name.partition(" ")
            label = f"`{subject}`" if subject else "returns"
            yield f"- {'raises ' if role == 'raises' else ''}{label}: {plain(text)}"
        yield "\n| case | requests / waves | requests |\n|---|---|---|"
        for case, cost in measured[method.name].items():
            figures, _, made = cost.partition(": ")
            yield f"| {case} | {figures} | {made} |"
        yield ""


def structs() -> Iterator[str]:
    """Describe every model."""
    for name, kind in sorted(vars(models).items()):
        if not (inspect.isclass(kind) and issubclass(kind, models.Model)):
            continue
        if kind in (models.Model, models.Owned):
            continue
        yield f"### {name}\n\n{plain(inspect.getdoc(kind) or '')}\n"
        yield "| field | type |\n|---|---|"
        hints = typing.get_type_hints(kind)
        for field in msgspec.structs.fields(kind):
            kind_of = short(hints[field.name]).replace(" | None", " or None")
            yield f"| `{field.name}` | `{kind_of}` |"
        yield ""


def errors() -> Iterator[str]:
    """Describe every error."""
    tree = (exceptions.__doc__ or "").split("::\n", 1)[1].split("\n:class:", 1)[0]
    yield "```" + inspect.cleandoc("\n" + tree).join(["\n", "\n"]) + "```\n"
    raised = raisers()
    yield (
        "*Again* says whether the same call may succeed when it is made again, without a "
        "change: these are `Retriable`. *Undone* is what the error says of what was done; "
        "what a method's description says goes before it.\n"
    )
    yield "| error | when | raised by | again | undone | what to do | attributes |"
    yield "|---|---|---|---|---|---|---|"
    for name, kind in codec.error_classes().items():
        own = sorted(kind.names() - {"orig_msg", "orig_code"})
        about = ", ".join(f"`{attribute}`" for attribute in own)
        by = ", ".join(f"`{method}`" for method in raised.get(name, []))
        cells = (
            f"`{name}`",
            plain((kind.__doc__ or "").splitlines()[0]),
            "; ".join(filter(None, (vars(kind).get("raised_by", ""), by))),
            "yes" if issubclass(kind, exceptions.Retriable) else "no",
            kind.undone,
            kind.advice,
            about,
        )
        yield f"| {' | '.join(cells)} |"


def raisers() -> dict[str, list[str]]:
    """Return by error the methods that raise it: as they say, and as they are declared."""
    found: dict[str, list[str]] = {}
    for method in contract.methods().values():
        told = [name.partition(" ")[2] for name, _ in fields(method.doc)[1]]
        named = {name for name in told if name in codec.error_classes()}
        for name in {*named, method.operation.fails_as.__name__}:
            found.setdefault(name, []).append(method.name)
    return found


def page() -> str:
    """Return the whole reference."""
    parts = [
        "# Reference\n",
        "Generated from the code by `make docs`; do not edit.\n",
        f"`networker.drivers.base.NetworkDriver`, version {base.INTERFACE_VERSION}.\n",
        plain(inspect.getdoc(base.NetworkDriver) or "") + "\n",
        "## Methods\n",
        _COSTS,
        *methods(),
        "## Models\n",
        plain(inspect.getdoc(models) or "") + "\n",
        *structs(),
        "## Errors\n",
        "Every error has `orig_msg` and `orig_code`: the cloud's words and HTTP status.\n",
        *errors(),
    ]
    return "\n".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    default = pathlib.Path(__file__).with_name("reference.md")
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    target.write_text(page())
