# SPDX-License-Identifier: Apache-2.0
"""Octavia's noop driver as one of networker's drivers: what answers the API's calls."""

from __future__ import annotations

import collections
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast
from unittest import mock

import msgspec
from octavia.common import data_models
from octavia.network import base as octavia
from octavia.network import data_models as network_models
from octavia.network.drivers.noop_driver.driver import NoopNetworkDriver

from networker import exceptions, models
from networker.drivers import base
from networker.rpc import contract

#: Methods that Octavia's API calls and whose arguments and results correspond.
_ALIKE = (
    "deallocate_vip",
    "get_network",
    "get_port",
    "get_security_group_by_id",
    "get_subnet",
    "qos_enabled",
)
T = TypeVar("T")
_NAMES = {
    "AdditionalVIP": "AdditionalVip",
    "VIP": "Vip",
    "VIPInUseException": "VIPInUse",
}


class Noop(base.NetworkDriver):
    """A driver that asks Octavia's noop driver; methods the API never calls are refused.

    :param noop: whose manager's methods the tests replace
    """

    def __init__(self, noop: NoopNetworkDriver) -> None:
        self._noop = noop
        self.calls: collections.Counter[str] = collections.Counter()

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of Octavia's driver; its errors become networker's."""
        self.calls[method] += 1
        try:
            return getattr(self._noop, method)(*arguments)
        except octavia.NetworkException as error:
            names = [kind.__name__ for kind in type(error).__mro__]
            known = [vars(exceptions).get(_NAMES.get(name, name)) for name in names]
            kind = next(filter(None, known))
            said = {"orig_msg": error.orig_msg, "orig_code": error.orig_code}
            raise kind(str(error), **said) from error

    def allocate_vip(self, load_balancer: models.LoadBalancer) -> models.VIP:
        vip, additional = self.ask("allocate_vip", theirs(load_balancer))
        found = ours(models.VIP, vip)
        found.additional = [ours(models.AdditionalVIP, one) for one in additional]
        return found

    def get_network_ip_availability(
        self, network: models.Network
    ) -> models.NetworkIPAvailability:
        known = self.ask("get_network", network.id)
        found = self.ask("get_network_ip_availability", known)
        return ours(models.NetworkIPAvailability, found)

    def get_qos_policy(
        self, qos_policy_id: str, context: models.UserContext | None = None
    ) -> models.QosPolicy:
        return models.QosPolicy(id=self.ask("get_qos_policy", qos_policy_id))

    def sec_grp_enabled(self) -> bool:
        return True


def _forwarded(method: contract.Method) -> Callable[..., Any]:
    def forward(self: Noop, *args: Any, **kwargs: Any) -> Any:
        bound = method.signature.bind(*args, **kwargs).arguments
        bound.pop("context", None)
        found = self.ask(method.name, *map(theirs, bound.values()))
        return ours(method.returns, found)

    return forward


def _refused(method: contract.Method) -> Callable[..., Any]:
    def refuse(self: Noop, *args: Any, **kwargs: Any) -> Any:
        raise exceptions.InvalidRequest(
            "Octavia's API does not call it", method=method.name
        )

    return refuse


def backend(noop: NoopNetworkDriver) -> Noop:
    """Return a driver that asks `noop`."""
    members = {
        name: _forwarded(method) if name in _ALIKE else _refused(method)
        for name, method in contract.methods().items()
        if name in Noop.__abstractmethods__
    }
    made: Any = type("Backend", (Noop,), members)
    return cast("Noop", made(noop))


def theirs(value: Any) -> Any:
    """Return Octavia's object for one of networker's."""
    if isinstance(value, list):
        return [theirs(one) for one in value]
    if not isinstance(value, models.Model):
        return value
    name = _NAMES.get(type(value).__name__, type(value).__name__)
    kind = getattr(data_models, name, None) or getattr(network_models, name)
    names = inspect.signature(kind).parameters
    made = kind(**{n: theirs(getattr(value, n)) for n in names if hasattr(value, n)})
    if isinstance(value, models.LoadBalancer) and value.vip:
        made.additional_vips = theirs(value.vip.additional)
    return made


def ours(kind: type[T], value: Any) -> T:
    """Return networker's object for one of Octavia's, or for what a test made of one."""
    return msgspec.convert(_plain(value), kind, from_attributes=True)


def _plain(value: Any) -> Any:
    if isinstance(value, mock.Mock):
        value = {k: v for k, v in vars(value).items() if isinstance(v, (bool, str))}
    if isinstance(value, data_models.BaseDataModel):
        value = vars(value)
    if isinstance(value, dict):
        plain = {name: _plain(one) for name, one in value.items()}
        return {name: one for name, one in plain.items() if one is not None}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
