# SPDX-License-Identifier: Apache-2.0
"""The house: which folders are packages, and who may import whom."""

from __future__ import annotations

import ast
import collections
import configparser
import os
import pathlib
import subprocess
import sys

import pytest

from networker.drivers.base import operations

ROOT = pathlib.Path(__file__).parents[2]
REAL = {
    "networker": "networker",
    "rpc": "networker.rpc",
    "drivers": "networker.drivers",
}


def modules() -> dict[str, pathlib.Path]:
    """Return every module of the project: its name and its real file."""
    found = {}
    for folder, package in REAL.items():
        for path in (ROOT / folder).rglob("*.py"):
            inside = path.relative_to(ROOT / folder)
            if folder == "networker" and inside.parts[0] in {"rpc", "drivers"}:
                continue
            parts = [package, *inside.with_suffix("").parts]
            found[".".join(p for p in parts if p != "__init__")] = path
    return found


def imports(path: pathlib.Path) -> set[str]:
    """Return the modules that a file imports, those inside functions included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(module: str, *packages: str) -> bool:
    return any(module == p or module.startswith(f"{p}.") for p in packages)


def test_every_package_is_installed():
    """setup.cfg lists the packages that exist, so that the wheel lacks none."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    exist = {name for name, path in modules().items() if path.name == "__init__.py"}
    assert listed == exist


def test_links_lead_to_the_real_folders():
    """An uninstalled checkout sees the same package as an installed one."""
    for name in ("rpc", "drivers"):
        link = ROOT / "networker" / name
        assert link.is_symlink()
        assert link.resolve() == ROOT / name


@pytest.mark.parametrize(
    ("packages", "forbidden"),
    [
        (["networker.models", "networker.exceptions"], ["networker.rpc"]),
        (["networker.models", "networker.exceptions"], ["networker.drivers"]),
        (["networker.drivers"], ["networker.rpc", "networker.service"]),
        (["networker.drivers.base"], ["openstack", "taskflow", "sqlite3"]),
        (["networker.rpc"], ["networker.drivers.sandbox", "networker.drivers.neutron"]),
        (["networker.rpc"], ["networker.drivers.flow", "networker.service"]),
        (["networker.rpc"], ["openstack", "keystoneauth1", "taskflow", "sqlite3"]),
        (["networker.octavia"], ["networker.drivers", "networker.service"]),
    ],
)
def test_import_rule(packages, forbidden):
    """Vocabulary imports nothing of ours, drivers never the bus, the bus no driver."""
    broken = [
        (module, name)
        for module, path in modules().items()
        if within(module, *packages)
        for name in imports(path)
        if within(name, *forbidden)
    ]
    assert broken == []


NEUTRON, SANDBOX = "networker.drivers.neutron", "networker.drivers.sandbox"


@pytest.mark.parametrize(
    ("storey", "above"),
    [
        (f"{NEUTRON}.api", [f"{NEUTRON}.resources", f"{NEUTRON}.operations"]),
        (f"{NEUTRON}.resources", [f"{NEUTRON}.operations"]),
        (f"{SANDBOX}.records", [f"{SANDBOX}.operations"]),
        *[
            (storey, [f"{NEUTRON}.driver", f"{SANDBOX}.driver"])
            for storey in (NEUTRON, SANDBOX)
        ],
    ],
)
def test_storeys_of_a_driver(storey, above):
    """Operations use resources, which use the API, and never the other way round."""
    known = {
        module: path for module, path in modules().items() if within(module, storey)
    }
    assert known
    broken = [
        (module, name)
        for module, path in known.items()
        for name in imports(path)
        if within(name, *above)
    ]
    assert broken == []


def test_an_operation_is_in_the_file_of_its_name():
    """Who looks for a method finds it by name; only lookups have one file together."""
    for driver in (NEUTRON, SANDBOX):
        files = {
            module.rpartition(".")[2]
            for module in modules()
            if module.startswith(f"{driver}.operations.")
        }
        assert files - {"lookups"} <= operations().keys()


def test_file_names_tell_files_apart():
    """Both drivers may have a file for the same thing, and that is all."""
    counted = collections.Counter(
        path.name
        for folder in ("drivers", "rpc")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py"
    )
    assert [name for name, times in counted.items() if times > 2] == []


