# SPDX-License-Identifier: Apache-2.0
"""``networker status``: whether the bus carries requests, and who takes them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

from cliff.formatters.base import ListFormatter
from cliff.show import ShowOne

from networker.cli.base import Operation, cells
from networker.cli.words import ago, short
from networker.inquiry import Pool
from networker.reports import PoolState, Worker
from networker.service import Refused

#: Formats for machines, which have all there is to tell.
_WHOLE = {"json", "yaml"}
_WORKERS = (
    "worker",
    "state",
    "busy",
    "up",
    "version",
    "interface",
    "driver",
    "calls",
    "failed",
    "last error",
)
_RUNNING = ("method", "since", "worker", "waits for", "operation", "caller")
_QUEUES = ("queue", "for", "messages", "consumers", "oldest")
#: Running operations that are shown.
_MOST = 10


class Status(Operation, ShowOne):
    """Show the pool: workers, what they run, queues, dead letters.

    `waiting` are requests that no worker has taken yet, `workers` the processes that
    listen, `dead` the requests that nobody could serve (see `networker dead list`), and
    `outcomes` those of casts that no controller has taken yet, if workers publish them.
    `alarm` is why the broker takes no messages, such as a lack of memory or disk.

    Workers are asked at once, and have a second to answer. One that does not is shown
    by one beside it, with what it was in; where all of a host are silent, it is only known
    how many there are. The age of the oldest message is as long as what workers began in
    the last minute had waited at most; where they begin nothing, nobody can tell it.
    While the broker takes no messages, workers cannot be asked either.

    Where [networker] management_url is given, policies of the broker that break a promise
    are shown too. `-f json` and `-f yaml` have all there is to know; the other formats but
    the table have the summary alone.

    The exit code is 0 if all is well, 1 if no worker listens, one hangs or has lost broker
    or cloud, there are dead letters, their queue is missing, a policy breaks a promise or
    the broker has an alarm, 2 if the configuration has to be mended, and 3 if the broker
    cannot be reached.
    """

    example = "networker status -f value -c workers"

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; say what is not well."""
        self._state: PoolState | None = None
        code = super().run(parsed_args)
        unwell: tuple[str, ...] = self._state.unwell if self._state else ()
        for text in unwell:
            self.app.stderr.write(f"networker: {text}\n")
        return 1 if unwell else code

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Return what the broker and the workers tell."""
        conf = self.configuration()
        try:
            pool = Pool(conf)
        except ValueError as error:
            raise Refused(str(error)) from error
        with pool:
            self._state = state = pool.ask()
        fields = _summary(state)
        if parsed_args.formatter in _WHOLE:
            whole = state.state()
            fields |= {
                "pool": whole["workers"],
                "silent": state.silent,
                "queues": whole["queues"],
                "dead_letters": whole["dead"],
                "complaints": whole["complaints"],
                "unwell": whole["unwell"],
            }
        return list(fields), cells(fields.values())

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Any,
    ) -> int:
        """Print it; in a table, more tables."""
        code = super().produce_output(parsed_args, column_names, data)
        formatter: Any = self.formatter
        drawn = isinstance(formatter, ListFormatter) and not parsed_args.columns
        if drawn and parsed_args.formatter == "table" and self._state:
            for columns, rows in _tables(self._state):
                if rows:
                    self.app.stdout.write("\n")
                    formatter.emit_list(columns, rows, self.app.stdout, parsed_args)
                    self.app.stdout.write("\n")
        return int(code)


def _summary(state: PoolState) -> dict[str, Any]:
    casts, calls, dead, outcomes = (
        state.queue(use) for use in ("casts", "calls", "dead", "outcomes")
    )
    waiting = casts.messages if casts else None
    return {
        "broker": state.broker,
        "version": state.version,
        "alarm": state.alarm,
        "topic": state.topic,
        "waiting": None
        if waiting is None
        else waiting + ((calls and calls.messages) or 0),
        "workers": (casts and casts.consumers) or 0,
        "dead": (dead and dead.messages) or 0,
        "outcomes": outcomes and outcomes.messages,
    }


def _tables(state: PoolState) -> list[tuple[Sequence[str], list[list[Any]]]]:
    """Return columns and rows of what is shown beneath the summary."""
    now = time.time()
    workers = [_worker(each, now) for each in state.workers]
    running = [
        [
            call.method,
            ago(call.seconds),
            call.worker,
            call.step or "",
            call.operation_id,
            call.caller or "",
        ]
        for call in state.running[:_MOST]
    ]
    queues = [
        [each.name, each.use, each.messages, each.consumers, ago(each.oldest)]
        for each in state.queues
        if each.messages is not None
    ]
    dead = [[each.reason or "", each.method or "", each.count] for each in state.dead]
    return [
        (_WORKERS, workers),
        (_RUNNING, running),
        (_QUEUES, queues),
        (("dead because of", "method", "letters"), dead),
    ]


def _worker(each: Worker, now: float) -> list[Any]:
    failed = sum(sum(one.errors.values()) for one in each.calls)
    error = each.last_error
    last = error and f"{error.outcome} {error.method} {ago(now - error.when)} ago"
    return [
        each.name,
        short(each.trouble or "serves", 40),
        f"{each.busy}/{each.threads}" if each.threads else str(each.busy),
        ago(now - each.since) if each.since else "",
        each.version,
        each.interface,
        each.driver,
        sum(one.ended for one in each.calls),
        failed,
        last or "",
    ]
