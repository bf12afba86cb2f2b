# SPDX-License-Identifier: Apache-2.0
"""What a type checker tells a controller's developer: of the example, and of mistakes."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("mypy")
ROOT = pathlib.Path(__file__).parents[2]
EXAMPLES = ("asynchronous.py", "controller.py", "deleting.py")
MISTAKES = """
from networker import rpc
from networker.drivers import NetworkDriver
from networker.models import VIP
def mistakes(client: rpc.Client) -> None:
    reveal_type(client.cast.update_vip)
    client.cast.deallocate_vip(VIP())
    client.cast.deallocate_vip(vip=VIP())
    client.cast.deallocate_vip(5)
    client.cast.deallocate_vip()
    client.cast.get_prt("p")
    driver: NetworkDriver = client.cast
    number: int = client.cast.get_port("p")
"""


def check(*arguments, cache):
    """Run mypy, strict; return its exit code and what it says of each line."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-pretty"]
    # Of networker itself only what is said about the module.
    command += ["--follow-imports=silent", "--config-file=", "--cache-dir", cache]
    command += arguments
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Keep what mypy knows of libraries from one test to the next."""
    return tmp_path_factory.mktemp("mypy")


@pytest.mark.timeout(600)
def test_the_example_is_typed(cache):
    """A controller, and what it casts, is right in strict mode."""
    modules = [f"tests/example/{name}" for name in EXAMPLES]
    code, out = check("--explicit-package-bases", *modules, cache=cache)
    assert code == 0, out


@pytest.mark.timeout(600)
def test_mistakes_are_found(cache, tmp_path):
    """Wrong arguments and names, and casts where answers are wanted, are errors."""
    (tmp_path / "mistakes.py").write_text(MISTAKES)
    code, out = check(str(tmp_path / "mistakes.py"), cache=cache)
    told = {
        int(line.split(":")[1]): line for line in out.splitlines() if ".py:" in line
    }
    assert code == 1
    assert sorted(told) == [6, 9, 10, 11, 12, 13], out
    shown = told[6].replace("networker.models.", "")
    assert "(load_balancer: LoadBalancer, for_delete: bool =) -> str" in shown
    assert "expected" in told[9]
    assert "Too few arguments" in told[10]
    assert "get_port" in told[11]
    assert "NetworkDriver" in told[12]
    assert '"str"' in told[13]


@pytest.mark.timeout(600)
def test_pyright_finds_the_same(tmp_path):
    """Pyright, in strict mode, has nothing against the example, and finds the mistakes."""
    pytest.importorskip("basedpyright", reason="make test-wheel installs it")
    (tmp_path / "mistakes.py").write_text(MISTAKES)
    for name in EXAMPLES:
        (tmp_path / name).write_text((ROOT / "tests/example" / name).read_text())
    config = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "basedpyright", "--outputjson"]
    command += ["--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    told = json.loads(done.stdout)["generalDiagnostics"]
    errors = {
        (pathlib.Path(each["file"]).name, each["range"]["start"]["line"] + 1)
        for each in told
        if each["severity"] == "error"
    }
    assert errors == {("mistakes.py", line) for line in range(9, 14)}
