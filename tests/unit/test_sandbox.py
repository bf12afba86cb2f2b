# SPDX-License-Identifier: Apache-2.0
"""What is particular to the sandbox: its shared file, and its pretended delays."""

from __future__ import annotations

import ipaddress
import json
import multiprocessing
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from oslo_config import cfg

from networker import conf as networker_conf
from networker import exceptions
from networker.drivers.sandbox import SandboxError
from networker.drivers.sandbox.driver import SandboxDriver
from networker.drivers.sandbox.records.database import Database
from networker.drivers.sandbox.topology import identify, project_id
from networker.models import VIP, Amphora, Listener, LoadBalancer

SERVERS = [identify("server", f"amphora-{number}") for number in range(4)]
VIP_NET = identify("network", "vip-net")
MEMBER_NET = identify("network", "member-net-1")
TINY = """
networks: [{name: vip-net}, {name: six}]
subnets:
  - {name: vip-subnet, network: vip-net, cidr: 192.0.2.0/29}
  - {name: subnet6, network: six, cidr: "2001:db8::/64"}
servers: [{name: amphora-0}, {name: amphora-1}]
"""


def new_driver(
    folder: Path, topology: str | None = None, latency: float = 0.0
) -> SandboxDriver:
    """Return a driver on the database of a folder."""
    conf = networker_conf.register(cfg.ConfigOpts())
    conf([])
    conf.set_override("database", str(folder / "net.sqlite"), "sandbox")
    conf.set_override("latency", latency, "sandbox")
    if topology is not None:
        (folder / "topology.yaml").write_text(topology)
        conf.set_override("topology", str(folder / "topology.yaml"), "sandbox")
    return SandboxDriver(conf)


def database(folder: Path) -> Database:
    """Return the database of a folder's driver."""
    return Database(folder / "net.sqlite", populate=lambda _: None)


def balancer(name: str, *compute_ids: str, network: str = VIP_NET) -> LoadBalancer:
    """Return a load balancer with an amphora on each server."""
    return LoadBalancer(
        id=name,
        project_id=project_id("demo"),
        topology="ACTIVE_STANDBY",
        vip=VIP(network_id=network),
        listeners=[Listener(protocol="HTTP", protocol_port=80, peer_port=1025)],
        amphorae=[
            Amphora(id=f"{name}-{i}", compute_id=compute_id)
            for i, compute_id in enumerate(compute_ids)
        ],
    )


def in_processes(count: int, work: Callable[[int], None]) -> list[int | None]:
    """Run `work` in as many processes at once, and return their exit codes."""
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(count)

    def run(number: int) -> None:
        gate.wait(30)
        work(number)

    runs = [
        context.Process(target=run, args=(number,), daemon=True)
        for number in range(count)
    ]
    for process in runs:
        process.start()
    for process in runs:
        process.join(30)
    return [process.exitcode for process in runs]


def test_eight_processes_start_on_a_missing_file(tmp_path: Path) -> None:
    """One of them makes the database; all of them use it, and get different addresses."""

    def work(number: int) -> None:
        driver = new_driver(tmp_path)
        driver.allocate_vip(balancer(f"lb{number}"))
        driver.plug_network(SERVERS[0], MEMBER_NET)

    assert in_processes(8, work) == [0] * 8
    driver = new_driver(tmp_path)
    assert len(driver.backdoor.networks()) == 5
    vips = driver.backdoor.ports(network_id=VIP_NET)
    assert len({port.fixed_ips[0].ip_address for port in vips}) == 8
    assert len(driver.backdoor.ports(network_id=MEMBER_NET)) == 1


def test_eight_threads_start_on_a_missing_file(tmp_path: Path) -> None:
    """It is the same within one process."""
    with ThreadPoolExecutor(8) as pool:
        drivers = list(pool.map(lambda _: new_driver(tmp_path), range(8)))
    assert [len(driver.backdoor.ports()) for driver in drivers] == [4] * 8


def test_a_driver_is_used_on_both_sides_of_a_fork(tmp_path: Path) -> None:
    """A driver that was used before a fork serves the children, and the parent later."""
    driver = new_driver(tmp_path)
    driver.allocate_vip(balancer("before"))

    def work(number: int) -> None:
        for turn in range(10):
            driver.allocate_vip(balancer(f"child-{number}-{turn}"))

    assert in_processes(3, work) == [0] * 3
    driver.allocate_vip(balancer("after"))
    assert len(driver.backdoor.ports(network_id=VIP_NET)) == 32


def test_threads_share_a_driver(tmp_path: Path) -> None:
    """Sixteen threads that want one thing get it, and one port."""
    driver = new_driver(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        found = list(
            pool.map(lambda _: driver.plug_network(SERVERS[1], MEMBER_NET), range(64))
        )
    assert all(interface == found[0] for interface in found)
    assert len(driver.backdoor.ports(network_id=MEMBER_NET)) == 1


def test_pretended_delays_overlap(tmp_path: Path) -> None:
    """Calls at the same time wait at the same time, each its number of waves."""
    driver = new_driver(tmp_path, latency=0.3)
    start = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda s: driver.plug_network(s, MEMBER_NET), SERVERS * 2))
    assert 0.6 <= time.monotonic() - start < 1.2
    start = time.monotonic()
    driver.get_network(VIP_NET)
    assert 0.3 <= time.monotonic() - start < 0.6


