# SPDX-License-Identifier: Apache-2.0
"""``networker call METHOD``: the interface by hand, its flags derived from it."""

from __future__ import annotations

import argparse
import inspect
import os
import pathlib
import typing
from typing import Any

import msgspec
from cliff.show import ShowOne

from networker import fields, rpc
from networker.cli import explain, tree
from networker.cli.base import Listing, Operation, cells, seconds, table
from networker.models import Model, UserContext
from networker.rpc import contract
from networker.service import Refused

#: Where a user's token is taken from: a command line can be read by everybody with `ps`.
_TOKEN = "OS_TOKEN"  # noqa: S105 - a name


class _Call(Operation):
    """One method of the interface."""

    method: contract.Method
    advises = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return a parser with a flag for each parameter of the method."""
        parser = super().get_parser(prog_name)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.description = explain.about(self.method)
        parser.epilog = explain.usage(self.method)
        for parameter in self.method.parameters.values():
            _add_flag(parser, self.method, parameter)
        parser.add_argument(
            "--timeout",
            type=_timeout,
            metavar="SECONDS",
            help="how long to wait (default: [networker] call_timeout)",
        )
        ways = parser.add_mutually_exclusive_group()
        ways.add_argument(
            "--cast", action="store_true", help="send the request, await no answer"
        )
        ways.add_argument(
            "--trace", action="store_true", help="show where the time went, on stderr"
        )
        return parser

    def answer(self, parsed_args: argparse.Namespace) -> Any:
        """Make the call and return its result."""
        conf = self.configuration()
        arguments = {
            parameter.name: _typed(parameter, getattr(parsed_args, parameter.name))
            for parameter in self.method.parameters.values()
            if getattr(parsed_args, parameter.name) is not None or _needed(parameter)
        }
        try:
            client = rpc.connect(conf)
        except ValueError as error:
            raise Refused(str(error)) from error
        with client:
            client = client.with_options(timeout=parsed_args.timeout)
            if parsed_args.trace:
                client = client.with_options(trace=True, observer=self._show)
            caller = client.cast if parsed_args.cast else client
            return getattr(caller, self.method.name)(**arguments)

    def _show(self, reply: rpc.Reply) -> None:
        lacking = tree.lacks(reply.spans)
        shown = [*tree.lines(reply.spans), *([lacking] if lacking else [])]
        self.app.stderr.write("".join(f"{line}\n" for line in shown))


class _Silent(_Call):
    """A method that returns nothing."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Make the call; of a cast, print the operation's id."""
        answer = self.answer(parsed_args)
        if parsed_args.cast:
            self.app.stdout.write(f"{answer}\n")


class _One(_Call, ShowOne):
    """A method that returns a model, whose fields are rows, or something plain."""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Make the call and return the result's fields."""
        result = self.answer(parsed_args)
        if parsed_args.cast:
            return ["operation_id"], [result]
        if not isinstance(result, Model):
            return ["result"], [result]
        fields = _fields(result)
        return list(fields), cells(fields.values())


class _Many(_Call, Listing):
    """A method that returns models, perhaps under keys: each is a row."""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Make the call and return a row for each result."""
        answer = self.answer(parsed_args)
        if parsed_args.cast:
            return ["operation_id"], [[answer]]
        if isinstance(answer, dict):
            rows = [{"key": key} | _fields(result) for key, result in answer.items()]
        else:
            rows = [_fields(result) for result in answer]
        return table(rows)


def command(method: contract.Method) -> type[_Call]:
    """Return the command for a method of the interface."""
    if method.returns is type(None):
        parent: type[_Call] = _Silent
    elif typing.get_origin(method.returns) in (list, dict):
        parent = _Many
    else:
        parent = _One
    return type(method.name, (parent,), {"__doc__": method.doc, "method": method})


def _add_flag(
    parser: argparse.ArgumentParser,
    method: contract.Method,
    parameter: inspect.Parameter,
) -> None:
    if _takes(parameter, UserContext):
        parser.add_argument(
            "--as-user",
            dest=parameter.name,
            action="store_const",
            const=True,
            help=f"as the user whose token is in the environment variable {_TOKEN}",
        )
        return
    text = _takes(parameter, str)
    parser.add_argument(
        "--" + parameter.name.replace("_", "-"),
        required=_needed(parameter) and not _takes(parameter, type(None)),
        type=_text if text else _json,
        metavar="TEXT" if text else "JSON|@FILE",
        help=_help(method, parameter),
    )


def _needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty


def _takes(parameter: inspect.Parameter, kind: type) -> bool:
    annotation = parameter.annotation
    if typing.get_origin(annotation) is list:
        return False
    return kind in (annotation, *typing.get_args(annotation))


def _typed(parameter: inspect.Parameter, value: Any) -> Any:
    if _takes(parameter, UserContext):
        return _user()
    flag = f"argument --{parameter.name.replace('_', '-')}"
    wrong = list(fields.unknown(value, parameter.annotation))
    if wrong:
        raise Refused(f"{flag}: {'; '.join(wrong)}")
    try:
        return msgspec.convert(value, parameter.annotation)
    except msgspec.ValidationError as error:
        raise Refused(f"{flag}: {error}") from error


def _user() -> UserContext:
    token = os.environ.get(_TOKEN)
    if not token:
        raise Refused(f"argument --as-user: the environment variable {_TOKEN} is empty")
    return UserContext(auth_token=token)


def _fields(model: Model) -> dict[str, Any]:
    return msgspec.structs.asdict(model)


def _help(method: contract.Method, parameter: inspect.Parameter) -> str:
    """Return what the docstring says of a parameter, and what JSON is meant."""
    _, _, after = method.doc.partition(f":param {parameter.name}: ")
    text = " ".join(explain.plain(after.split("\n:")[0]).split()).replace("%", "%%")
    if _takes(parameter, str):
        return text
    kind = inspect.formatannotation(parameter.annotation).removesuffix(" | None")
    return f"{kind.replace('networker.models.', '')}: {text}"


def _timeout(text: str) -> float:
    number = seconds(text)
    if number == 0 or number > rpc.LONGEST_TIMEOUT:
        raise argparse.ArgumentTypeError(
            f"{text} is not more than 0 and at most {rpc.LONGEST_TIMEOUT:.0f} s"
        )
    return number


def _text(value: str) -> str:
    return value


def _json(value: str) -> Any:
    try:
        text = pathlib.Path(value[1:]).read_text() if value.startswith("@") else value
        return msgspec.json.decode(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{value[1:]}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
