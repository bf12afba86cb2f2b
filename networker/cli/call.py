# SPDX-License-Identifier: Apache-2.0
"""``networker call METHOD``: the interface by hand, its flags derived from it."""

from __future__ import annotations

import argparse
import inspect
import pathlib
import types
import typing
from typing import Any

import msgspec
from cliff.lister import Lister
from cliff.show import ShowOne

from networker import rpc
from networker.cli.base import Operation, cells, table
from networker.models import Model
from networker.rpc import contract
from networker.service import Refused


class _Call(Operation):
    """One method of the interface."""

    method: contract.Method

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return a parser with a flag for each parameter of the method."""
        parser = super().get_parser(prog_name)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        for parameter in self.method.parameters.values():
            parser.add_argument(
                "--" + parameter.name.replace("_", "-"),
                required=parameter.default is inspect.Parameter.empty,
                type=_text if _model(parameter) is None else _json,
                metavar="TEXT" if _model(parameter) is None else "JSON|@FILE",
                help=_help(self.method, parameter),
            )
        parser.add_argument(
            "--timeout", type=float, metavar="SECONDS", help="how long to wait"
        )
        parser.add_argument(
            "--cast", action="store_true", help="send the request, await no answer"
        )
        return parser

    def answer(self, parsed_args: argparse.Namespace) -> Any:
        """Make the call and return its result."""
        conf = self.configuration()
        arguments = {
            parameter.name: self._typed(parameter, getattr(parsed_args, parameter.name))
            for parameter in self.method.parameters.values()
            if getattr(parsed_args, parameter.name) is not None
        }
        try:
            client = rpc.connect(conf)
        except ValueError as error:
            raise Refused(str(error)) from error
        with client:
            client = client.with_options(timeout=parsed_args.timeout)
            caller = client.cast if parsed_args.cast else client
            return getattr(caller, self.method.name)(**arguments)

    def _typed(self, parameter: inspect.Parameter, value: Any) -> Any:
        model = _model(parameter)
        if model is None:
            return value
        try:
            return msgspec.convert(value, model)
        except msgspec.ValidationError as error:
            flag = parameter.name.replace("_", "-")
            raise Refused(f"argument --{flag}: {error}") from error


class _Silent(_Call):
    """A method that returns nothing."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Make the call; of a cast, print the operation's id."""
        answer = self.answer(parsed_args)
        if parsed_args.cast:
            self.app.stdout.write(f"{answer}\n")


class _One(_Call, ShowOne):
    """A method that returns a model: its fields are rows."""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Make the call and return the result's fields."""
        result = self.answer(parsed_args)
        if parsed_args.cast:
            return ["operation_id"], [result]
        fields = msgspec.structs.asdict(result)
        return list(fields), cells(fields.values())


class _Many(_Call, Lister):
    """A method that returns models: each is a row."""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Make the call and return a row for each result."""
        answer = self.answer(parsed_args)
        if parsed_args.cast:
            return ["operation_id"], [[answer]]
        return table([msgspec.structs.asdict(result) for result in answer])


def command(method: contract.Method) -> type[_Call]:
    """Return the command for a method of the interface."""
    if method.returns is type(None):
        parent: type[_Call] = _Silent
    elif typing.get_origin(method.returns) is list:
        parent = _Many
    else:
        parent = _One
    return type(method.name, (parent,), {"__doc__": method.doc, "method": method})


def _model(parameter: inspect.Parameter) -> type[Model] | None:
    annotation = parameter.annotation
    if isinstance(annotation, types.UnionType):
        annotation = next(a for a in annotation.__args__ if a is not type(None))
    return annotation if issubclass(annotation, Model) else None


def _help(method: contract.Method, parameter: inspect.Parameter) -> str:
    """Return what the docstring says of a parameter."""
    _, _, after = method.doc.partition(f":param {parameter.name}: ")
    text = " ".join(after.split("\n:")[0].split()).replace("`", "").replace("%", "%%")
    model = _model(parameter)
    return f"{model.__name__}: {text}" if model else text


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
