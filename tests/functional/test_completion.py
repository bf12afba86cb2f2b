# SPDX-License-Identifier: Apache-2.0
"""What shells offer when a command is half typed: the same in each of them."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from networker.testing.processes import BIN

#: How each shell is asked for what it would offer, after its script. Line and current word
#: are in the environment.
ASK = {
    "bash": """
        _get_comp_words_by_ref() { words=($LINE); cur=$WORD; words+=("$WORD"); }
        words=($LINE); COMP_CWORD=${#words[@]}
        _networker
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "zsh": """
        compadd() { shift; print -l -- ${(M)@:#$WORD*} }
        _files() { print -l -- $WORD*(N) }
        words=(${=LINE} "$WORD"); CURRENT=$#words
        _networker
    """,
    "fish": """
        complete -C "$LINE $WORD" | string split -f1 \\t
        true
    """,
}
SOURCE = {
    "bash": "complete() { :; }; source {}",
    "zsh": "compdef() { :; }; source {}",
    "fish": "source {}",
}


@pytest.fixture(params=sorted(ASK))
def shell(request):
    if not shutil.which(request.param):
        text = f"{request.param} is not installed: apt-get install {request.param}"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return request.param


@pytest.fixture
def offered(shell, tmp_path):
    """Return what the shell offers after some words, for the beginning of another one."""
    script = tmp_path / "script"
    with script.open("w") as file:
        command = [BIN / "networker", "complete", "--shell", shell]
        subprocess.run(command, stdout=file, check=True)
    (tmp_path / "lb.json").touch()

    def offer(line, word=""):
        text = SOURCE[shell].replace("{}", str(script)) + ASK[shell]
        options = ["-f"] if shell == "zsh" else []
        done = subprocess.run(
            [shell, *options, "-c", text],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
            | {"LINE": line, "WORD": word},
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stderr == ""
        return sorted({*done.stdout.split()})

    return offer


def test_commands(offered):
    """Each word of a command is offered, and nothing else."""
    assert offered("networker", "d") == ["dead", "demo", "driver"]
    assert offered("networker dead") == ["drop", "list", "replay", "show"]
    assert offered("networker call", "plug_v") == ["plug_vip"]
    assert offered("networker dead", "x") == []


def test_options(offered):
    """A command's own flags, wherever in the line."""
    assert offered("networker call get_port", "--p") == [
        *["--port-id", "--prefix", "--print-empty"]
    ]
    assert "--cast" in offered("networker call get_port --port-id 7", "--c")


def test_files(offered):
    """What is no flag may be a file."""
    assert offered("networker call plug_vip --load-balancer", "lb") == ["lb.json"]


def test_after_global_options(offered, shell):
    """A configuration file before the command does not matter, but in bash."""
    if shell != "bash":
        line = "networker --config-file /etc/networker.conf dead"
        assert offered(line, "re") == ["replay"]
