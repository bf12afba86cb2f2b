# SPDX-License-Identifier: Apache-2.0
"""``networker driver new``: the beginning of a driver in a package of its own."""

from __future__ import annotations

import argparse
import keyword
import pathlib
import re
import string
from importlib import resources

from networker import drivers
from networker.cli.base import Operation
from networker.service import Refused

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


class DriverNew(Operation):
    """Write the beginning of a network driver, in a package of its own.

    In a new directory NAME there are a driver of three methods, the world in which the
    contract suite tests it, and a pyproject.toml that makes the driver known as NAME.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the name."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "name",
            metavar="NAME",
            help="of the driver, as [networker] driver will name it, and of the directory",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write the files, and say what to do with them."""
        name: str = parsed_args.name
        _check(name)
        home = pathlib.Path(name)
        package = name.replace("-", "_")
        try:
            _write(home, name, package)
        except FileExistsError as error:
            raise Refused(
                f"{home} is there already: choose another name or directory"
            ) from error
        except OSError as error:
            raise Refused(f"{home} cannot be written: {error}") from error
        for line in (
            f"cd {home}",
            "pip install -e . pytest",
            f"pytest --networker-world={package}.world:World",
        ):
            self.app.stdout.write(f"{line}\n")


def _check(name: str) -> None:
    """Refuse a name that no package or driver can have.

    :raises Refused: what is wrong with it
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise Refused(
            f"{name!r} cannot be the name of a driver: take small letters, digits and "
            "hyphens, and begin with a letter"
        )
    if name in drivers.installed():
        raise Refused(f"there is a driver {name} already: see networker driver list")
    if name == "networker":
        raise Refused(
            "a package named networker would hide this one: take another name"
        )


def _write(home: pathlib.Path, name: str, package: str) -> None:
    """Write the files.

    :param home: the new directory
    :param name: of the driver
    :param package: that it is in
    :raises FileExistsError: there is something already
    """
    words = {
        "name": name,
        "package": package,
        "group": package,
        "driver": "".join(part.title() for part in package.split("_")) + "Driver",
    }
    home.mkdir()
    (home / package).mkdir()
    for found in (resources.files("networker.cli") / "skeleton").iterdir():
        file = found.name.removesuffix(".in")
        folder = home / package if file.endswith(".py") else home
        (folder / file).write_text(string.Template(found.read_text()).substitute(words))
