# SPDX-License-Identifier: Apache-2.0
"""The edge of every driver: its docstrings, and errors as the interface promises."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from networker import exceptions
from networker.drivers.base import NetworkDriver, operations
from networker.drivers.neutron.driver import NeutronDriver
from networker.drivers.operation import Refusal, failing_as
from networker.drivers.sandbox.driver import SandboxDriver
from networker.models import VIP, Amphora, LoadBalancer, Subnet


class Refused(Refusal):
    """A refusal that becomes the operation's own error."""

    def as_error(self, failure, about):
        known = {name: v for name, v in about.items() if name in failure.names()}
        return failure(str(self), **known)


def failing(error: BaseException) -> Any:
    """Return a driver all methods of which raise an error."""

    def method(*_: object, **__: object) -> None:
        raise error

    return type("Driver", (NetworkDriver,), dict.fromkeys(operations(), method))()


LB = LoadBalancer(id="lb", vip=VIP(port_id="port", ip_address="192.0.2.1"))


@pytest.mark.parametrize("driver", [NeutronDriver, SandboxDriver])
@pytest.mark.parametrize("name", operations())
def test_an_implementation_has_the_interfaces_docstring(driver, name):
    """help() of a driver's method teaches what the interface promises."""
    method = getattr(driver, name)
    assert inspect.getdoc(method) == inspect.getdoc(getattr(NetworkDriver, name))
    signature = inspect.signature(getattr(NetworkDriver, name))
    assert inspect.signature(method).parameters == signature.parameters


def test_a_refusal_is_the_operations_own_error():
    """It has the class and the ids that the interface says, and the driver's words."""
    with pytest.raises(exceptions.AllocateVIPException) as caught:
        failing(Refused("no")).allocate_vip(LB)
    assert type(caught.value) is exceptions.AllocateVIPException
    assert caught.value.attributes() == {"load_balancer_id": "lb", "port_id": "port"}
    assert str(caught.value) == "no"


@pytest.mark.parametrize("named", [True, False])
def test_the_first_path_that_has_something_counts(named):
    """A VIP that does not know its load balancer leaves it to the amphora."""
    vip = VIP(load_balancer_id="vip's" if named else None)
    amphora = Amphora(id="a", load_balancer_id="amphora's", vrrp_port_id="port")
    with pytest.raises(exceptions.UnplugVIPException) as caught:
        failing(Refused("no")).unplug_aap_port(vip, amphora, Subnet(network_id="net"))
    expected = "vip's" if named else "amphora's"
    assert caught.value.load_balancer_id == expected


def test_a_known_reason_gets_the_ids_that_it_lacks():
    """What the driver said of it stays."""
    error = exceptions.AddressInUse("taken", ip_address="192.0.2.9", orig_code=409)
    with pytest.raises(exceptions.AddressInUse) as caught:
        failing(error).allocate_vip(LB)
    known = {"load_balancer_id": "lb", "port_id": "port", "ip_address": "192.0.2.9"}
    assert caught.value.attributes() == known | {"orig_code": 409}
    assert str(caught.value) == "taken"


def test_other_errors_pass():
    """The interface's other exceptions are not touched, and bugs are not hidden."""
    for error in (exceptions.AmphoraNotFound(compute_id="x"), ZeroDivisionError()):
        with pytest.raises(type(error)) as caught:
            failing(error).plug_vip(LB, LB.vip)
        assert caught.value is error


def test_a_part_fails_as_another_operation():
    """What apply_delta does for plug_network fails as that one does."""
    with (
        pytest.raises(exceptions.PlugNetworkException) as caught,
        failing_as(NetworkDriver.plug_network, compute_id="c", network_id="n"),
    ):
        raise Refused("no")
    assert caught.value.attributes() == {"compute_id": "c", "network_id": "n"}
