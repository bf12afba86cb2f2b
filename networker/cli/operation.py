# SPDX-License-Identifier: Apache-2.0
"""``networker operation``: what is known of one operation."""

from __future__ import annotations

import argparse
from typing import Any

from networker import exceptions
from networker._text import printable
from networker.cli.base import Operation
from networker.cli.topview import described
from networker.inquiry import Pool
from networker.rpc.rabbitmq.dead_letters import Letter
from networker.service import Refused

_UNKNOWN = """\
no worker runs it or remembers it, and it is no dead letter. It may wait in a queue, which
nobody can look into without taking what waits; it may have ended before what workers
remember (their last 200 operations each, since they began); or its worker has died, and
another one will get it. The logs of callers and workers have its id in every line:
  grep {id} LOGFILE"""


class ShowOperation(Operation):
    """Show what is known of an operation: who asked, where it runs, how it ended.

    The id is that of an operation, or of a request, which can have several. Workers tell
    what they run and the last 200 operations that each has run, with the requests they
    made of the cloud; then the dead letters are looked at. What waits in a queue cannot be
    looked at without taking it, so of that nothing is known.

    The exit code is 0 if something is known, 1 if nothing is, 2 if the configuration has to
    be mended, and 3 if the broker cannot be reached.
    """

    example = "networker operation 0b0c2a52-6a34-4c38-8b1c-5a4d4d8f5c1e"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the id."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "operation_id",
            metavar="ID",
            help="operation or request id, from a log, `networker top` or an error",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Print what is known."""
        wanted: str = parsed_args.operation_id
        try:
            pool = Pool(self.configuration())
        except ValueError as error:
            raise Refused(str(error)) from error
        with pool:
            found = [described(call) for call in pool.operation(wanted)]
            found += [_letter(each) for each in pool.letters(wanted)]
        if not found:
            raise exceptions.NetworkException(_UNKNOWN.format(id=wanted))
        for number, lines in enumerate(found):
            if number:
                self.app.stdout.write("\n")
            for name, value in lines:
                self.app.stdout.write(f"{name + ':':<15}{value}\n")
        self.app.stdout.write(
            f"\nIts lines in the logs of caller and worker:\n  grep {wanted} LOGFILE\n"
        )


def _letter(letter: Letter) -> list[tuple[str, str]]:
    """Return the fields of a dead letter with their names."""
    context: dict[str, Any] = letter.context
    when = letter.when.isoformat(sep=" ", timespec="seconds") if letter.when else ""
    return [
        ("operation", letter.id),
        ("request", printable(str(context.get("request_id") or ""))),
        ("method", printable(letter.method or "") or "it is no request"),
        ("caller", printable(str(context.get("caller") or "it does not say"))),
        ("outcome", f"dead letter since {when} UTC: {letter.reason}"),
        ("deliveries", str(letter.deliveries)),
        ("look at it by", f"networker dead show {letter.id}"),
    ]
