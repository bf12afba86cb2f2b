# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.container``: do what Containerfile says in a chroot, and run it.

Where there are tools for containers they do this better. Here Debian's release is put into
``build/container`` by debootstrap, the instructions are followed there, and the entrypoint
is started as the image's user on a root file system that is read-only, beside a private
RabbitMQ node. All mounts are in namespaces of their own, and are gone with their process.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split

from networker import rpc
from networker.testing import processes, rabbitmq
from tests import debian

ROOT = pathlib.Path(__file__).parents[1]
_BUILD = ROOT / "build/container"
_BASE = re.compile(r"docker\.io/library/debian:(\w+)-slim")
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_BUILDING = """
set -e
for place in /proc /dev; do mount --bind "$place" "$ROOT$place"; done
exec chroot "$ROOT" "$@"
"""
_RUNNING = """
set -e
mount --bind "$ROOT" "$ROOT"
mount -o remount,bind,ro "$ROOT"
for place in /proc /dev; do mount --bind "$place" "$ROOT$place"; done
for place in /tmp /dev/shm; do mount -t tmpfs tmpfs "$ROOT$place"; done
mount --bind "$VOLUMES/state" "$ROOT/var/lib/networker"
mount --bind "$VOLUMES/etc" "$ROOT/etc/networker"
mount -o remount,bind,ro "$ROOT/etc/networker"
exec chroot --userspec="$USER" "$ROOT" /usr/bin/env -i "$@"
"""


class Stage:
    """One of the image's stages, and what its instructions have said.

    :param root: its root directory
    """

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.said = {"WORKDIR": "/", "USER": "0:0"}
        self.environment = {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"}

    def run(self, script: str) -> None:
        """Run a script as the builder would."""
        # Where packages come from is this machine's affair.
        pip = {name: value for name, value in os.environ.items() if "PIP_" in name}
        here = {**pip, **self.environment, "ROOT": str(self.root)}
        if pathlib.Path(_AUTHORITIES).exists():
            shutil.copy(_AUTHORITIES, self.root / "run/authorities.pem")
            here["PIP_CERT"] = "/run/authorities.pem"
        shell = ["sh", "-c", f"cd {self.said['WORKDIR']} && {script}"]
        subprocess.run(
            ["unshare", "--mount", "sh", "-c", _BUILDING, "sh", *shell],
            env=here | {"DEBIAN_FRONTEND": "noninteractive"},
            check=True,
        )

    def set(self, assignments: str) -> None:
        """Follow ENV."""
        self.environment |= dict(each.split("=", 1) for each in assignments.split())

    def place(self, name: str) -> pathlib.Path:
        """Return where something in it is, from outside."""
        inside = pathlib.PurePosixPath(self.said["WORKDIR"], name)
        return self.root / inside.relative_to("/")


def build() -> Stage:
    """Follow all instructions; return the last stage."""
    text = (ROOT / "Containerfile").read_text()
    text = re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    stages: dict[str, Stage] = {}
    stage = Stage(_BUILD)
    for line in filter(None, text.splitlines()):
        word, _, rest = line.partition(" ")
        print(f"--- {' '.join(line.split())}", flush=True)
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stage = stages[name] = _begin(base, name or "final")
        elif word == "RUN":
            stage.run(rest)
        elif word == "COPY":
            _copy(stages, stage, rest.split())
        elif word == "ENV":
            stage.set(rest)
        else:
            stage.said[word] = rest
            if word == "WORKDIR":
                stage.place(".").mkdir(parents=True, exist_ok=True)
    return stage


def _begin(base: str, name: str) -> Stage:
    found = _BASE.fullmatch(base)
    if not found:
        raise RuntimeError(f"{base}: only a release of Debian can be put here")
    debian_root = _BUILD / found[1]
    if not debian_root.exists():
        debian.put(found[1], debian_root)
    root = _BUILD / name
    if root.exists():
        shutil.rmtree(root)
    subprocess.run(["cp", "-a", debian_root, root], check=True)
    shutil.copy("/etc/resolv.conf", root / "etc")
    return Stage(root)


def _copy(stages: dict[str, Stage], stage: Stage, words: list[str]) -> None:
    """Follow COPY: all that is not ignored, or something of another stage."""
    if words[0].startswith("--from="):
        source = stages[words[0].partition("=")[2]].place(words[1])
        subprocess.run(["cp", "-a", source, stage.place(words[2])], check=True)
        return
    lines = (ROOT / ".containerignore").read_text().split()
    taken = [line[1:] for line in lines if line.startswith("!")]
    target = stage.place(words[1])
    subprocess.run(["cp", "-a", *taken, target], check=True, cwd=ROOT)


@contextlib.contextmanager
def volumes(node: rabbitmq.Node, user: str) -> Iterator[pathlib.Path]:
    """Make what is mounted into a container: its configuration, and where it writes."""
    folder = _BUILD / "volumes"
    shutil.rmtree(folder, ignore_errors=True)
    more = folder / "etc/networker.conf.d"
    more.mkdir(parents=True)
    (folder / "state").mkdir()
    os.chown(folder / "state", *map(int, user.split(":")))
    write = processes.write
    settings = {"networker": {"driver": "sandbox", "workers": 1}}
    write(folder / "etc/networker.conf", settings)
    write(more / "secrets.conf", {"DEFAULT": {"transport_url": node.url}})
    yield folder
    shutil.rmtree(folder)


def started(
    image: Stage, folder: pathlib.Path, *command: str
) -> subprocess.Popen[bytes]:
    """Start a command in a container."""
    assignments = [f"{name}={value}" for name, value in image.environment.items()]
    enter = ["sh", "-c", f'cd {image.said["WORKDIR"]} && exec "$@"', "sh"]
    environment = {
        **os.environ,
        "ROOT": str(image.root),
        "VOLUMES": str(folder),
        "USER": image.said["USER"],
    }
    run = ["unshare", "--mount", "sh", "-c", _RUNNING, "sh"]
    return subprocess.Popen([*run, *assignments, *enter, *command], env=environment)


def check(image: Stage) -> None:
    """Run the image as docs/deploy.md says; raise AssertionError where it does not do."""
    (image.root / "etc/networker").mkdir(exist_ok=True)
    entry = json.loads(image.said["ENTRYPOINT"])
    health = ["sh", "-c", image.said["HEALTHCHECK"].partition("CMD ")[2]]
    with rabbitmq.Node() as node, volumes(node, image.said["USER"]) as folder:
        assert started(image, folder, "touch", "/etc/x").wait() != 0
        assert started(image, folder, *health).wait(60) != 0
        worker = started(image, folder, *entry)
        try:
            files = [folder / "etc/networker.conf.d/secrets.conf"]
            with rpc.connect(processes.configuration(*files)) as client:
                processes.until_served(client)
            (status,) = (
                pathlib.Path(f"/proc/{worker.pid}/status")
                .read_text()
                .split("\nUid:")[1:]
            )
            assert status.split()[0] == image.said["USER"].partition(":")[0]
            assert started(image, folder, *health).wait(60) == 0
        finally:
            worker.terminate()
            ended = worker.wait(90)
        assert ended == 0
        assert started(image, folder, *health).wait(60) != 0


def main() -> None:
    """Build and run."""
    if os.geteuid() != 0:
        sys.exit("only root may do this; with podman or docker nobody has to")
    check(build())
    print("the image is built, serves, is healthy, and drains")


if __name__ == "__main__":
    main()
