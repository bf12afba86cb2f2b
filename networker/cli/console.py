# SPDX-License-Identifier: Apache-2.0
"""``networker console``: the pool in a browser."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import ipaddress
import socket

from networker import listening
from networker.cli.base import Operation
from networker.service import Refused

_NEEDED = ("starlette", "uvicorn")
_USUAL = "127.0.0.1:9190"


class Console(Operation):
    """Serve a web page of the pool, what it runs, its dead letters and load balancers.

    It shows the workers and what each of them does, how many calls and errors there were
    within the last hour while the console ran, the dead letters with their contents, and
    draws a load balancer as `networker show` does. Nothing is changed, except that a dead
    letter can be replayed by whoever has the token that is printed at the start.

    It needs `pip install networker[console]`, and ends with SIGINT. The exit code is 2 if
    that or the configuration is not as it has to be, or the address cannot be had.
    """

    example_of = "example, from another host"
    example = "ssh -L 9190:127.0.0.1:9190 worker-1 networker console"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the address."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--listen",
            default=_USUAL,
            metavar="ADDRESS",
            help="HOST:PORT or the path of a Unix socket; whoever reaches it reads all "
            f"(default: {_USUAL})",
        )
        parser.add_argument(
            "--allow-host",
            action="append",
            default=[],
            metavar="NAME",
            help="a name under which browsers ask for it, besides localhost; can be "
            "repeated",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Serve until told to end."""
        missing = [name for name in _NEEDED if not importlib.util.find_spec(name)]
        if missing:
            raise Refused(
                f"the console needs {' and '.join(missing)}: "
                "pip install 'networker[console]'"
            )
        conf, address = self.configuration(), parsed_args.listen
        # Nothing of it is there without the extra.
        server = importlib.import_module("networker.console.server")
        with _bound(address) as sock:
            try:
                hosts = [*_named(address), *parsed_args.allow_host]
                server.serve(conf, sock, hosts, lambda token: self._say(address, token))
            except ValueError as error:
                raise Refused(str(error)) from error
            except KeyboardInterrupt:
                self.app.stdout.write("ended\n")
            finally:
                listening.release(address)

    def _say(self, address: str, token: str) -> None:
        self.app.stdout.write(
            f"console: {_url(address)}\ntoken to replay with: {token}\n"
        )
        self.app.stdout.flush()


def _bound(address: str) -> socket.socket:
    try:
        return listening.bind(address)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise Refused(f"--listen {address}: {why}") from error


def _named(address: str) -> list[str]:
    """Return the host's name in an address, if it is a name."""
    parsed = listening.parse(address)
    return [] if isinstance(parsed, str) else [parsed[0]]


def _url(address: str) -> str:
    """Return where a browser on this host finds it."""
    parsed = listening.parse(address)
    if isinstance(parsed, str):
        return f"at the Unix socket {parsed}"
    host, port = parsed
    try:
        if ipaddress.ip_address(host).is_unspecified:
            host = "localhost"
    except ValueError:
        pass
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
