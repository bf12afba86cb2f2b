# SPDX-License-Identifier: Apache-2.0
"""What is installed, and what is in a sandbox."""

from __future__ import annotations

import argparse
from typing import Any

from networker import drivers
from networker.cli.base import Listing, table
from networker.drivers.sandbox import SandboxError
from networker.drivers.sandbox.driver import SandboxDriver
from networker.service import Refused


class DriverList(Listing):
    """List the network drivers that can be named in [networker] driver."""

    def take_action(self, _: argparse.Namespace) -> Any:
        """Return a row for each driver."""
        return ("name", "code"), list(drivers.installed().items())


_KINDS = (
    "networks",
    "subnets",
    "ports",
    "security_groups",
    "servers",
    "qos_policies",
)


class SandboxShow(Listing):
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
