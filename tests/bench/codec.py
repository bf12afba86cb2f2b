# SPDX-License-Identifier: Apache-2.0
"""Experiment: what encoding and decoding cost, and what crosses the bus for a method."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from oslo_messaging._drivers import common
from oslo_serialization import jsonutils

from networker import rpc
from networker.models import VIP, Listener, LoadBalancer
from networker.rpc import codec as encoding
from networker.rpc import contract
from networker.testing import processes
from tests.bench import driver
from tests.bench.conditions import Setup
from tests.bench.contestants import End, settings
from tests.bench.results import Limit, Row
from tests.bench.tap import Tap

#: What the interface carries has no members, so this is the largest thing in it.
_LISTENERS, _CIDRS = 2000, 3
#: The most milliseconds, in each direction.
_LIMIT = 5.0
_REPEATS = 10


def codec(setup: Setup) -> list[Row]:
    """Measure both."""
    return _speed(setup) + _bytes(setup)


def _largest(values: driver.Values) -> LoadBalancer:
    listeners = [
        Listener(
            id=values.id(),
            protocol="TCP",
            protocol_port=1 + number,
            peer_port=10_000 + number,
            provisioning_status="ACTIVE",
            allowed_cidrs=[f"10.{cidr}.{number % 250}.0/24" for cidr in range(_CIDRS)],
        )
        for number in range(_LISTENERS)
    ]
    vip = VIP(ip_address="10.20.0.17", port_id=values.id(), subnet_id=values.id())
    return LoadBalancer(id=values.id(), vip=vip, listeners=listeners)


def _speed(setup: Setup) -> list[Row]:
    method = contract.methods()["update_vip"]
    largest = {"load_balancer": _largest(driver.Values(setup.seed))}
    wire = encoding.encode_arguments(method, largest)
    what = f"{_LISTENERS} listeners with {_CIDRS} CIDRs each"
    text = _written(wire)
    sides: dict[str, Callable[[], object]] = {
        "encode": lambda: encoding.encode_arguments(method, largest),
        "decode": lambda: encoding.decode_arguments(method, wire),
        "write": lambda: _written(wire),
        "read": lambda: _read(text),
    }
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(setup.rounds):
        setup.say(f"codec: round {number + 1} of {setup.rounds}")
        for name, once in sides.items():
            found[name] += [_milliseconds(once) for _ in range(_REPEATS)]
    return [
        Row(f"{name} {what}", "ms", found[name], limit=Limit(most=_LIMIT))
        for name in ("encode", "decode")
    ] + [
        Row(f"{name} that as oslo.messaging does", "ms", found[name], note=note)
        for name, note in (("write", f"{len(text)} B"), ("read", ""))
    ]


def _written(wire: dict[str, Any]) -> str:
    envelope = common.serialize_msg({"method": "update_vip", "args": wire})
    return str(jsonutils.dumps(envelope))


def _read(text: str) -> Any:
    return common.deserialize_msg(jsonutils.loads(text))


def _milliseconds(once: Callable[[], object]) -> float:
    began = time.perf_counter()
    once()
    return 1000 * (time.perf_counter() - began)


def _bytes(setup: Setup) -> list[Row]:
    """Make each call once, through a tap before the broker, with all that can be given."""
    values = driver.Values(setup.seed)
    rows = []
    with _tapped(setup) as (tap, client):
        for name, method in contract.methods().items():
            setup.say(f"bytes: {name}")
            arguments = {
                parameter.name: values.of(parameter.annotation, parameter.name)
                for parameter in method.parameters.values()
                if parameter.name != "context"  # needs a user's token, and keys
            }
            before = tap.count()
            getattr(client, name)(**arguments)
            made = tap.count() - before
            note = f"answer {made.received} B; {made.total} B with all of AMQP's frames"
            rows.append(Row(f"bytes of {name}", "B", [made.sent], note=note))
    return rows


@contextlib.contextmanager
def _tapped(setup: Setup) -> Iterator[tuple[Tap, rpc.Client]]:
    file = settings(setup, "bytes", {})
    direct = file.with_name("bench.conf")
    worker = End("networker_end", "worker", file)
    with contextlib.closing(worker), Tap(setup.node.port) as tap:
        through = file.with_name("tapped.conf")
        text = direct.read_text()
        through.write_text(text.replace(f":{setup.node.port}/", f":{tap.port}/"))
        with rpc.connect(processes.configuration(through)) as client:
            client.get_port("any")  # the first call opens the connections
            yield tap, client
