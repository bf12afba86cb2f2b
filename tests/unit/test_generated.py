# SPDX-License-Identifier: Apache-2.0
"""Files that are generated from the code are those that the code generates now."""

from __future__ import annotations

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
