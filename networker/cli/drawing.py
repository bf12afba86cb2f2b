# SPDX-License-Identifier: Apache-2.0
"""``networker show LB``: what a load balancer has on the network, drawn."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
from collections.abc import Callable, Iterator

import msgspec
from oslo_config import cfg

from networker import drivers, rpc
from networker.cli.base import Operation
from networker.drawing import Survey, survey, svg, text
from networker.drivers.base import NetworkDriver
from networker.models import VIP, Amphora, LoadBalancer
from networker.service import Refused

_DRAW: dict[str, Callable[[Survey], str]] = {"text": text, "svg": svg}


class Show(Operation):
    """Draw what a load balancer has on the network, and what is not as it should be.

    Shown are its VIP, security groups, amphorae, their ports and networks, as the driver's
    questions tell; nothing is changed. What is compared is what `allocate_vip` and
    `plug_vip` promise. What the interface has no question for is said, and not drawn: it
    finds no amphorae by their load balancer, so name them, or give the whole load balancer
    as JSON, as `networker call` takes it.

    The exit code is 0 if all that could be looked at is as it should be, and 1 if not, or
    if it could not be looked at.
    """

    example = "networker show 7c3a... --amphora a1... --amphora a2... -f svg > lb.svg"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the load balancer, its parts, and the format."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "load_balancer",
            metavar="LB",
            help="id of the load balancer, or @FILE with its JSON",
        )
        parser.add_argument(
            "-f",
            "--format",
            choices=sorted(_DRAW),
            default="text",
            help="(default: text)",
        )
        _add_choices(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; its exit code tells of troubles."""
        self._troubles = 0
        return super().run(parsed_args) or int(self._troubles > 0)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Look, and draw."""
        balancer = named(
            parsed_args.load_balancer, parsed_args.amphora, parsed_args.vip_port
        )
        conf = self.configuration()
        opened = (
            _direct(conf) if parsed_args.direct else _bus(conf, parsed_args.timeout)
        )
        with opened as driver:
            found = survey(driver, balancer)
        self._troubles = len(found.troubles)
        self.app.stdout.write(_DRAW[parsed_args.format](found))


def _add_choices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--amphora",
        action="append",
        default=[],
        metavar="ID[=SERVER]",
        help="an amphora of it, with the id of its server if no port tells that; "
        "can be repeated",
    )
    parser.add_argument(
        "--vip-port", metavar="ID", help="the VIP's port, if a user brought it"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="how long each question may take",
    )
    parser.add_argument(
        "--direct",
        action="store_true",
        help="ask the configured driver in this process, and not the workers",
    )


def named(
    load_balancer: str, amphorae: list[str], vip_port: str | None
) -> LoadBalancer:
    """Return the load balancer that a command line names.

    :param load_balancer: its id, or ``@`` and the path of a file with its JSON
    :param amphorae: ids, each perhaps with ``=`` and the id of its server
    :param vip_port: id of its VIP's port
    :raises Refused: the file cannot be read, or has no load balancer
    """
    if load_balancer.startswith("@"):
        balancer = _read(load_balancer[1:])
    else:
        balancer = LoadBalancer(id=load_balancer)
    if vip_port:
        vip = balancer.vip or VIP()
        balancer.vip = msgspec.structs.replace(vip, port_id=vip_port)
    for amphora in amphorae:
        amphora_id, _, compute_id = amphora.partition("=")
        new = Amphora(id=amphora_id or None, compute_id=compute_id or None)
        balancer.amphorae.append(new)
    return balancer


def _read(path: str) -> LoadBalancer:
    try:
        content = pathlib.Path(path).read_bytes()
        return msgspec.json.decode(content, type=LoadBalancer)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise Refused(f"{path}: no load balancer in JSON: {error}") from error


@contextlib.contextmanager
def _bus(conf: cfg.ConfigOpts, timeout: float | None) -> Iterator[NetworkDriver]:
    try:
        client = rpc.connect(conf)
    except ValueError as error:
        raise Refused(str(error)) from error
    with client:
        yield client.with_options(timeout=timeout)


@contextlib.contextmanager
def _direct(conf: cfg.ConfigOpts) -> Iterator[NetworkDriver]:
    try:
        driver = drivers.load(conf)
    except (drivers.Misconfigured, ValueError, cfg.Error) as error:
        raise Refused(str(error)) from error
    try:
        yield driver
    finally:
        driver.close()
