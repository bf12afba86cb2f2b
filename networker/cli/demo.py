# SPDX-License-Identifier: Apache-2.0
"""``networker demo``: a controller and its workers, from nothing to nothing."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import pathlib
import tempfile
import uuid
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from networker import exceptions, rpc
from networker.cli.base import Operation, seconds
from networker.cli.picture import picture
from networker.drivers import naming
from networker.drivers.sandbox.backdoor import Backdoor
from networker.drivers.sandbox.driver import SandboxDriver
from networker.models import VIP, AdditionalVIP, Amphora, Listener, LoadBalancer
from networker.service import Refused
from networker.testing import kit, processes, rabbitmq

_HINT = "install Debian's rabbitmq-server to see worker processes behind RabbitMQ"


class Unverified(exceptions.NetworkException):
    """A step's result is not what the sandbox holds."""


class Demo(Operation):
    """Show a load balancer's life: a controller, workers, and a sandbox network.

    The requests cross a private RabbitMQ node to two worker processes if Debian's
    rabbitmq-server is installed, and an in-process bus if it is not. Nothing of it is
    left afterwards, nor when it is interrupted. The exit code is 0 only if the state after
    each step was verified, and 130 or 143 if SIGINT or SIGTERM ended it.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the demo's options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--bus",
            choices=["auto", "rabbitmq", "memory"],
            default="auto",
            help="what carries the requests (default: RabbitMQ where it is installed)",
        )
        parser.add_argument(
            "--latency",
            type=seconds,
            default=0.02,
            metavar="SECONDS",
            help="what a round trip to the pretended cloud takes (default: 0.02)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Run the demo."""
        if parsed_args.bus == "rabbitmq" and not rabbitmq.installed():
            raise Refused(f"--bus rabbitmq: RabbitMQ is not installed; {_HINT}")
        console = Console(file=self.app.stdout, highlight=False)
        with contextlib.ExitStack() as stack:
            directory = pathlib.Path(stack.enter_context(_directory()))
            opened = _open(console, directory, parsed_args.bus, parsed_args.latency)
            client, sandbox = stack.enter_context(opened)
            Story(console, client, sandbox).tell()
        console.print("[green]every step was verified in the sandbox's own state")


