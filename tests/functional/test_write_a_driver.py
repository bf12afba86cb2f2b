# SPDX-License-Identifier: Apache-2.0
"""docs/write-a-driver.md, done step by step.

The package is built and put on the path of the environment that runs the tests, where
``pip install -e`` would put it into one of the reader's.
"""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import subprocess
import sys
import textwrap

import pytest

from networker.testing import plugin
from networker.testing.contract import World

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "write-a-driver.md"
PROGRAMS = pathlib.Path(sys.executable).parent


class Reader:
    """Who does what a page says."""

    def __init__(self, home: pathlib.Path) -> None:
        self.directory = home
        self.site = home / "site"
        self.printed: dict[str, str] = {}

    def does(self, language: str, block: str) -> None:
        if language == "sh":
            for command in block.splitlines():
                self.runs(command)
        elif language == "python" and ", in the class\n" in block:
            self.writes(block)

    def runs(self, command: str) -> None:
        program, *arguments = shlex.split(command)
        if program == "cd":
            self.directory /= arguments[0]
            return
        if program == "pip":
            arguments = f"install -q --no-deps --target {self.site} .".split()
        paths = f"{self.directory}{os.pathsep}{self.site}"
        done = subprocess.run(
            [PROGRAMS / program, *arguments],
            cwd=self.directory,
            env={**os.environ, "PYTHONPATH": paths, "PYTEST_ADDOPTS": ""},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.printed[command] = done.stdout

    def writes(self, block: str) -> None:
        head, code = block.split("\n", 1)
        file = self.directory / head.removeprefix("# ").removesuffix(", in the class")
        code = textwrap.indent(code, "    ")
        text = file.read_text()
        name = code.split("=")[0]
        if "=" in code.splitlines()[0] and name in text:
            text = re.sub(rf"^{name}=.*\n", code, text, flags=re.MULTILINE)
        else:
            text += "\n" + code
        file.write_text(text)


@pytest.mark.timeout(900)
def test_the_page_leads_to_a_driver_that_passes(tmp_path):
    """Each command succeeds; three methods are tested, and a fourth when it is written."""
    reader = Reader(tmp_path)
    found = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for language, block in found:
        reader.does(language, block)
    assert "mycloud.driver:MycloudDriver" in reader.printed["networker driver list"]
    first, second = (v for k, v in reader.printed.items() if k.startswith("pytest"))
    shown = next(block for language, block in found if language == "text")
    for line in shown.splitlines()[:4]:
        assert line in first
    assert re.search(r"^allocate_vip +\d+$", first, re.MULTILINE)
    assert re.search(r"^get_networks +[1-9]\d* +0$", second, re.MULTILINE)


@pytest.fixture
def config(tmp_path_factory):
    """A configuration that nothing reads."""
    return tmp_path_factory.mktemp("etc") / "networker.conf"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("My Cloud", "small letters"),
        ("class", "small letters"),
        ("sandbox", "there is a driver sandbox already"),
        ("networker", "would hide this one"),
        ("there", "there is there already: choose"),
    ],
)
def test_a_name_that_will_not_do(run, tmp_path, monkeypatch, name, why):
    """The command says what is wrong with it, and writes nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    code, _, err = run("driver", "new", name)
    assert (code, why in err) == (2, True)
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("nowhere.to:Be", "No module named 'nowhere'"),
        ("networker.models:VIP", "is not a class derived from"),
        ("tests.functional.test_write_a_driver:Misspelt", "'get_prot'"),
    ],
)
def test_a_world_that_will_not_do(option, why):
    """The option is refused, and what is wrong with it is said."""
    with pytest.raises(pytest.UsageError) as caught:
        plugin.world_class(option)
    assert why in str(caught.value)
    assert option in str(caught.value)


class Misspelt(World):
    """A world whose author has mistyped."""

    supports = frozenset({"get_prot"})


def test_a_world_offers_what_it_has():
    """What it lacks skips the test that asks, and names it; too few of a thing are told."""

    class Small(World):
        vip_network_id = "n"
        servers = ()

        def ports(self, **filters):
            return []

    small = Small()
    assert [small.offers(n) for n in ("vip_network_id", "ports")] == [True, True]
    assert [small.offers(n) for n in ("qos_policy_id", "rules")] == [False, False]
    with pytest.raises(pytest.skip.Exception, match=r"not offered.*: qos_policy_id"):
        _ = small.qos_policy_id
    with pytest.raises(pytest.skip.Exception, match=r"not offered.*: rules"):
        small.rules("g")
    with pytest.raises(AttributeError):
        _ = small.mistyped  # type: ignore[attr-defined]
    assert small.leftovers() == []
    assert "World.servers: the tests need 3" in small.lacking()
