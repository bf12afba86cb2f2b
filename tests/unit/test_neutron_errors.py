# SPDX-License-Identifier: Apache-2.0
"""What the cloud refuses, as the interface's exceptions."""

from __future__ import annotations

import pytest

from networker import exceptions
from networker.drivers.neutron.api.errors import Refused

ID = "11111111-2222-4333-8444-555555555555"


def translated(kind, operation, message="the cloud's words", **about):
    refused = Refused(kind=kind, orig_msg=message, orig_code=409)
    return refused.as_error(operation, about)


@pytest.mark.parametrize(
    ("kind", "operation", "expected"),
    [
        ("IpAddressAlreadyAllocated", "AllocateVIPException", "VIPInUse"),
        ("IpAddressAlreadyAllocated", "PlugNetworkException", "AddressInUse"),
        ("IpAddressGenerationFailure", "PlugVIPException", "NoMoreAddresses"),
        ("OverQuota", "PlugNetworkException", "QuotaExceeded"),
        ("SecurityGroupInUse", "DeallocateVIPException", "DeallocateVIPException"),
        (None, "NetworkException", "NetworkException"),
    ],
)
def test_known_reasons_have_classes(kind, operation, expected):
    """A reason that the interface knows has its class, others are the operation's."""
    error = translated(kind, getattr(exceptions, operation))
    assert type(error) is getattr(exceptions, expected)
    assert (error.orig_msg, error.orig_code) == ("the cloud's words", 409)
    assert "the cloud's words" in str(error)


@pytest.mark.parametrize(
    ("kind", "attribute"),
    [
        ("NetworkNotFound", "network_id"),
        ("SubnetNotFound", "subnet_id"),
        ("PortNotFound", "port_id"),
    ],
)
def test_what_is_missing_is_named(kind, attribute):
    """What Neutron does not find is NotFound of its kind, with the id in its words."""
    error = translated(kind, exceptions.PlugVIPException, f"{ID} could not be found.")
    assert type(error) is getattr(exceptions, kind)
    assert error.attributes()[attribute] == ID
    assert ID in str(error)


@pytest.mark.parametrize("kind", ["QosPolicyNotFound", "SecurityGroupNotFound"])
def test_what_was_only_mentioned_is_the_operations_failure(kind):
    """A group or policy that does not exist is NotFound where it was asked for only."""
    words = f"{ID} could not be found."
    asked = translated(kind, exceptions.NetworkException, words)
    assert type(asked) is getattr(exceptions, kind)
    assert ID in asked.attributes().values()
    mentioned = translated(kind, exceptions.CreatePortException, words)
    assert type(mentioned) is exceptions.CreatePortException
    assert words in str(mentioned)


def test_an_address_in_use_is_named():
    """Where the caller named no address, Neutron's words do."""
    words = "IP address 192.0.2.7 already allocated in subnet x"
    kind, operation = "IpAddressAlreadyAllocated", exceptions.CreatePortException
    assert translated(kind, operation, words).ip_address == "192.0.2.7"


def test_attributes_are_those_of_the_class():
    """What is known of the call is on the exception as far as its class has it."""
    about = {"load_balancer_id": "lb", "ip_address": "192.0.2.1"}
    refused = translated("x", exceptions.AllocateVIPException, **about)
    assert refused.load_balancer_id == "lb"
    in_use = translated("IpAddressInUse", exceptions.AllocateVIPException, **about)
    assert (in_use.load_balancer_id, in_use.ip_address) == ("lb", "192.0.2.1")
