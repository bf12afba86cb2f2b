# SPDX-License-Identifier: Apache-2.0
"""A client for asyncio: the methods of the interface as coroutines.

::

    async with aio.connect(conf) as network:
        vip = await network.allocate_vip(load_balancer)

Any number of calls wait at the same time without a thread each: all are on one connection,
which one thread serves, as it is with :class:`networker.rpc.Client`.
"""

from __future__ import annotations

import asyncio
import copy
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from oslo_config import cfg

from networker.drivers.base import NetworkDriver
from networker.rpc import contract, proxy
from networker.rpc.casts import Casts
from networker.rpc.client import Client
from networker.rpc.remote import remote
from networker.rpc.tokens import Tokens

P = ParamSpec("P")
R = TypeVar("R")


def _send(
    network: AsyncClient, method: contract.Method, wire: dict[str, Any]
) -> Coroutine[Any, Any, Any]:
    return network.send(method, wire)


@functools.cache
def _cast(name: str) -> Callable[..., Coroutine[Any, Any, str]]:
    method = contract.methods()[name]
    return method.guarded(remote(method, Casts.send_async))


class _Coroutine(Generic[P, R]):
    """A method of the interface that is awaited: with its parameters and result.

    :param declared: the interface's method
    """

    def __init__(self, declared: Callable[Concatenate[Any, P], R]) -> None:
        method = contract.methods()[declared.__name__]
        function = method.guarded(remote(method, _send))

        @functools.wraps(function)
        async def made(*arguments: Any, **named: Any) -> Any:
            return await function(*arguments, **named)

        self._function: Callable[..., Coroutine[Any, Any, R]] = made

    @overload
    def __get__(self, network: None, owner: type[AsyncClient]) -> Self: ...

    @overload
    def __get__(
        self, network: AsyncClient, owner: type[AsyncClient]
    ) -> Callable[P, Coroutine[Any, Any, R]]: ...

    def __get__(
        self, network: AsyncClient | None, owner: type[AsyncClient]
    ) -> Self | Callable[P, Coroutine[Any, Any, R]]:
        """Return it as a method of an object."""
        if network is None:
            return self
        bound: Callable[P, Coroutine[Any, Any, R]]
        bound = self._function.__get__(network, owner)
        return bound


class AsyncClient:
    """The methods of :class:`NetworkDriver` as coroutines, which run in a worker.

    They have the same parameters, results and errors as those of
    :class:`~networker.rpc.Client`, and the same deadlines. A call that is cancelled sends
    nothing any more; what a worker has of it by then it does, and refuses it after its
    deadline.

    :param client: on whose connection they are, made as it makes its own calls
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def tokens(self) -> Tokens:
        """Seals users' tokens."""
        return self._client.tokens

    def with_options(self, **options: Any) -> Self:
        """Return one on the same connection that makes its calls in another way.

        :param options: as of :meth:`networker.rpc.Client.with_options`; an observer is
            called in the thread of the loop
        :raises ValueError: a call would have no time, or more than a year
        """
        other = copy.copy(self)
        other._client = self._client.with_options(**options)
        return other

    async def cast(
        self,
        declared: Callable[Concatenate[Any, P], object],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> str:
        """Send a method of the interface as a cast, which has no answer.

        ``await network.cast(NetworkDriver.deallocate_vip, vip)``

        :param declared: the method, as :class:`NetworkDriver` has it
        :returns: the operation's id as soon as the broker has it, see
            :func:`networker.rpc.outcomes`
        """
        send = _cast(declared.__name__)
        operation: str = await send(self._client.cast, *arguments, **named)
        return operation

    async def close(self) -> None:
        """Close the connection, for all clients that share it."""
        await asyncio.to_thread(self._client.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, method: contract.Method, wire: dict[str, Any]) -> Any:
        """Call a method and return its result; the interface's methods end here.

        :param wire: its arguments as they are sent
        """
        return await self._client.send_async(method, wire)

    allocate_vip = _Coroutine(NetworkDriver.allocate_vip)
    deallocate_vip = _Coroutine(NetworkDriver.deallocate_vip)
    plug_vip = _Coroutine(NetworkDriver.plug_vip)
    unplug_vip = _Coroutine(NetworkDriver.unplug_vip)
    update_vip = _Coroutine(NetworkDriver.update_vip)
    update_vip_sg = _Coroutine(NetworkDriver.update_vip_sg)
    update_aap_port_sg = _Coroutine(NetworkDriver.update_aap_port_sg)
    plug_aap_port = _Coroutine(NetworkDriver.plug_aap_port)
    unplug_aap_port = _Coroutine(NetworkDriver.unplug_aap_port)
    get_network_configs = _Coroutine(NetworkDriver.get_network_configs)
    failover_preparation = _Coroutine(NetworkDriver.failover_preparation)
    plug_network = _Coroutine(NetworkDriver.plug_network)
    unplug_network = _Coroutine(NetworkDriver.unplug_network)
    get_plugged_networks = _Coroutine(NetworkDriver.get_plugged_networks)
    plug_port = _Coroutine(NetworkDriver.plug_port)
    apply_delta = _Coroutine(NetworkDriver.apply_delta)
    create_port = _Coroutine(NetworkDriver.create_port)
    delete_port = _Coroutine(NetworkDriver.delete_port)
    plug_fixed_ip = _Coroutine(NetworkDriver.plug_fixed_ip)
    unplug_fixed_ip = _Coroutine(NetworkDriver.unplug_fixed_ip)
    set_port_admin_state_up = _Coroutine(NetworkDriver.set_port_admin_state_up)
    apply_qos_on_port = _Coroutine(NetworkDriver.apply_qos_on_port)
    get_network = _Coroutine(NetworkDriver.get_network)
    get_subnet = _Coroutine(NetworkDriver.get_subnet)
    get_port = _Coroutine(NetworkDriver.get_port)
    get_networks = _Coroutine(NetworkDriver.get_networks)
    get_subnets = _Coroutine(NetworkDriver.get_subnets)
    get_ports = _Coroutine(NetworkDriver.get_ports)
    get_network_by_name = _Coroutine(NetworkDriver.get_network_by_name)
    get_subnet_by_name = _Coroutine(NetworkDriver.get_subnet_by_name)
    get_port_by_name = _Coroutine(NetworkDriver.get_port_by_name)
    get_port_by_net_id_device_id = _Coroutine(
        NetworkDriver.get_port_by_net_id_device_id
    )
    get_security_group = _Coroutine(NetworkDriver.get_security_group)
    get_security_group_by_id = _Coroutine(NetworkDriver.get_security_group_by_id)
    get_qos_policy = _Coroutine(NetworkDriver.get_qos_policy)
    get_network_ip_availability = _Coroutine(NetworkDriver.get_network_ip_availability)
    qos_enabled = _Coroutine(NetworkDriver.qos_enabled)
    sec_grp_enabled = _Coroutine(NetworkDriver.sec_grp_enabled)


def connect(conf: cfg.ConfigOpts) -> AsyncClient:
    """Return a client for the workers that a configuration names.

    Nothing is connected until the first call. Make it after a fork, not before.

    :param conf: with ``[DEFAULT] transport_url`` and ``[networker]``; options that are
        not registered yet are
    :raises ValueError: as :func:`networker.rpc.connect`
    """
    return AsyncClient(proxy.connect(conf))
