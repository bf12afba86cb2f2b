# SPDX-License-Identifier: Apache-2.0
"""``networker``: the operator's command."""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split

import argparse
import difflib
import itertools
import logging
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from cliff.app import App
from cliff.commandmanager import CommandManager

from networker.cli import (
    call,
    check,
    console,
    dead,
    demo,
    drawing,
    health,
    new,
    operation,
    show,
    status,
    top,
)
from networker.rpc import contract

_ABOUT = """The network side of a load balancer, as a service on a message bus.

Try `networker demo` first. `networker call METHOD --help` explains every method of the
interface. Where workers are is read from --config-file, else from
/etc/networker/networker.conf if it exists; what is in --config-dir, else in
/etc/networker/networker.conf.d, wins over it."""


class Networker(App):
    """The command line: a command for each method, and some for the operator."""

    NAME = "networker"
    #: Warnings only; -v shows what is logged of each call.
    DEFAULT_VERBOSE_LEVEL = 0

    def __init__(self) -> None:
        commands = CommandManager("networker.cli")
        super().__init__(
            description=_ABOUT,
            version=metadata.version("networker"),
            command_manager=commands,
            deferred_help=True,
        )
        for method in contract.methods().values():
            commands.add_command(f"call {method.name}", call.command(method))
        commands.add_command("config check", check.ConfigCheck)
        commands.add_command("console", console.Console)
        commands.add_command("dead drop", dead.DeadDrop)
        commands.add_command("dead list", dead.DeadList)
        commands.add_command("dead replay", dead.DeadReplay)
        commands.add_command("dead show", dead.DeadShow)
        commands.add_command("demo", demo.Demo)
        commands.add_command("driver list", show.DriverList)
        commands.add_command("driver new", new.DriverNew)
        commands.add_command("health", health.Health)
        commands.add_command("operation", operation.ShowOperation)
        commands.add_command("sandbox show", show.SandboxShow)
        commands.add_command("show", drawing.Show)
        commands.add_command("status", status.Status)
        commands.add_command("top", top.Top)

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        """Add the options that all commands share."""
        parser = super().build_option_parser(description, version, argparse_kwargs)
        parser.add_argument(
            "--config-file",
            action="append",
            default=[],
            metavar="FILE",
            help="configuration file; can be repeated, later ones win",
        )
        parser.add_argument(
            "--config-dir",
            action="append",
            default=[],
            metavar="DIR",
            help="directory whose .conf files win over the others, in their order",
        )
        return parser

    def initialize_app(self, argv: list[str]) -> None:
        """Explain the commands where none was given; there is no shell."""
        if not argv:
            self.interactive_mode = False
            argv.append("help")

    def run_subcommand(self, argv: list[str]) -> int:
        """Run a command; of what is none, say which may have been meant."""
        try:
            self.command_manager.find_command(argv)
        except ValueError:
            self.stderr.write(f"networker: {self._no_command(argv)}\n")
            return 2
        return super().run_subcommand(argv)

    def _no_command(self, argv: list[str]) -> str:
        given = " ".join(itertools.takewhile(lambda word: word[:1] != "-", argv))
        known = sorted(name for name, _ in self.command_manager)
        near = difflib.get_close_matches(given, known, 3, 0.5)
        near = near or [name for name in known if name.startswith(f"{given} ")][:3]
        hint = f"; did you mean {', '.join(near)}?" if near else "."
        return f"there is no command {given!r}{hint} See `networker --help`"

    def configure_logging(self) -> None:
        """Leave out what libraries say of errors that the command reports itself."""
        super().configure_logging()
        for name in ("amqp", "stevedore"):
            logging.getLogger(name).setLevel(logging.ERROR)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: done; 1: the operation failed; 2: wrong usage or configuration; 3: the broker or
    the cloud cannot be reached just now.
    """
    return Networker().run(list(sys.argv[1:] if arguments is None else arguments))
