# SPDX-License-Identifier: Apache-2.0
"""What the commands share: configuration, errors in one line, values in tables."""

from __future__ import annotations

import argparse
import json
import math
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from cliff.columns import FormattableColumn
from cliff.command import Command
from cliff.lister import Lister
from oslo_config import cfg

from networker import conf as options
from networker import exceptions
from networker.service import UNREACHABLE, WRONG, Refused


class Nested(FormattableColumn[Any]):
    """A value with a structure: JSON in a table, itself in JSON and YAML."""

    def human_readable(self) -> str:
        """Return it as JSON."""
        return json.dumps(self._value)


def cells(values: Iterable[Any]) -> list[Any]:
    """Return values as cliff's formatters want them."""
    plain = (msgspec.to_builtins(value) for value in values)
    return [Nested(v) if isinstance(v, (list, dict)) else v for v in plain]


def table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Return columns and rows for a Lister, without columns that are empty throughout.

    What is false or zero is not empty.
    """
    empty: tuple[Any, ...] = (None, "", [], {})
    columns = [
        c for c in (rows[0] if rows else {}) if any(row[c] not in empty for row in rows)
    ]
    return columns, [cells(row[c] for c in columns) for row in rows]


class Operation(Command):
    """A command whose errors are one line and an exit code."""

    #: Whether the line ends with what the interface advises.
    advises = False
    #: With which the help ends; lines are kept as they are.
    example = ""
    #: What the example is of.
    example_of = "example"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return a parser whose help ends with the example, if there is one."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        if self.example:
            parser.formatter_class = argparse.RawDescriptionHelpFormatter
            parser.epilog = f"{self.example_of}:\n  {self.example}"
        return parser

    def configuration(self) -> cfg.ConfigOpts:
        """Read the configuration files that the command line names.

        :raises Refused: one is missing or wrong
        """
        files = []
        if self.app_args:
            files += [f"--config-file={name}" for name in self.app_args.config_file]
            files += [f"--config-dir={name}" for name in self.app_args.config_dir]
        try:
            return options.load(files)
        except (cfg.Error, ValueError, OSError) as error:
            raise Refused(str(error)) from error

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; say in one line what went wrong."""
        try:
            return int(super().run(parsed_args) or 0)
        except (Refused, exceptions.NetworkException) as error:
            if self.app.options.debug:
                traceback.print_exc(file=self.app.stderr)
            text, code = _told(error)
            if self.advises and isinstance(error, exceptions.NetworkException):
                text = _joined(text, error.advice)
        self.app.stderr.write(f"networker: {text}\n")
        sys.exit(code)


def _told(error: Refused | exceptions.NetworkException) -> tuple[str, int]:
    """Return what is said of an error, and the exit code."""
    if isinstance(error, Refused):
        return str(error), error.code
    if isinstance(error, exceptions.InvalidRequest):
        return str(error), WRONG
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, exceptions.BusUnavailable):
        return text, WRONG if error.refused else UNREACHABLE
    return text, 1


def _joined(text: str, advice: str) -> str:
    """Return two sentences, the first of which may have its full stop."""
    stop = "" if text.endswith((".", "?")) else "."
    return f"{text}{stop} {advice}" if advice else text


class Listing(Operation, Lister):
    """A command that prints a row for each thing, and says so where there is none."""

    #: What is said then.
    nothing = "there is nothing to show"

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
    ) -> int:
        """Print the rows, as a format that others read even if there is none."""
        rows = list(data)
        if not rows:
            self.app.stderr.write(f"networker: {self.nothing}\n")
        return super().produce_output(parsed_args, column_names, rows)


def seconds(text: str) -> float:
    """Read a duration from a flag.

    :raises ArgumentTypeError: it is no number, negative or has no end
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds")
    return number
