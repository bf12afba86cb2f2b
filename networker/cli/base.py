# SPDX-License-Identifier: Apache-2.0
"""What the commands share: configuration, errors in one line, values in tables."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from cliff.columns import FormattableColumn
from cliff.command import Command
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
    """Return columns and rows for a Lister, without columns that are empty throughout."""
    columns = [c for c in (rows[0] if rows else {}) if any(row[c] for row in rows)]
    return columns, [cells(row[c] for c in columns) for row in rows]


class Operation(Command):
    """A command whose errors are one line and an exit code."""

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
        except Refused as error:
            text, code = str(error), error.code
        except exceptions.InvalidRequest as error:
            text, code = str(error), WRONG
        except exceptions.BusUnavailable as error:
            text = f"{type(error).__name__}: {error}"
            code = WRONG if error.refused else UNREACHABLE
        except exceptions.NetworkException as error:
            text, code = f"{type(error).__name__}: {error}", 1
        self.app.stderr.write(f"networker: {text}\n")
        sys.exit(code)
