# SPDX-License-Identifier: Apache-2.0
"""Releases of Debian in directories, from where apt gets the system's packages."""

from __future__ import annotations

import os
import pathlib
import shlex
import shutil
import subprocess
from collections.abc import Sequence


def put(suite: str, root: pathlib.Path, packages: Sequence[str] = ()) -> None:
    """Put a release of Debian into a directory, which appears when it is complete.

    :param packages: besides those that no system is without
    :raises RuntimeError: it was not possible; the message says why
    """
    if not shutil.which("debootstrap"):
        run(["apt-get", "update", "-qq"])
        needed = ["debootstrap", "debian-archive-keyring"]
        run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", *needed])
    part = root.with_suffix(".part")
    if part.exists():
        shutil.rmtree(part)
    part.parent.mkdir(parents=True, exist_ok=True)
    print(f"putting Debian's {suite} into {root}", flush=True)
    more = [f"--include={','.join(packages)}"] if packages else []
    what = ["--variant=minbase", *more, suite, str(part), _mirror()]
    # It mounts things, too, which are gone with its namespace if it is interrupted.
    run(["unshare", "--mount", "debootstrap", *what])
    part.rename(root)


def _mirror() -> str:
    """Return from where apt gets Debian's packages."""
    wanted = ["Created-By: Packages", "Origin: Debian", "Label: Debian"]
    sites = run(["apt-get", "indextargets", "--format", "$(SITE)", *wanted]).split()
    if not sites:
        raise RuntimeError("apt has no lists of Debian's packages: apt-get update")
    return sites[0]


def run(command: Sequence[str]) -> str:
    """Run a command with the proxy that apt uses; return what it prints.

    :raises RuntimeError: it failed; the message has the end of what it printed
    """
    asked = ["apt-config", "shell", "http_proxy", "Acquire::http::Proxy"]
    proxy = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    done = subprocess.run(
        command,
        env=os.environ
        | {"DEBIAN_FRONTEND": "noninteractive"}
        | dict(setting.split("=", 1) for setting in shlex.split(proxy)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}: {done.stdout[-2000:]}")
    return done.stdout
