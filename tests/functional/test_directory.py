# SPDX-License-Identifier: Apache-2.0
"""A configuration of several files in a directory, as kolla and Kubernetes make it."""

from __future__ import annotations

import subprocess

import pytest

from networker.testing.processes import BIN, write


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Give processes a home in which oslo.config looks before it does in /etc."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".networker"
    (folder / "networker.conf.d").mkdir(parents=True)
    (folder / "networker.conf.d/clouds.yaml").write_text("clouds: {}\n")
    settings = {
        "DEFAULT": {"transport_url": "fake:/"},
        "networker": {"driver": "neutron"},
    }
    write(folder / "networker.conf", settings)
    return folder


@pytest.fixture(params=["by itself", "named"])
def files(request, home):
    """Return the arguments by which programs find it."""
    if request.param == "by itself":
        return []
    found = home.rename(home.with_name("etc"))
    (found / "networker.conf").rename(found / "networker.conf.d/00-base.conf")
    return ["--config-dir", str(found / "networker.conf.d")]


@pytest.fixture
def folder(files, home):
    return home.with_name("etc" if files else ".networker") / "networker.conf.d"


def run(*command):
    done = subprocess.run(
        [BIN / command[0], *command[1:]], capture_output=True, text=True, timeout=100
    )
    return done.returncode, done.stdout, done.stderr


def test_later_files_win(files, folder):
    """They are read in the order of their names, by each program."""
    write(folder / "20-b.conf", {"networker": {"topic": "b"}})
    write(folder / "10-a.conf", {"networker": {"driver": "sandbox", "topic": "a"}})
    write(folder / "30-c.conf", {"sandbox": {"database": folder / "it.sqlite"}})
    (folder / "40-d.conf.off").write_text("this is no configuration")
    code, out, _ = run("networker", *files, "config", "check")
    assert code == 0
    assert "driver: sandbox\n" in out
    assert "topic: networker/b\n" in out
    assert (folder / "it.sqlite").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("networker", "config", "check"),
        ("networker-worker",),
        ("networker-status", "upgrade", "check"),
    ],
    ids=lambda command: command[0],
)
def test_what_is_wrong_is_named(files, folder, command):
    """With the file that it is in."""
    wrong = write(folder / "20-b.conf", {"networker": {"thraeds": 3}})
    write(folder / "10-a.conf", {"networker": {"driver": "sandbox"}})
    code, out, err = run(command[0], *files, *command[1:])
    assert code == 2
    told = "".join((out + err).replace("|", "").split())
    assert f"{wrong}:[networker]thraeds".replace("|", "") in told