def test_only_service_and_tools_join_bus_and_drivers():
    """What imports both is the composition root, the command line or the test kit."""
    joined = {
        module
        for module, path in modules().items()
        if any(within(name, "networker.rpc") for name in imports(path))
        and any(
            within(name, "networker.drivers")
            and not within(name, "networker.drivers.base")
            for name in imports(path)
        )
    }
    tools = {m for m in joined if within(m, "networker.cli", "networker.testing")}
    assert joined - tools == {"networker.service"}


def test_only_its_adapter_knows_octavia():
    """Octavia is optional: nothing else imports it, nor what does."""
    known = {
        module
        for module, path in modules().items()
        if any(within(n, "octavia", "networker.octavia") for n in imports(path))
    }
    assert known
    assert all(within(module, "networker.octavia") for module in known)


RABBITMQ = "networker.rpc.rabbitmq"
#: Attributes of oslo.messaging's transports that are not public.
PRIVATE = {"_driver", "_url", "_send_notification", "_listen_for_notifications"}


def test_only_one_package_knows_rabbitmq():
    """Its libraries, and what oslo.messaging keeps to itself, are imported nowhere else."""
    known = {
        module
        for module, path in modules().items()
        if any(
            within(name, "amqp", "kombu", "oslo_messaging._drivers")
            for name in imports(path)
        )
    }
    assert known
    assert {m for m in known if not within(m, RABBITMQ)} == set()


def test_one_module_joins_rabbitmq_to_the_rest_of_the_bus():
    """Of the bus, the choice of a transport alone imports the package."""
    joined = {
        module
        for module, path in modules().items()
        if within(module, "networker.rpc") and not within(module, RABBITMQ)
        if any(within(name, RABBITMQ) for name in imports(path))
    }
    assert joined == {"networker.rpc.transport"}


def test_rabbitmq_imports_only_the_vocabulary_of_the_bus():
    """Below the choice of a transport nothing knows who makes it."""
    vocabulary = {"networker.rpc.codec", "networker.rpc.contract"}
    broken = [
        (module, name)
        for module, path in modules().items()
        if within(module, RABBITMQ)
        for name in imports(path)
        if within(name, "networker.rpc")
        and not within(name, RABBITMQ, *vocabulary, "networker.rpc.request")
    ]
    assert broken == []


def test_private_attributes_of_transports_are_used_in_one_package():
    """A release of oslo.messaging that moves one is mended in one place."""
    used = {
        module
        for module, path in modules().items()
        if not within(module, "networker.drivers")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in PRIVATE
        # An object's own attribute may have the same name.
        if not (isinstance(node.value, ast.Name) and node.value.id == "self")
    }
    assert used
    assert {m for m in used if not within(m, RABBITMQ)} == set()


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules in a new interpreter after a statement."""
    code = (
        f"{statement}; import sys; print(*{{m.partition('.')[0] for m in sys.modules}})"
    )
    # Coverage, which would measure that process too, has modules of its own.
    quiet = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=quiet,
        check=True,
        capture_output=True,
        text=True,
    )
    return set(done.stdout.split())


def test_a_controller_loads_no_cloud_library():
    """Importing networker.rpc loads neither openstacksdk, TaskFlow nor SQLite."""
    loaded = loaded_by("import networker.rpc")
    assert "oslo_messaging" in loaded
    assert not loaded & {"openstack", "taskflow", "sqlite3", "keystoneauth1"}


def test_the_worker_loads_no_eventlet():
    """The worker's own code and what it imports work with threads."""
    code = "import networker.service, sys; assert sys.modules['eventlet'] is None"
    assert "greenlet" not in loaded_by(code)


def test_nothing_is_loaded_for_metrics():
    """A worker of which nobody wants to know how it is has nothing of it."""
    assert "prometheus_client" not in loaded_by("import networker.pool")


def test_nothing_is_loaded_for_the_console():
    """Neither a worker nor another command of the operator's has anything of it."""
    for module in ("networker.pool", "networker.master", "networker.cli"):
        loaded = loaded_by(
            f"import {module}, sys; assert 'networker.console' not in sys.modules"
        )
        assert not loaded & {"starlette", "uvicorn", "anyio"}


def test_every_test_of_the_suite_runs_here():
    """tests/contract imports each module of the contract suite that knows no world."""
    suite = {path.name for path in (ROOT / "networker/testing/contract").glob("test_*")}
    own = {path.name: path for path in (ROOT / "tests/contract").glob("test_*.py")}
    for name in suite - {"test_declared.py"}:
        module = f"networker.testing.contract.{name.removesuffix('.py')}"
        assert f"from {module} import *" in own[name].read_text()