@dataclasses.dataclass
class Story:
    """The steps of a load balancer's life, each shown with its time and worker.

    :param console: where it is shown
    :param client: what the controller holds
    :param sandbox: what is in the sandbox, in which every step is verified
    """

    console: Console
    client: rpc.Client
    sandbox: Backdoor

    def tell(self) -> None:
        """Tell it from the beginning to the end."""
        lb = self._load_balancer()
        before = self.sandbox.ports()
        vip = self._create(lb)
        members = [
            net for net in self.sandbox.networks() if "member" in (net.name or "")
        ]
        first, second = (amphora.compute_id or "" for amphora in lb.amphorae)
        for network in members:
            interface = self._step("plug_network", first, network.id or "")
            port = self.sandbox.ports(id=interface.port_id)[0]
            self._verify(port.device_id == first, f"plugged into {network.name}")
        found = self._step("get_plugged_networks", first)
        self._verify(len(found) == 4, "management, VIP and two member networks")
        self.console.print(picture(lb, self.sandbox))
        self._step("unplug_network", first, members[0].id or "")
        found = self.sandbox.ports(device_id=first, network_id=members[0].id)
        self._verify(not found, f"{members[0].name} is unplugged")
        self._step("failover_preparation", lb.amphorae[1])
        self._verify(
            len(self.sandbox.ports(device_id=second)) == 1, "only management left"
        )
        self._destroy(lb, vip, members[1].id or "", before)

    def _create(self, lb: LoadBalancer) -> VIP:
        vip: VIP = self._step("allocate_vip", lb)
        lb.vip = vip
        port = self.sandbox.ports(id=vip.port_id)[0]
        held = [ip.ip_address or "" for ip in port.fixed_ips]
        self._verify(vip.ip_address in held, f"the VIP is {' and '.join(held)}")
        lb.amphorae = self._step("plug_vip", lb, vip)
        for amphora in lb.amphorae:
            port = self.sandbox.ports(id=amphora.vrrp_port_id)[0]
            ready = port.device_id == amphora.compute_id and vip.ip_address in set(
                port.allowed_addresses
            )
            self._verify(
                ready, f"VRRP port {amphora.vrrp_ip} is attached, may be the VIP"
            )
        port = self._step("get_port", vip.port_id)
        self._verify(port.name == naming.vip_port(lb.id or ""), f"named {port.name}")
        return vip

    def _destroy(
        self, lb: LoadBalancer, vip: VIP, network_id: str, before: list[Any]
    ) -> None:
        self._step("unplug_network", lb.amphorae[0].compute_id, network_id)
        self._step("unplug_vip", lb, vip)
        left = [self.sandbox.ports(id=amphora.vrrp_port_id) for amphora in lb.amphorae]
        self._verify(left == [[], []], "no VRRP port is left")
        self._step("deallocate_vip", vip)
        now = self.sandbox.ports()
        self._verify({p.id for p in now} == {p.id for p in before}, "all is as before")

    def _step(self, method: str, *arguments: Any) -> Any:
        client = self.client.with_options(observer=self._show)
        return getattr(client, method)(*arguments)

    def _show(self, reply: rpc.Reply) -> None:
        row = Table.grid(padding=(0, 1))
        for width in (22, 8, 26):
            row.add_column(width=width)
        outcome = type(reply.error).__name__ if reply.error else ""
        time = f"{1000 * reply.seconds:5.0f} ms"
        row.add_row(f"[bold]{reply.method}", time, f"worker {reply.worker}", outcome)
        self.console.print(row)

    def _verify(self, true: bool, text: str) -> None:
        if not true:
            raise Unverified(f"not verified: {text}")
        self.console.print(f"  [green]ok[/] {text}")

    def _load_balancer(self) -> LoadBalancer:
        lb_id, networks = (
            str(uuid.uuid4()),
            {n.name: n for n in self.sandbox.networks()},
        )
        subnets = {subnet.name: subnet.id for subnet in self.sandbox.subnets()}
        servers = sorted(self.sandbox.servers().items())[:2]
        return LoadBalancer(
            id=lb_id,
            name="demo",
            project_id=networks["vip-net"].project_id,
            topology="ACTIVE_STANDBY",
            vip=VIP(
                network_id=networks["vip-net"].id,
                subnet_id=subnets["vip-subnet"],
                additional=[AdditionalVIP(subnet_id=subnets["vip-subnet6"])],
            ),
            listeners=[
                Listener(id="web", protocol="HTTP", protocol_port=80, peer_port=1025),
                Listener(id="dns", protocol="UDP", protocol_port=53),
            ],
            amphorae=[
                Amphora(
                    id=str(uuid.uuid4()),
                    compute_id=compute_id,
                    lb_network_ip=self.sandbox.ports(device_id=compute_id)[0]
                    .fixed_ips[0]
                    .ip_address,
                    status="ALLOCATED",
                )
                for _, compute_id in servers
            ],
        )


def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="networker-demo-")


@contextlib.contextmanager
def _open(
    console: Console, directory: pathlib.Path, bus: str, latency: float
) -> Iterator[tuple[rpc.Client, Backdoor]]:
    conf = kit.configuration(directory / "sandbox.sqlite", latency)
    driver = SandboxDriver(conf)
    if bus == "memory" or (bus == "auto" and not rabbitmq.installed()):
        hint = "" if rabbitmq.installed() else f"; {_HINT}"
        console.print(f"bus: in this process{hint}")
        with kit.served(conf, driver) as client:
            yield client, driver.backdoor
        return
    with contextlib.ExitStack() as stack:
        with console.status("starting a private RabbitMQ node and two workers"):
            node = stack.enter_context(rabbitmq.Node())
            config = _worker_config(directory, node.url, latency)
            serving = processes.serving(config)
            workers, client = stack.enter_context(serving)
        console.print(
            f"bus: RabbitMQ on 127.0.0.1:{node.port}, two worker processes under "
            f"networker-worker (pid {workers.process.pid})"
        )
        yield client, driver.backdoor


def _worker_config(directory: pathlib.Path, url: str, latency: float) -> pathlib.Path:
    sandbox = {"database": directory / "sandbox.sqlite", "latency": latency}
    return processes.write(
        directory / "networker.conf",
        {
            "DEFAULT": {"transport_url": url},
            "networker": {"driver": "sandbox", "workers": 2, "threads": 4},
            "sandbox": sandbox,
        },
    )
