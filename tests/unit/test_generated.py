# SPDX-License-Identifier: Apache-2.0
"""Files that are generated from the code are those that the code generates now."""

from __future__ import annotations

import configparser
import importlib.util
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def test_sample_configuration(tmp_path):
    """etc/networker.conf.sample has every option; `make docs` writes it."""
    generated = tmp_path / "sample"
    subprocess.run(
        [
            pathlib.Path(sys.executable).parent / "oslo-config-generator",
            "--config-file=etc/networker-config-generator.conf",
            f"--output-file={generated}",
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    kept = (ROOT / "etc/networker.conf.sample").read_text()
    assert generated.read_text() == kept, "run `make docs`"


def test_reference(tmp_path):
    """docs/reference.md says what the interface says; `make docs` writes it."""
    generated = tmp_path / "reference.md"
    subprocess.run(
        [sys.executable, "docs/generate.py", generated], cwd=ROOT, check=True
    )
    kept = (ROOT / "docs/reference.md").read_text()
    assert generated.read_text() == kept, "run `make docs`"


def test_manual(tmp_path):
    """docs/man says what --help says; `make docs` writes it."""
    subprocess.run([sys.executable, "docs/manual.py", tmp_path], cwd=ROOT, check=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(path.name for path in (ROOT / "docs/man").iterdir())
    for name in names:
        kept = (ROOT / "docs/man" / name).read_text()
        assert (tmp_path / name).read_text() == kept, "run `make docs`"


def test_licences():
    """Each package that is installed is on the page, with a licence that is permitted."""
    path = ROOT / "docs/licences.py"
    spec = importlib.util.spec_from_file_location("licences", path)
    assert spec
    assert spec.loader
    licences = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(licences)
    rows = [row.split("|") for row in licences.PAGE.read_text().splitlines()[9:]]
    page = {
        name.strip(): row[1].strip()
        for row in rows
        if row[2:]
        for name in row[2].split(",")
    }
    found = licences.found()
    told = {name: page[name] for name in found if name in page}
    assert told == {name: found[name] for name in told}, "run `make docs`"
    # Later Pythons need packages in place of what they lack.
    assert sys.version_info >= (3, 12) or told == found, "run `make docs`"
    for name, licence in found.items():
        assert set(licences.parts(licence)) <= licences.PERMITTED, name


def test_every_program_has_a_manual():
    """setup.cfg installs a page for each."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    scripts = setup["options.entry_points"]["console_scripts"].split("\n")
    programs = {line.partition(" = ")[0] for line in scripts if line}
    assert {path.stem for path in (ROOT / "docs/man").iterdir()} == programs
    assert setup["options.data_files"]["share/man/man1"] == "docs/man/*.1"


def test_dashboard(tmp_path):
    """etc/grafana/networker.json has the metrics that there are; `make docs` writes it."""
    generated = tmp_path / "networker.json"
    subprocess.run(
        [sys.executable, "docs/dashboard.py", generated], cwd=ROOT, check=True
    )
    kept = (ROOT / "etc/grafana/networker.json").read_text()
    assert generated.read_text() == kept, "run `make docs`"
