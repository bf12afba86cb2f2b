# SPDX-License-Identifier: Apache-2.0
"""``networker show``, against a sandbox over the in-memory bus and without a bus."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import msgspec
import pytest

from networker.drivers.sandbox.driver import SandboxDriver
from networker.models import ALLOCATED, VIP, Amphora, LoadBalancer
from networker.rpc.server import Server
from networker.testing import processes


@pytest.fixture
def driver(config):
    return SandboxDriver(processes.configuration(config))


@pytest.fixture
def served(config, driver):
    server = Server(processes.configuration(config), driver)
    server.start()
    yield
    server.stop()


@pytest.fixture
def balancer(driver):
    """A load balancer that is plugged into two servers."""
    door = driver.backdoor
    (network,) = [n for n in door.networks() if n.name == "vip-net"]
    servers = sorted(door.servers().values())[:2]
    lb = LoadBalancer(
        id="lb-1",
        vip=VIP(network_id=network.id),
        amphorae=[
            Amphora(id=f"a-{number}", compute_id=server, status=ALLOCATED)
            for number, server in enumerate(servers)
        ],
    )
    lb.vip = driver.allocate_vip(lb)
    lb.amphorae = driver.plug_vip(lb, lb.vip)
    return lb


NAMED = ("lb-1", "--amphora", "a-0", "--amphora", "a-1")


@pytest.mark.parametrize("how", [(), ("--direct",)])
def test_all_is_well(run, served, balancer, how):
    """Over the bus and without, the VIP and what carries it are drawn; the code is 0."""
    code, out, err = run("show", *NAMED, *how)
    assert (code, err) == (0, "")
    assert f"VIP's port {balancer.vip.ip_address} on vip-net" in out
    for amphora in balancer.amphorae:
        assert f"VRRP port {amphora.vrrp_ip} on vip-net" in out
    assert "All that could be looked at is as it should be." in out


def test_all_is_not_well(run, driver, balancer):
    """What is not as it should be is said, and makes the code 1."""
    driver.set_port_admin_state_up(balancer.amphorae[1].vrrp_port_id, False)
    code, out, _ = run("show", *NAMED, "--direct")
    assert code == 1
    assert "1 thing is not as it should be." in out
    assert "switched off" in out


def test_a_picture(run, driver, balancer, tmp_path):
    """Of a load balancer from a file, SVG is printed, and nothing else."""
    path = tmp_path / "lb.json"
    path.write_bytes(msgspec.json.encode(balancer))
    code, out, _ = run("show", f"@{path}", "-f", "svg", "--direct")
    assert code == 0
    picture = ET.fromstring(out)
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert balancer.vip.ip_address in "".join(picture.itertext())


def test_ids_that_only_an_operator_knows(run, driver, balancer):
    """A server of an amphora, and a port that a user brought, can be named."""
    driver.backdoor.detach(balancer.amphorae[0].vrrp_port_id)
    server = balancer.amphorae[0].compute_id
    named = "lb-1", "--amphora", f"a-0={server}", "--vip-port", balancer.vip.port_id
    code, out, _ = run("show", *named, "--direct")
    assert code == 1
    assert "plugged into no server" in out
    assert f"on server {server}" in out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("{", "no load balancer in JSON"),
        (json.dumps({"amphorae": [{"id": 5}]}), "$.amphorae[0].id"),
    ],
)
def test_a_wrong_file(run, driver, tmp_path, content, said):
    """A file that cannot be read is one line and code 2."""
    path = tmp_path / "lb.json"
    if content is not None:
        path.write_text(content)
    code, out, err = run("show", f"@{path}", "--direct")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert str(path) in err
    assert said in err


def test_a_file_without_an_id(run, driver, tmp_path):
    """Nothing is looked for of a load balancer that has no id."""
    path = tmp_path / "lb.json"
    path.write_text("{}")
    code, out, err = run("show", f"@{path}", "--direct")
    assert (code, out) == (2, "")
    assert "load_balancer.id" in err


def test_no_driver(run, config, tmp_path):
    """Without a driver there is nothing to ask directly."""
    processes.write(config, {"DEFAULT": {"transport_url": "fake:/"}})
    code, out, err = run("show", "lb-1", "--direct")
    assert (code, out) == (2, "")
    assert "[networker] driver is not set" in err
