# SPDX-License-Identifier: Apache-2.0
"""The command line of the experiments."""

from __future__ import annotations

import argparse
import logging
import os
import pathlib
import signal
import subprocess
import sys
import time
import traceback
from typing import NoReturn

import keystoneauth1.exceptions
import openstack.exceptions
from rich.console import Console
from rich.table import Table

from networker import exceptions
from networker.testing import rabbitmq
from tests.chaos.bench import Setup
from tests.chaos.experiments import ALL, Experiment
from tests.chaos.results import Result
from tests.directory import kept_or_temporary

_ABOUT = """
Break workers, broker and cloud under load, and count what was lost or done twice.

Each experiment starts worker processes of its own on a private RabbitMQ node, which
needs Debian's package rabbitmq-server; nothing leaves the loopback interface but the
requests to the cloud that OS_CLOUD names, if it is set. The exit code is 1 if any
experiment does not show what it must.
"""
_EXAMPLES = """
examples:
  python -m tests.chaos --list                  what there is
  python -m tests.chaos --short                 all of it, in small
  python -m tests.chaos --only kill rolling     two of them, in full
  python -m tests.chaos --only kill --seed 7    with other choices of what to kill when
  python -m tests.chaos --only cut --keep /tmp/cut
                                                and keep the workers' logs and sandboxes
  OS_CLOUD=lab python -m tests.chaos            with those on a cloud
"""

#: Columns of the table in a file.
_WIDTH = 120
#: What an experiment can run into, besides mistakes in its code.
_FAILURES = (
    OSError,  # TimeoutError, for one: what was waited for did not come
    RuntimeError,
    subprocess.SubprocessError,
    exceptions.NetworkException,
    openstack.exceptions.SDKException,
    keystoneauth1.exceptions.ClientException,
)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the experiments that were asked for."""
    asked = _parser().parse_args(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    if asked.list:
        for experiment in ALL.values():
            console.print(
                f"[bold]{experiment.name:16}[/] {experiment.must}", soft_wrap=True
            )
        sys.exit(0)
    if not rabbitmq.installed():
        sys.exit("RabbitMQ is not installed: sudo apt-get install rabbitmq-server")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    wanted = [ALL[name] for name in asked.only or ALL]
    with kept_or_temporary(asked.keep, "chaos") as directory, rabbitmq.Node() as node:
        logging.basicConfig(filename=directory / "callers.log")
        results = {e.name: _run(console, e, node, directory, asked) for e in wanted}
    console.print(_table(results, asked.seed))
    sys.exit(any(result and not result.passed for result in results.values()))


def _run(
    console: Console,
    experiment: Experiment,
    node: rabbitmq.Node,
    directory: pathlib.Path,
    asked: argparse.Namespace,
) -> Result | None:
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

        if node.pid is None:  # an experiment that failed left it so
            node.start()
        setup = Setup(node, directory, asked.seed, say, pictures=asked.pictures)
        result = _performed(experiment, setup, asked.short)
    console.print(f"{name}: {_verdict(result)} in {time.monotonic() - began:.0f} s")
    return result


def _performed(experiment: Experiment, setup: Setup, short: bool) -> Result:
    try:
        return experiment.perform(setup, short=short)
    except _FAILURES as error:
        traceback.print_exc()
        text = f"{type(error).__name__}: {error}"
        return Result(remarks=[text]).exactly("came to its end", 0, 1)


def _table(results: dict[str, Result | None], seed: int) -> Table:
    table = Table(title=f"seed {seed}", show_lines=True)
    for column in ("experiment", "must show", "measured", "verdict"):
        table.add_column(column)
    for name, result in results.items():
        measured = "OS_CLOUD is not set"
        if result:
            measured = ", ".join(map(str, result.figures))
            measured += "".join(f"\n{remark}" for remark in result.remarks)
        table.add_row(name, ALL[name].must, measured, _verdict(result))
    return table


def _verdict(result: Result | None) -> str:
    if result is None:
        return "skipped"
    if not result.judged:
        return "for comparison"
    if result.passed:
        return "[green]holds"
    return f"[red]broken:[/] {', '.join(result.broken)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
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
        "--seed",
        type=int,
        default=1,
        help="of all choices: what is hit, which requests suffer (default: 1)",
    )
    parser.add_argument(
        "--short", action="store_true", help="run small forms, as the tests do"
    )
    parser.add_argument(
        "--list", action="store_true", help="show what there is, and end"
    )
    parser.add_argument(
        "--keep",
        type=pathlib.Path,
        metavar="DIRECTORY",
        help="keep configurations, workers' logs and sandboxes there",
    )
    parser.add_argument(
        "--pictures",
        type=pathlib.Path,
        metavar="DIRECTORY",
        help="draw the dashboard there, of what the experiment `seen` has collected",
    )
    return parser
