# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.rabbitmq``: run a command with RabbitMQ 3 or 4, whatever is installed.

Where the system has another one, the release of Debian that has it is put into a
directory below ``build/``, by debootstrap and from where apt gets the system's packages.
The command is run in a mount namespace of its own, in which that directory has ``/proc``,
``/dev`` and the temporary files of the system. So nothing of the system is touched, and
nothing stays mounted, however the command ends.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import NoReturn

from networker.testing import rabbitmq
from tests import debian

_BUILD = pathlib.Path(__file__).parents[1] / "build"
_SUITES = {"3": "bookworm", "4": "trixie"}
#: Further settings, where a release has what others would not understand.
_SETTINGS = {"4": pathlib.Path(__file__).with_name("rabbitmq4.conf")}
_BIND = """
set -e
for place in /proc /dev "$0"; do
    mkdir -p "$NETWORKER_RABBITMQ_ROOT$place"
    mount --bind "$place" "$NETWORKER_RABBITMQ_ROOT$place"
done
exec "$@"
"""


def strict() -> bool:
    """Tell whether the broker refuses queues that are neither durable nor exclusive."""
    names = {path.name for path in _SETTINGS.values()}
    return pathlib.Path(os.environ.get("RABBITMQ_CONFIG_FILES", "")).name in names


#: Options of oslo.messaging's own driver whose queues no release of RabbitMQ refuses.
QUORUM = {"rabbit_quorum_queue": True, "rabbit_transient_quorum_queue": True}
#: What its tests use: its defaults, as far as the broker lets it.
STOCK_OPTIONS = QUORUM if strict() else {}


def main() -> NoReturn:
    """Run the command, with an installation that is made first if there is none."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.rabbitmq", description="Run a command with that RabbitMQ."
    )
    parser.add_argument("release", choices=_SUITES)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="default: true")
    asked = parser.parse_args()
    try:
        command = _with(asked.release, asked.command or ["true"])
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(f"RabbitMQ {asked.release} cannot be had here: {error}")
    os.execvp(command[0], command)  # so that who ends this one ends the command


def _with(release: str, command: list[str]) -> list[str]:
    """Return what runs a command with a release, and prepare the environment."""
    settings = _SETTINGS.get(release)
    if (rabbitmq.version() or "").startswith(f"{release}."):
        if settings:
            os.environ["RABBITMQ_CONFIG_FILES"] = str(settings)
        return command
    root = _BUILD / f"rabbitmq{release}"
    if os.geteuid() != 0:
        raise RuntimeError("it is not installed, and only root may put it beside")
    if not root.exists():
        debian.put(_SUITES[release], root, ["rabbitmq-server"])
    if settings:
        shutil.copy(settings, root / "etc")
        os.environ["RABBITMQ_CONFIG_FILES"] = f"/etc/{settings.name}"
    os.environ["NETWORKER_RABBITMQ_ROOT"] = str(root)
    return ["unshare", "--mount", "sh", "-c", _BIND, tempfile.gettempdir(), *command]


if __name__ == "__main__":
    main()
