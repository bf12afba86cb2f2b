# SPDX-License-Identifier: Apache-2.0
"""The units for systemd: they are right, closed, and what docs/deploy.md says."""

from __future__ import annotations

import configparser
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from networker import master

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "etc/systemd"
UNITS = ["networker-worker.service", "networker-worker@.service"]
#: What of a host the service can reach, in systemd's measure; 10 is everything.
EXPOSURE = 2.5
DOCS = (ROOT / "docs/deploy.md").read_text()


class Unit(configparser.ConfigParser):
    """A unit; a setting that is given twice has its values in lines."""

    def __init__(self, name: str) -> None:
        super().__init__(interpolation=None, strict=False, delimiters=("=",))
        lines = (FOLDER / name).read_text()
        # Both filters hold, and configparser would keep the last one.
        self.read_string(lines.replace("Filter=~", "Filter~="))

    def optionxform(self, optionstr: str) -> str:
        """Keep the case."""
        return optionstr

    @property
    def program(self) -> pathlib.Path:
        """What is started."""
        return pathlib.Path(self["Service"]["ExecStart"].split()[0])


@pytest.fixture
def analyze():
    """Run systemd-analyze; return its exit code and what it printed."""
    program = shutil.which("systemd-analyze")
    if not program:
        text = "systemd-analyze is not installed: apt-get install systemd"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)

    def run(*arguments: object) -> tuple[int, str]:
        done = subprocess.run(
            [program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    return run


@pytest.fixture(params=UNITS)
def name(request):
    return request.param


def test_systemd_accepts_it(analyze, name, tmp_path):
    """It has no word to say of it."""
    # Where this one is installed; of a template, an instance.
    copy = tmp_path / name.replace("@", "@blue")
    text = (FOLDER / name).read_text()
    here = f"{pathlib.Path(sys.executable).parent}/"
    assert "=/opt/networker/bin/" in text
    copy.write_text(text.replace("=/opt/networker/bin/", f"={here}"))
    assert analyze("verify", "--man=no", copy) == (0, "")
    copy.write_text(copy.read_text().replace("ProtectClock", "ProtectClocks"))
    assert "ProtectClocks" in analyze("verify", "--man=no", copy)[1]


def test_it_is_closed(analyze, name):
    """systemd finds little that the service could reach."""
    limit = f"--threshold={EXPOSURE * 10:.0f}"
    code, told = analyze("security", "--offline=true", limit, FOLDER / name)
    assert code == 0, told


def test_it_can_do_its_work(name):
    """It may talk to broker, cloud and syslog, and write where docs/deploy.md says."""
    service = Unit(name)["Service"]
    assert set(service["RestrictAddressFamilies"].split()) == {
        *["AF_INET", "AF_INET6", "AF_UNIX"]
    }
    own = "networker/%i" if "@" in name else "networker"
    assert service["StateDirectory"] == service["LogsDirectory"] == own
    assert service["WorkingDirectory"] == f"%S/{own}"


def test_systemd_waits_long_enough(name):
    """For a check, and for the workers to drain."""
    service = Unit(name)["Service"]
    assert int(service["TimeoutStartSec"]) > master.CHECK_WITHIN
    # oslo.service's default of graceful_shutdown_timeout
    assert int(service["TimeoutStopSec"]) > 60


def test_documents_agree(name):
    """docs/deploy.md installs what the unit starts, for whom it starts it."""
    service = Unit(name)["Service"]
    prefix = service["ExecStart"].split("/bin/")[0]
    assert f"python3 -m venv {prefix}\n" in DOCS
    assert f"{prefix}/bin/pip install networker" in DOCS
    assert service["User"] == service["Group"]
    (made,) = re.findall(r"useradd (.*) (\S+)\n", DOCS)
    assert made[1] == service["User"]
    assert "--home-dir /var/lib/networker" in made[0]
    files = re.findall(r"--config-file (\S+)", service["ExecStart"])
    for file in files:
        assert file.replace("%i", "blue") in DOCS
    assert f"cp etc/systemd/{name}" in DOCS or f" etc/systemd/{name}" in DOCS


def test_what_is_started_exists(name):
    """setup.cfg makes the program."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    scripts = setup["options.entry_points"]["console_scripts"]
    assert f"\n{Unit(name).program.name} = " in scripts


def test_a_pool_differs_in_its_name_only():
    """What is mended in one unit is mended in the other."""
    one, many = (Unit(name) for name in UNITS)
    differ = {
        key
        for section in one.sections()
        for key in {*one[section], *many[section]}
        if one[section].get(key) != many[section].get(key)
    }
    assert differ == {
        *["Description", "ExecStart", "WorkingDirectory"],
        *["StateDirectory", "LogsDirectory"],
    }
