# SPDX-License-Identifier: Apache-2.0
"""``networker dead``: requests that no worker could serve, and what to do with them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from cliff.show import ShowOne

from networker import exceptions
from networker import letters as contents
from networker.cli.base import Listing, Operation, cells
from networker.rpc.rabbitmq.dead_letters import DeadLetters, Letter
from networker.rpc.transport import open_transport
from networker.service import Refused


class _Dead(Operation):
    """A command on the dead letters."""

    def letters(self) -> DeadLetters:
        """Return the dead letters of the configured topic.

        :raises Refused: the configuration is wrong
        """
        conf = self.configuration()
        try:
            return DeadLetters(conf, open_transport(conf))
        except ValueError as error:
            raise Refused(str(error)) from error

    def say(self, done: str, letters: Sequence[Letter]) -> None:
        """Print a line for each letter."""
        for letter in letters:
            name = f" {letter.method}" if letter.method else ""
            self.app.stdout.write(f"{done} {letter.id}{name}\n")


class DeadList(_Dead, Listing):
    """List the requests that no worker could serve, the oldest first.

    A request that takes its worker with it is tried again until the delivery limit, and
    then waits in the queue TOPIC.dead, so that it harms nobody else; the reason is
    "delivery_limit". A message that is no request at all ends there at once, "rejected";
    it is named by a digest of its body. Looking changes nothing.

    Mend what killed the workers, then `networker dead replay`, or give the request up
    with `networker dead drop`.
    """

    example = "networker dead list --limit 10 -f json"
    nothing = "there is no dead letter"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the limit."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--limit",
            type=_positive,
            metavar="N",
            help="show the N oldest (default: all)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Return a row for each dead letter."""
        letters = self.letters().read(parsed_args.limit)
        rows = [(n, *contents.row(letter)) for n, letter in enumerate(letters, 1)]
        return ("number", *contents.COLUMNS), [cells(row) for row in rows]


class DeadShow(_Dead, ShowOne):
    """Show everything that is known of a dead letter: request, ids, headers.

    If there are several with that id, because a caller sent the request again, it is the
    oldest one. What is no request has its body instead, as text.
    """

    example = "networker dead show 0b0c2a52-6a34-4c38-8b1c-5a4d4d8f5c1e -f yaml"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the id."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "operation_id", metavar="OPERATION_ID", help="from `networker dead list`"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Return the fields of one dead letter."""
        wanted = parsed_args.operation_id
        found = [letter for letter in self.letters().read() if letter.id == wanted]
        if not found:
            raise exceptions.NetworkException(f"there is no dead letter {wanted}")
        fields = contents.fields(found[0])
        return list(fields), cells(fields.values())


class _Some(_Dead):
    """A command on some dead letters or all."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the choice of letters."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "operation_id",
            nargs="*",
            metavar="OPERATION_ID",
            help="from `networker dead list`",
        )
        parser.add_argument("--all", action="store_true", help="all that are there")
        return parser

    def chosen(self, parsed_args: argparse.Namespace) -> set[str] | None:
        """Return the ids that were given, or None for all.

        :raises Refused: both were given, or nothing
        """
        if parsed_args.all == bool(parsed_args.operation_id):
            raise Refused("give either ids of `networker dead list` or --all")
        return None if parsed_args.all else set(parsed_args.operation_id)


class DeadReplay(_Some):
    """Send dead requests to the workers again.

    Each keeps its operation id and is run as a cast, whatever it was: whoever made the
    call has got an error long ago. It leaves the dead letters when the broker has
    confirmed that the topic's queue has it. Messages that are no requests stay.
    """

    example = "networker dead replay --all"

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Replay, and print what was replayed."""
        ids = self.chosen(parsed_args)
        letters = self.letters().replay(ids)
        self.say("replayed", [letter for letter in letters if letter.request])
        rest = [letter.id for letter in letters if not letter.request]
        if rest:
            text = f"no requests, and still there: {', '.join(rest)}"
            raise exceptions.NetworkException(text)


class DeadDrop(_Some):
    """Remove dead letters for ever.

    What a request would have done is not done, nor undone.
    """

    example = "networker dead drop 0b0c2a52-6a34-4c38-8b1c-5a4d4d8f5c1e --yes"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the confirmation."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--yes", action="store_true", help="do not ask")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Ask, remove, and print what was removed."""
        ids = self.chosen(parsed_args)
        letters = self.letters()
        if not parsed_args.yes:
            if ids is None:
                ids = {letter.id for letter in letters.read()}
            self._ask(len(ids))
        self.say("dropped", letters.drop(ids))

    def _ask(self, count: int) -> None:
        if not self.app.stdin.isatty():
            raise Refused("there is nobody to ask: give --yes")
        self.app.stdout.write(f"Remove {count} dead letter(s) for ever? [y/N] ")
        self.app.stdout.flush()
        if self.app.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise exceptions.NetworkException("nothing was removed")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number
