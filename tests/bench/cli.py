# SPDX-License-Identifier: Apache-2.0
"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import logging
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import openstack.exceptions
import oslo_messaging
from rich.console import Console

from networker import exceptions
from networker.testing import rabbitmq
from tests.bench import report
from tests.bench.conditions import Setup
from tests.bench.experiments import ALL, Experiment
from tests.bench.profiles import profile
from tests.bench.results import Row, failure

_ABOUT = """
Measure what a call costs, beside oslo.messaging's own driver and other libraries.

Everything runs on the loopback interface, with a private RabbitMQ node, which needs
Debian's package rabbitmq-server. What is compared is measured in turn, round by round, so
that the machine's moods meet all alike; ratios are medians of the rounds' ratios. At the
end there is one table, and results.json and results.svg in a folder. The exit code is 1
if any limit is missed. See docs/performance.md.
"""
_EXAMPLES = """
examples:
  python -m tests.bench --list               what there is
  python -m tests.bench --short              all of it, in small
  python -m tests.bench --only rate cpu      two of them, in full
  python -m tests.bench --profile            where both ends spend their time, no table
  OS_CLOUD=lab python -m tests.bench         with those on a cloud
"""
#: Columns of the table in a file.
_WIDTH = 160
_ROUNDS, _SHORT_ROUNDS = 5, 2
#: What an experiment can run into, besides mistakes in its code.
_FAILURES = (
    OSError,
    RuntimeError,  # a process of it ended
    subprocess.SubprocessError,
    exceptions.NetworkException,
    openstack.exceptions.SDKException,
    oslo_messaging.MessagingException,
)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the experiments that were asked for."""
    asked = _parser().parse_args(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    if asked.list:
        for experiment in ALL.values():
            console.print(f"[bold]{experiment.name:11}[/] {experiment.about}")
        sys.exit(0)
    if not rabbitmq.installed():
        sys.exit("RabbitMQ is not installed: sudo apt-get install rabbitmq-server")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    asked.out.mkdir(parents=True, exist_ok=True)
    about = report.machine() | {"seed": asked.seed, "rounds": _rounds(asked)}
    with tempfile.TemporaryDirectory(prefix="networker-bench-") as made:
        directory = pathlib.Path(made)
        logging.basicConfig(filename=directory / "bench.log")
        with rabbitmq.Node() as node:
            results = _all(console, node, directory, asked)
    if results:
        _show(console, results, about, asked.out)
    missed = [
        row for rows in results.values() for row in rows or () if row.holds is False
    ]
    sys.exit(bool(missed))


def _show(
    console: Console, results: report.Results, about: dict[str, Any], out: pathlib.Path
) -> None:
    title = ", ".join(f"{key} {value}" for key, value in about.items())
    console.print(report.table(results, title))
    report.write_json(out / "results.json", results, about)
    report.write_plot(out / "results.svg", results)
    console.print(f"written: {out / 'results.json'}, results.svg")


def _all(
    console: Console,
    node: rabbitmq.Node,
    directory: pathlib.Path,
    asked: argparse.Namespace,
) -> dict[str, list[Row] | None]:
    def setup(say: Callable[[str], None]) -> Setup:
        return Setup(
            node, directory, asked.seed, say, _rounds(asked), asked.out, shared
        )

    shared: dict[str, object] = {}
    if asked.profile:
        profile(setup(console.print))
        return {}
    wanted = [ALL[name] for name in asked.only or ALL]
    return {e.name: _run(console, e, setup, short=asked.short) for e in wanted}


def _rounds(asked: argparse.Namespace) -> int:
    rounds: int = asked.rounds or (_SHORT_ROUNDS if asked.short else _ROUNDS)
    return rounds


def _run(
    console: Console,
    experiment: Experiment,
    setup: Callable[[Callable[[str], None]], Setup],
    *,
    short: bool,
) -> list[Row] | None:
    name = f"[bold]{experiment.name}[/]"
    if experiment.needs_cloud and not os.environ.get("OS_CLOUD"):
        console.print(f"{name}: skipped, since OS_CLOUD names no cloud")
        return None
    began = time.monotonic()
    with console.status(name) as status:

        def say(text: str) -> None:
            status.update(f"{name}: {text}")
            if not console.is_terminal:
                console.print(f"{name}: {text}")

        try:
            rows = experiment.perform(setup(say), short=short)
        except _FAILURES as error:
            traceback.print_exc()
            rows = [failure(error)]
    console.print(f"{name}: {time.monotonic() - began:.0f} s")
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(ALL),
        metavar="NAME",
        help="run these, of those that --list shows (default: all)",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        help=f"of each (default: {_ROUNDS}; {_SHORT_ROUNDS} if short)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of ids and arguments (default: 1)"
    )
    parser.add_argument("--short", action="store_true", help="run small forms")
    parser.add_argument(
        "--list", action="store_true", help="show what there is, and end"
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="write profiles of both ends at 1 caller instead: the functions that cost most",
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("build/bench"),
        metavar="DIRECTORY",
        help="for what is written (default: build/bench)",
    )
    return parser
