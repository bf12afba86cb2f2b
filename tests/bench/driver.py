# SPDX-License-Identifier: Apache-2.0
"""A driver that does nothing, and values for every argument and result of the interface."""

from __future__ import annotations

import datetime
import itertools
import random
import time
import types
import typing
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from networker.drivers import base
from networker.models import ALLOCATED, VIP, Amphora, Listener, LoadBalancer
from networker.rpc import contract

#: Seconds that :meth:`Echo.unplug_network` takes, half more or less: were they all alike,
#: they would end and begin in step, and come to the workers in fair shares.
SLOW = 2.0
_WHEN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Values:
    """Plausible values for the annotations of the interface; none is left out.

    :param seed: of the ids
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._hosts = itertools.count(1)

    def id(self) -> str:
        """Return a new id."""
        return str(uuid.UUID(int=self._rng.getrandbits(128)))

    def of(self, kind: Any, name: str = "") -> Any:
        """Return a value of a type.

        :param kind: an annotation of the interface
        :param name: of the field or the parameter, which says what a text is
        """
        inner = [arg for arg in typing.get_args(kind) if arg is not type(None)]
        origin = typing.get_origin(kind)
        if origin in (typing.Union, types.UnionType):
            return self.of(inner[0], name)
        if origin is list:
            return [self.of(inner[0], name), self.of(inner[0], name)]
        if origin is dict:
            return {self.id(): self.of(inner[1]) for _ in range(2)}
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            hints = typing.get_type_hints(kind)
            return kind(**{field: self.of(hints[field], field) for field in hints})
        plain = {int: 4, bool: True, type(None): None, datetime.datetime: _WHEN}
        return self._text(name) if kind is str else plain[kind]

    def _text(self, name: str) -> str:
        if "cidr" in name or name == "destination":
            return "203.0.113.0/24"
        if name.endswith(("ip", "ips", "address", "addresses", "nexthop")):
            return f"10.20.0.{next(self._hosts) % 250}"
        if name.endswith(("id", "ids", "subnets")):
            return self.id()
        return name or self.id()


def balancer(values: Values) -> tuple[LoadBalancer, VIP]:
    """Return the arguments of a plug_vip, which are about 1 KB on the wire."""
    lb_id, network_id, subnet_id = values.id(), values.id(), values.id()
    vip = VIP(
        load_balancer_id=lb_id,
        ip_address="10.20.0.17",
        subnet_id=subnet_id,
        network_id=network_id,
        port_id=values.id(),
        octavia_owned=True,
    )
    amphorae = [
        Amphora(
            id=values.id(),
            load_balancer_id=lb_id,
            compute_id=values.id(),
            status=ALLOCATED,
            lb_network_ip=f"10.90.0.{number}",
            role=role,
        )
        for number, role in ((7, "MASTER"), (8, "BACKUP"))
    ]
    listener = Listener(
        id=values.id(), protocol="TCP", protocol_port=80, peer_port=1025
    )
    lb = LoadBalancer(
        id=lb_id,
        project_id=values.id(),
        topology="ACTIVE_STANDBY",
        listeners=[listener],
        amphorae=amphorae,
    )
    return lb, vip


def _canned(name: str, result: Any) -> Callable[..., Any]:
    def method(self: base.NetworkDriver, *args: Any, **kwargs: Any) -> Any:
        return result

    method.__name__ = name
    return method


def _echo() -> type[base.NetworkDriver]:
    values = Values(seed=1)
    canned: dict[str, Any] = {
        name: _canned(name, values.of(method.returns))
        for name, method in contract.methods().items()
    }

    def plug_vip(self: Any, load_balancer: LoadBalancer, vip: VIP) -> list[Amphora]:
        return load_balancer.amphorae

    pauses = random.Random(1)

    def unplug_network(self: Any, *args: Any, **kwargs: Any) -> None:
        time.sleep(SLOW * pauses.uniform(0.5, 1.5))

    canned |= {"plug_vip": plug_vip, "unplug_network": unplug_network}
    return type("Echo", (base.NetworkDriver,), canned)


#: Answers at once: plug_vip with what it was given, others with something of their type.
Echo = _echo()
