# SPDX-License-Identifier: Apache-2.0
"""What is installed, what is configured, and what is in a sandbox."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.lister import Lister

from networker import drivers, service
from networker.cli.base import Operation, table
from networker.drivers.sandbox import SandboxError
from networker.drivers.sandbox.driver import SandboxDriver
from networker.rpc import policies
from networker.service import Refused


class DriverList(Operation, Lister):
    """List the network drivers that can be named in [networker] driver."""

    def take_action(self, _: argparse.Namespace) -> Any:
        """Return a row for each driver."""
        return ("name", "code"), list(drivers.installed().items())


class ConfigCheck(Operation):
    """Find out whether workers could serve with the configuration.

    Loads the driver, asks the cloud something and connects to the broker. Policies of the
    broker that break a promise are shown, if [networker] management_url is given.

    The exit code is 0 if workers could serve, 2 if the configuration has to be mended, and
    3 if the broker or the cloud cannot be reached just now.
    """

    def take_action(self, _: argparse.Namespace) -> None:
        """Check, and say what was checked."""
        conf = self.configuration()
        service.check(conf).close()
        self.app.stdout.write(
            f"driver {conf.networker.driver}: ready\n"
            f"bus: topic {conf.networker.topic} on exchange {conf.networker.exchange}: "
            "reachable\n"
        )
        for line in policies.complaints(conf):
            self.app.stderr.write(f"networker: warning: {line}\n")


_KINDS = (
    "networks",
    "subnets",
    "ports",
    "security_groups",
    "servers",
    "qos_policies",
)


class SandboxShow(Operation, Lister):
    """Show what is in the sandbox that the configuration names."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the choice of a table."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "what",
            nargs="?",
            default="ports",
            choices=_KINDS,
            help="(default: ports)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Return the rows of one kind of thing."""
        try:
            rows = SandboxDriver(self.configuration()).backdoor.tables()[
                parsed_args.what
            ]
        except SandboxError as error:
            raise Refused(str(error)) from error
        return table(rows)
