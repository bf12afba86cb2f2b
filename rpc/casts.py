# SPDX-License-Identifier: Apache-2.0
"""The methods of the interface as casts: sent, and not waited for."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, Self, overload

from oslo_context import context as oslo_context

from networker.context import Context
from networker.drivers.base import NetworkDriver
from networker.exceptions import NetworkException
from networker.rpc import contract, tracing
from networker.rpc.bus import Bus
from networker.rpc.remote import remote
from networker.rpc.request import Request
from networker.rpc.tokens import Tokens
from networker.spans import Exporter

LOG = logging.getLogger(__name__)
P = ParamSpec("P")


def _send(casts: Casts, method: contract.Method, wire: dict[str, Any]) -> str:
    return casts.send(method, wire)


class Cast(Generic[P]):
    """A method of the interface as a cast: with the same parameters it returns an id.

    :param declared: the interface's method
    """

    def __init__(self, declared: Callable[Concatenate[Any, P], object]) -> None:
        method = contract.methods()[declared.__name__]
        self._function = method.guarded(remote(method, _send))

    @overload
    def __get__(self, casts: None, owner: type[Casts]) -> Self: ...

    @overload
    def __get__(self, casts: Casts, owner: type[Casts]) -> Callable[P, str]: ...

    def __get__(
        self, casts: Casts | None, owner: type[Casts]
    ) -> Self | Callable[P, str]:
        """Return it as a method of an object."""
        if casts is None:
            return self
        bound: Callable[P, str] = self._function.__get__(casts, owner)
        return bound


class Casts:
    """The methods of :class:`NetworkDriver` as casts; it is no driver itself.

    Each sends its request, waits for no answer, and returns the id of the operation as
    soon as the broker has it. How it ended is told under that id, see
    :func:`networker.rpc.outcomes`. Wrong arguments are refused before anything is sent.

    :param bus: the connection
    :param tokens: seals users' tokens
    :param timeout: seconds that it may take to hand a request over
    :param context: on whose behalf; its request ids are passed on
    :param exporter: is told of spans; None where nobody is
    """

    def __init__(
        self,
        bus: Bus,
        tokens: Tokens,
        timeout: float,
        context: oslo_context.RequestContext | None = None,
        exporter: Exporter | None = None,
    ) -> None:
        self._bus = bus
        self.tokens = tokens
        self._timeout = timeout
        self._context = context
        self._exporter = exporter

    def send(self, method: contract.Method, wire: dict[str, Any]) -> str:
        """Cast a method and return the operation's id; the methods end here.

        :param wire: its arguments as they are sent
        """
        with self._begun(method) as context:
            self._bus.deliver(self._request(context, method, wire))
        return context.operation_id

    async def send_async(self, method: contract.Method, wire: dict[str, Any]) -> str:
        """Do the same, and wait for the broker as a coroutine."""
        with self._begun(method) as context:
            await self._bus.deliver_async(self._request(context, method, wire))
        return context.operation_id

    def _request(
        self, context: Context, method: contract.Method, wire: dict[str, Any]
    ) -> Request:
        return self._bus.request(context, method.name, wire, self._timeout)

    @contextlib.contextmanager
    def _begun(self, method: contract.Method) -> Iterator[Context]:
        context = Context.of_caller(self._context)
        context.awaited = False
        trace = tracing.send(self._exporter, method.name, context, self._bus.topic)
        failure = None
        try:
            yield context
        except NetworkException as error:
            failure = error
            raise
        finally:
            tracing.sent(trace, context, failure)
        LOG.debug("%s: cast (%s)", method.name, context.operation_id)

    allocate_vip = Cast(NetworkDriver.allocate_vip)
    deallocate_vip = Cast(NetworkDriver.deallocate_vip)
    plug_vip = Cast(NetworkDriver.plug_vip)
    unplug_vip = Cast(NetworkDriver.unplug_vip)
    update_vip = Cast(NetworkDriver.update_vip)
    update_vip_sg = Cast(NetworkDriver.update_vip_sg)
    update_aap_port_sg = Cast(NetworkDriver.update_aap_port_sg)
    plug_aap_port = Cast(NetworkDriver.plug_aap_port)
    unplug_aap_port = Cast(NetworkDriver.unplug_aap_port)
    get_network_configs = Cast(NetworkDriver.get_network_configs)
    failover_preparation = Cast(NetworkDriver.failover_preparation)
    plug_network = Cast(NetworkDriver.plug_network)
    unplug_network = Cast(NetworkDriver.unplug_network)
    get_plugged_networks = Cast(NetworkDriver.get_plugged_networks)
    plug_port = Cast(NetworkDriver.plug_port)
    apply_delta = Cast(NetworkDriver.apply_delta)
    create_port = Cast(NetworkDriver.create_port)
    delete_port = Cast(NetworkDriver.delete_port)
    plug_fixed_ip = Cast(NetworkDriver.plug_fixed_ip)
    unplug_fixed_ip = Cast(NetworkDriver.unplug_fixed_ip)
    set_port_admin_state_up = Cast(NetworkDriver.set_port_admin_state_up)
    apply_qos_on_port = Cast(NetworkDriver.apply_qos_on_port)
    get_network = Cast(NetworkDriver.get_network)
    get_subnet = Cast(NetworkDriver.get_subnet)
    get_port = Cast(NetworkDriver.get_port)
    get_networks = Cast(NetworkDriver.get_networks)
    get_subnets = Cast(NetworkDriver.get_subnets)
    get_ports = Cast(NetworkDriver.get_ports)
    get_network_by_name = Cast(NetworkDriver.get_network_by_name)
    get_subnet_by_name = Cast(NetworkDriver.get_subnet_by_name)
    get_port_by_name = Cast(NetworkDriver.get_port_by_name)
    get_port_by_net_id_device_id = Cast(NetworkDriver.get_port_by_net_id_device_id)
    get_security_group = Cast(NetworkDriver.get_security_group)
    get_security_group_by_id = Cast(NetworkDriver.get_security_group_by_id)
    get_qos_policy = Cast(NetworkDriver.get_qos_policy)
    get_network_ip_availability = Cast(NetworkDriver.get_network_ip_availability)
    qos_enabled = Cast(NetworkDriver.qos_enabled)
    sec_grp_enabled = Cast(NetworkDriver.sec_grp_enabled)
