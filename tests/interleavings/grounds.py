# SPDX-License-Identifier: Apache-2.0
"""What meetings are played on: a fake cloud, or a sandbox."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import pathlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from oslo_config import cfg

from networker.context import Context
from networker.drivers import NetworkDriver
from networker.drivers.neutron.driver import NeutronDriver
from networker.drivers.neutron.resources import cloud as driver_cloud
from networker.drivers.sandbox.driver import SandboxDriver
from networker.drivers.sandbox.records.database import Database
from networker.models import VIP, LoadBalancer
from tests.contract.worlds import SandboxWorld
from tests.fakecloud.state import SERVICE, State
from tests.faults.bench import Bench
from tests.faults.picture import picture
from tests.interleavings import footprints
from tests.interleavings.gate import Caller, Cloud, Line, happened
from tests.interleavings.rules import Contents
from tests.interleavings.scheduler import Actor, Run, Step

Menu = Mapping[str, Sequence[str]]


class Ground(Protocol):
    """What meetings are played on.

    :param telling: whether to tell what happens
    :param story: what happened since it was emptied
    """

    telling: bool
    story: list[Line]

    def save(self) -> Any:
        """Return a copy of everything that exists."""
        ...

    def restore(self, saved: Any) -> None:
        """Let exactly that exist which was saved."""
        ...

    def contents(self) -> Contents:
        """Return what the rules look at."""
        ...

    def picture(self) -> str:
        """Return what exists, in words that are the same in every run."""
        ...

    def driver(
        self, run: Run, actor: Actor, menu: Menu, context: Context
    ) -> NetworkDriver:
        """Return a driver that stops at gates."""
        ...


class _Neutron(NeutronDriver):
    """A driver of a configuration in which its options are registered already."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.cloud = driver_cloud.Cloud.configured(conf)


class CloudGround:
    """A fake cloud without HTTP, with what exists on a bench.

    :param conf: a configuration in which the driver's options are registered
    """

    def __init__(self, bench: Bench, conf: cfg.ConfigOpts) -> None:
        everything = bench.cloud.state
        self.state = State(
            networks=dict(everything.networks),
            subnets=dict(everything.subnets),
            policies=dict(everything.policies),
            missing=set(everything.missing),
        )
        self.state.become(everything.copy())
        self.cloud = Cloud(self.state)
        self._conf = conf

    @property
    def telling(self) -> bool:
        return self.cloud.telling

    @telling.setter
    def telling(self, value: bool) -> None:
        self.cloud.telling = value

    @property
    def story(self) -> list[Line]:
        return self.cloud.story

    @story.setter
    def story(self, value: list[Line]) -> None:
        self.cloud.story = value

    def save(self) -> State:
        return self.state.copy()

    def restore(self, saved: State) -> None:
        self.state.become(saved.copy())

    def picture(self) -> str:
        return picture(self.state)

    def contents(self) -> Contents:
        held: dict[str, list[str]] = {}
        for rule in self.state.rules.values():
            held.setdefault(rule["security_group_id"], []).append(rule["id"])
        groups = [
            {
                "id": group["id"],
                "name": group["name"],
                "ours": group["project_id"] == SERVICE,
                "rules": sorted(held.get(group["id"], [])),
            }
            for group in self.state.groups.values()
        ]
        return Contents(list(self.state.ports.values()), groups)

    def driver(
        self, run: Run, actor: Actor, menu: Menu, context: Context
    ) -> NetworkDriver:
        driver = _Neutron(self._conf)
        session: Any = driver.cloud.session
        session.caller = Caller(self.cloud, run, actor, menu, context)
        return driver


class _GatedDatabase(Database):
    """A sandbox's file of which each transaction waits for its turn.

    :param gate: is called before each, with its first words; waits, or ends the thread
    """

    def __init__(self, path: pathlib.Path, gate: Any) -> None:
        super().__init__(path, lambda _: None)
        self._gate = gate

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        tell = self._gate(begin)
        with super()._transaction(begin) as connection:
            yield connection
        tell()


class _Sandbox(SandboxDriver):
    """A sandbox driver on a database that is made already."""

    def __init__(self, database: Database) -> None:
        self._database, self._latency = database, 0.0


class SandboxGround:
    """A sandbox, and what scenes need of a bench: a driver and a world.

    :param conf: says where its file is; the sandbox is made there
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._path = pathlib.Path(conf.sandbox.database)
        self.driver_of_scenes = SandboxDriver(conf)
        self.world = SandboxWorld(self.driver_of_scenes)
        self.telling = False
        self.story: list[Line] = []

    def save(self) -> bytes:
        return self._path.read_bytes()

    def restore(self, saved: bytes) -> None:
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._path.write_bytes(saved)

    def contents(self) -> Contents:
        tables = self.driver_of_scenes.backdoor.tables()
        ports = [
            {
                **port,
                "fixed_ips": port["addresses"],
                "allowed_address_pairs": port["allowed_addresses"],
            }
            for port in tables["ports"]
        ]
        groups = [
            {**group, "ours": group["project_id"] != self.world.project_id}
            for group in tables["security_groups"]
        ]
        return Contents(ports, groups)

    def picture(self) -> str:
        contents = self.contents()
        ports = [
            {**{name: port[name] for name in _PICTURED}, **_counted(port)}
            for port in contents.ports
        ]
        groups = [
            {"name": group["name"], "rules": sorted(group["rules"])}
            for group in contents.groups
            # A project's default group is made when it is first needed.
            if group["name"] != "default"
        ]
        shown = {
            kind: sorted(json.dumps(one, sort_keys=True) for one in found)
            for kind, found in (("ports", ports), ("groups", groups))
        }
        return json.dumps({**shown, "servers": {}}, indent=1)

    def driver(
        self, run: Run, actor: Actor, menu: Menu, context: Context
    ) -> NetworkDriver:
        context.lease = lambda: "lease" not in actor.events

        def gate(begin: str) -> Any:
            step = Step(footprints.everything(), menu.get(begin, ()))
            event = run.gate(actor, step)
            happened(event, run, context)
            return functools.partial(self._tell, actor, begin, event)

        return _Sandbox(_GatedDatabase(self._path, gate))

    def _tell(self, actor: Actor, begin: str, event: str) -> None:
        if self.telling:
            kind = "reads" if begin == "BEGIN" else "changes"
            who = f"{actor.name}{actor.steps}"
            self.story.append(Line(who, f"a transaction that {kind}", event))


_PICTURED = (
    "name",
    "network_id",
    "project_id",
    "device_id",
    "admin_state_up",
    "security_groups",
    "qos_policy_id",
)


def _counted(port: Mapping[str, Any]) -> dict[str, int]:
    """Return how many addresses a port has, which are chosen at random."""
    return {name: len(port[name]) for name in ("addresses", "allowed_addresses")}


class SandboxBench:
    """What scenes know as a bench, on a sandbox."""

    def __init__(self, ground: SandboxGround) -> None:
        self.cloud = ground
        self.world = ground.world
        self.driver = ground.driver_of_scenes
        self.empty = ground.save()

    def allocated(self, lb: LoadBalancer) -> VIP:
        """Allocate a load balancer's VIP."""
        lb.vip = self.driver.allocate_vip(lb)
        return copy.copy(lb.vip)
