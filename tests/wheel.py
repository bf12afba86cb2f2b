# SPDX-License-Identifier: Apache-2.0
"""Build sdist and wheel, install the wheel alone, and run the tests on it."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile

ROOT = pathlib.Path(__file__).parents[1]
#: What looks at the checkout itself.
NOT_HERE = [
    "unit/test_containers.py",
    "unit/test_docs.py",
    "unit/test_generated.py",
    "unit/test_layout.py",
    "unit/test_monitoring.py",
    "unit/test_trace.py",
    "unit/test_units.py",
]


def run(*command: object, cwd: pathlib.Path) -> None:
    """Run a command and fail with it."""
    subprocess.run([str(part) for part in command], check=True, cwd=cwd)


def check_contents(wheel: pathlib.Path) -> None:
    """See to it that the wheel puts nothing but networker into site-packages."""
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names}
    foreign = {name for name in top if name != "networker" and ".d" not in name}
    if foreign:
        sys.exit(f"the wheel would install {sorted(foreign)} too")
    for needed in (
        "rpc/client.py",
        "rpc/rabbitmq/messaging_driver.py",
        "drivers/sandbox/topology.yaml",
        "cli/skeleton/driver.py.in",
        "testing/contract/test_vip.py",
        "py.typed",
        "console/static/console.css",
        "console/static/console.js",
        "console/static/icon.svg",
        "console/static/index.html",
    ):
        if f"networker/{needed}" not in names:
            sys.exit(f"the wheel lacks networker/{needed}")


def main() -> None:
    """Do it in a directory that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="networker-wheel-") as where:
        home = pathlib.Path(where)
        # From the sdist, as a distributor would.
        run(sys.executable, "-m", "build", "-o", home / "dist", ROOT, cwd=home)
        (wheel,) = (home / "dist").glob("*.whl")
        check_contents(wheel)
        venv.create(home / "venv", with_pip=True)
        constraints = ROOT / "constraints.txt"
        pip = [home / "venv/bin/pip", "install", "-q", "--disable-pip-version-check"]
        checkers = ["mypy", "basedpyright"]
        run(*pip, "-c", constraints, f"{wheel}[test]", *checkers, cwd=home)
        # Away from the checkout, so that only the installed package can be found.
        shutil.copytree(ROOT / "tests", home / "run/tests")
        shutil.copy(ROOT / "setup.cfg", home / "run")
        # The counts that the tests compare with, and the page that a test follows.
        (home / "run/docs").mkdir()
        for name in ("requests.json", "write-a-driver.md"):
            shutil.copy(ROOT / "docs" / name, home / "run/docs")
        ignored = [f"--ignore=tests/{path}" for path in NOT_HERE]
        parallel = ["-n", "4", "--dist", "loadfile"]
        # The neutron driver's own tests do for a package; `make test` has the rest.
        chosen = ["-m", "not cloud", "-k", "not neutron-fake", *ignored]
        pytest = [home / "venv/bin/pytest", "-q", *parallel, *chosen]
        folders = ["tests/unit", "tests/functional", "tests/contract"]
        run(*pytest, *folders, cwd=home / "run")


if __name__ == "__main__":
    main()
