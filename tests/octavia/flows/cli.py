# SPDX-License-Identifier: Apache-2.0
"""The command line of the flows."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import pathlib
import signal
import sys
import warnings
from collections.abc import Iterator
from typing import NoReturn

import openstack
from rich.console import Console

from tests.directory import kept_or_temporary
from tests.octavia.flows import compare
from tests.octavia.flows.cloud import Cloud
from tests.octavia.flows.report import Report

_ABOUT = (
    "Octavia's own ControllerWorker on a real cloud, with the network driver named."
)
_EXAMPLES = """examples:
  export OS_CLIENT_CONFIG_FILE=clouds.yaml
  python -m tests.octavia.flows --driver allowed_address_pairs_driver --out own.json
  python -m tests.octavia.flows --driver networker --out networker.json
  python -m tests.octavia.flows --compare own.json networker.json
"""
#: Columns of a table in a file.
_WIDTH = 120
#: The load balancers of a run, whose module cannot be imported yet.
LABELS = ("single", "pair")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Do what was asked for, and exit: with 1 if a flow failed or something was left."""
    asked = _parser().parse_args(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    if asked.compare:
        same = compare.show(console, *map(Report.load, asked.compare))
        sys.exit(not same)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    warnings.simplefilter("ignore")  # those of Octavia and of what it needs
    cloud = _cloud(asked.cloud)
    with kept_or_temporary(asked.keep, "octavia") as directory:
        logging.basicConfig(
            filename=directory / "octavia.log",
            level=logging.INFO,
            format="%(asctime)s %(levelname)s %(name)s %(message)s",
        )
        with _options(asked, directory) as files:
            sys.exit(_run(cloud, asked, directory, files, console))


def _cloud(name: str) -> Cloud:
    try:
        return Cloud(name)
    except openstack.exceptions.ConfigException as error:
        print(f"{error} Does OS_CLIENT_CONFIG_FILE name clouds.yaml?", file=sys.stderr)
        sys.exit(2)


def _run(
    cloud: Cloud,
    asked: argparse.Namespace,
    directory: pathlib.Path,
    files: list[pathlib.Path],
    console: Console,
) -> int:
    from tests.octavia.flows import settings

    settings.configure(cloud, asked.driver, directory, files)
    from tests.octavia.flows.run import Run  # Octavia's controller, now configured

    run = Run(cloud, asked.driver, console.print)
    try:
        run.perform(asked.only)
    finally:
        console.print(run.report.table())
        if asked.out:
            run.report.save(asked.out)
    return int(not run.report.clean)


@contextlib.contextmanager
def _options(
    asked: argparse.Namespace, directory: pathlib.Path
) -> Iterator[list[pathlib.Path]]:
    if asked.networker_conf or asked.driver != "networker":
        yield [asked.networker_conf] if asked.networker_conf else []
        return
    from tests.octavia.flows import bus

    with bus.served(directory, asked.worker_cloud) as configuration:
        yield [configuration]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.octavia.flows",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--driver", help="run with this network driver of Octavia's")
    what.add_argument(
        "--compare",
        nargs=2,
        type=pathlib.Path,
        metavar="FILE",
        help="show where two runs differ; exits with 1 if a difference is not explained",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=LABELS,
        default=LABELS,
        metavar="NAME",
        help="load balancers: single or pair (default: both)",
    )
    _add_places(parser)
    return parser


def _add_places(parser: argparse.ArgumentParser) -> None:
    for flag, metavar, text in (
        ("--out", "FILE", "write what was found there"),
        ("--keep", "DIRECTORY", "keep configuration, database and logs there"),
        (
            "--networker-conf",
            "FILE",
            "give Octavia these options, of workers that run, and start none",
        ),
    ):
        parser.add_argument(flag, type=pathlib.Path, metavar=metavar, help=text)
    for flag, variable, name, text in (
        ("--cloud", "OS_CLOUD_OCTAVIA", "lab-octavia", "Octavia's cloud"),
        ("--worker-cloud", "OS_CLOUD_NETWORKER", "lab-networker", "the workers'"),
    ):
        parser.add_argument(
            flag,
            default=os.environ.get(variable, name),
            metavar="NAME",
            help=f"{text} in clouds.yaml (default: ${variable}, else {name})",
        )
