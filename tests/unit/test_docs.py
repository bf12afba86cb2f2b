# SPDX-License-Identifier: Apache-2.0
"""What the documents show exists and works."""

from __future__ import annotations

import ast
import importlib
import pathlib
import re
import textwrap

import pytest

from networker import exceptions
from networker.drivers import base
from networker.rpc import Client, codec

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def blocks(page: pathlib.Path, language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)
    return [textwrap.dedent(block) for block in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Every relative link has a file at its end."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_is_python(page):
    """Every block of Python parses, and what it imports from networker is there."""
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and "networker" in (node.module or ""):
                module = importlib.import_module(node.module or "")
                for alias in node.names:
                    named = f"{node.module}.{alias.name}"
                    assert hasattr(module, alias.name), f"{page.name}: {named}"


def test_the_controller_of_the_readme(network, network_driver):
    """The ten lines run, with real ids in place of the dots."""
    (code,) = [c for c in blocks(ROOT / "README.md", "python") if "rpc.connect" in c]
    networks = {n.name: n for n in network_driver.backdoor.networks()}
    server = network_driver.backdoor.servers()["amphora-0"]
    _, _, body = code.partition("with rpc.connect(cfg.CONF) as network:\n")
    ids = {
        "7c3a...": "lb-1",
        "f00d...": networks["vip-net"].project_id,
        "5ab1...": networks["vip-net"].subnets[0],
        "a1...": "a1",
        "c1...": server,
        "member-net...": networks["member-net-1"].id,
        "10.90.0.7": "10.90.0.1",
    }
    for dots, real in ids.items():
        assert dots in body
        body = body.replace(dots, real)
    lines = [line for line in textwrap.dedent(body).splitlines() if "cast" not in line]
    imports = "from networker.models import VIP, Amphora, LoadBalancer\n"
    names: dict[str, object] = {"network": network}
    exec(imports + "\n".join(lines), names)
    assert (
        network_driver.backdoor.ports(name="octavia-lb-vrrp-a1")[0].device_id == server
    )
    assert issubclass(Client, base.NetworkDriver)


def test_the_reference_says_who_raises_each_error():
    """No error but the bases of all and of the bus lacks its methods, or what to do."""
    rows = re.findall(
        r"^\| `(\w+)` \|(.*)\|$", (ROOT / "docs/reference.md").read_text(), re.MULTILINE
    )
    told = {
        name: [cell.strip() for cell in rest.split(" | ")]
        for name, rest in rows
        if hasattr(exceptions, name)
    }
    assert set(told) == set(codec.error_classes())
    for name, (when, raised_by, again, undone, advice, _) in told.items():
        assert when, name
        assert raised_by, name
        assert undone, name
        assert (again == "yes") == issubclass(
            getattr(exceptions, name), exceptions.Retriable
        )
        assert advice or name in {"NetworkException", "BusError"}
    assert "`plug_vip`" in told["PlugVIPException"][1]
    assert "`plug_fixed_ip`" in told["AddressInUse"][1]