def test_a_subnet_is_used_up(tmp_path: Path) -> None:
    """A /29 has five addresses besides the gateway's; one that is returned is reused."""
    driver = new_driver(tmp_path, TINY)
    vips = [driver.allocate_vip(balancer(f"lb{i}")) for i in range(5)]
    addresses = {vip.ip_address for vip in vips}
    assert addresses == {f"192.0.2.{host}" for host in range(2, 7)}
    with pytest.raises(exceptions.NoMoreAddresses) as caught:
        driver.allocate_vip(balancer("lb6"))
    assert caught.value.orig_code == 409
    with pytest.raises(exceptions.NoMoreAddresses):
        driver.plug_network(SERVERS[0], VIP_NET)
    driver.deallocate_vip(vips[2])
    assert driver.allocate_vip(balancer("lb6")).ip_address == vips[2].ip_address


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    """The second of two amphorae finds no address: group, rules and first port go."""
    driver = new_driver(tmp_path, TINY)
    for _ in range(3):
        driver.backdoor.create_port(VIP_NET)
    lb = balancer("lb", SERVERS[0], SERVERS[1])
    vip = driver.allocate_vip(lb)
    before = driver.backdoor.tables()
    with pytest.raises(exceptions.NoMoreAddresses):
        driver.plug_vip(lb, vip)
    assert driver.backdoor.tables() == before


def test_a_killed_process_leaves_nothing(tmp_path: Path) -> None:
    """What a process had not finished is not seen by others, who need not wait."""
    driver = new_driver(tmp_path)
    before = driver.backdoor.tables()

    def work(_: int) -> None:
        with database(tmp_path).write() as tx:
            tx.execute("DELETE FROM ports")
            os._exit(9)

    assert in_processes(1, work) == [9]
    driver.backdoor.create_port(VIP_NET, id="p")
    driver.backdoor.delete_port("p")
    assert driver.backdoor.tables() == before


def test_readers_and_writers_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """A look that takes long sees one state, and a change goes through meanwhile."""
    driver = new_driver(tmp_path)
    with database(tmp_path).read() as tx:
        count = "SELECT count(*) FROM ports"
        before = tx.execute(count).fetchone()[0]
        driver.backdoor.create_port(VIP_NET)
        assert tx.execute(count).fetchone()[0] == before
    assert len(driver.backdoor.ports()) == before + 1


def test_an_ipv6_subnet_is_no_list(tmp_path: Path) -> None:
    """Addresses of a /64 are given at once, and never the gateway's."""
    driver = new_driver(tmp_path, TINY)
    six = identify("network", "six")
    vips = [driver.allocate_vip(balancer(f"lb{i}", network=six)) for i in range(20)]
    addresses = {ipaddress.ip_address(vip.ip_address or "") for vip in vips}
    assert len(addresses) == 20
    assert addresses <= set(ipaddress.ip_network("2001:db8::/120").hosts())
    assert ipaddress.ip_address("2001:db8::1") not in addresses


def test_state_survives_its_drivers(tmp_path: Path) -> None:
    """Another driver on the same file continues; the topology is not read again."""
    vip = new_driver(tmp_path, TINY).allocate_vip(balancer("lb"))
    again = new_driver(tmp_path, "not: [a topology")
    assert again.get_port(vip.port_id or "").name == "octavia-lb-lb"
    assert again.allocate_vip(balancer("lb")) == vip


@pytest.mark.parametrize(
    "content", [b"text, not tables" * 99, b"SQLite format 3\0junk"]
)
def test_a_corrupt_file_is_explained(tmp_path: Path, content: bytes) -> None:
    """The error is one line that names the file, and the file is left alone."""
    path = tmp_path / "net.sqlite"
    path.write_bytes(content)
    with pytest.raises(SandboxError) as caught:
        new_driver(tmp_path)
    assert str(caught.value) == f"{path}: file is not a database"
    assert path.read_bytes() == content


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    """A database that is no sandbox gets no tables."""
    path = tmp_path / "net.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (id)")
    other.close()
    content = path.read_bytes()
    with pytest.raises(SandboxError, match="not the database of a sandbox"):
        new_driver(tmp_path)
    assert path.read_bytes() == content


def test_a_sandbox_of_an_older_version_is_left_alone(tmp_path: Path) -> None:
    """Its tables are not what this version expects, and the error says so."""
    new_driver(tmp_path)
    path = tmp_path / "net.sqlite"
    with sqlite3.connect(path) as older:
        older.execute("PRAGMA user_version = 1")
    older.close()
    with pytest.raises(SandboxError, match=r"net\.sqlite: .* of this version"):
        new_driver(tmp_path)


def test_an_empty_file_becomes_a_sandbox(tmp_path: Path) -> None:
    """A file that somebody touched is as good as none."""
    (tmp_path / "net.sqlite").touch()
    assert len(new_driver(tmp_path).backdoor.networks()) == 5


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A database cannot be made where there is no folder, and the error says where."""
    with pytest.raises(SandboxError, match=r"nowhere/net\.sqlite: unable to open"):
        new_driver(tmp_path / "nowhere")


def test_the_whole_state_is_plain(tmp_path: Path) -> None:
    """The tables can be printed as JSON, and have all kinds of rows."""
    driver = new_driver(tmp_path)
    lb = balancer("lb", SERVERS[0])
    driver.plug_vip(lb, driver.allocate_vip(lb))
    tables = json.loads(json.dumps(driver.backdoor.tables()))
    counts = {kind: len(rows) for kind, rows in tables.items()}
    assert counts == {
        "networks": 5,
        "subnets": 7,
        "servers": 4,
        "qos_policies": 1,
        "ports": 6,
        "security_groups": 1,
    }
    assert tables["ports"][-1]["security_groups"] == ["lb-lb"]
    assert tables["ports"][-1]["dns_name"] == "amphora-0"
    assert tables["ports"][-1]["admin_state_up"] is True
    assert tables["networks"][0]["router_external"] is True
    assert "ingress IPv4 tcp 80" in tables["security_groups"][0]["rules"]
