# SPDX-License-Identifier: Apache-2.0
"""``networker config check``: whether a configuration works, before it is used."""

from __future__ import annotations

import argparse

from networker import listening, service
from networker.cli.base import Operation
from networker.service import Refused


class ConfigCheck(Operation):
    """Find out whether workers, or callers, could work with the configuration.

    Reads every option and looks for those that nobody knows. For workers it loads the
    driver and asks the cloud something; for workers and callers it connects to the broker
    and asks what its user may do. The exit code is 0 if all is well, 1 if it would work and
    something is not as it should be, 2 if the configuration has to be mended, and 3 if the
    broker or the cloud cannot be reached just now.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the choice of the end of the bus."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--caller",
            action="store_true",
            help="check what a controller needs: of its files networker's groups only, the "
            "bus, the keys of users' tokens, and whether workers listen",
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; its exit code tells of warnings."""
        self._warned = False
        return super().run(parsed_args) or int(self._warned)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Check, and say what was checked."""
        conf = self.configuration()
        if parsed_args.caller:
            report = service.check_caller(conf)
        else:
            report = service.check(conf, rights=True)
            wrong = conf.networker.listen and listening.taken(conf.networker.listen)
            if wrong:
                raise Refused(wrong)
        for name, value in report.facts.items():
            self.app.stdout.write(f"{name}: {value}\n")
        for text in report.warnings:
            self._warned = True
            self.app.stderr.write(f"networker: warning: {text}\n")
        if not report.warnings:
            self.app.stdout.write("ready\n")
