# SPDX-License-Identifier: Apache-2.0
"""Turn what Neutron and Nova refuse into the interface's exceptions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from networker import exceptions
from networker.drivers.operation import About, Refusal
from networker.exceptions import NetworkException

Result = TypeVar("Result")

#: Neutron's types of a 409 that says that another port has the MAC address.
MAC_IN_USE = frozenset({"MacAddressInUse", "NeutronDbObjectDuplicateEntry"})

#: Neutron's types of a 409 that says that a port, which it does not name, has an address.
ADDRESS_IN_USE = frozenset({"IpAddressAlreadyAllocated", "IpAddressInUse"})

#: Neutron's type of a 400 that says that an address pair is there already.
PAIR_TWICE = "DuplicateAddressPairInRequest"

_NO_ADDRESS = frozenset(
    {
        "IpAddressGenerationFailure",
        "IpAddressGenerationFailureAllSubnets",
        "IpAddressGenerationFailureNoMatchingSubnet",
    }
)
_MISSING: dict[str, tuple[type[NetworkException], str]] = {
    "NetworkNotFound": (exceptions.NetworkNotFound, "network_id"),
    "SubnetNotFound": (exceptions.SubnetNotFound, "subnet_id"),
    "PortNotFound": (exceptions.PortNotFound, "port_id"),
}
#: What is missing as such only where it is what the call is about.
_MISSING_THEMSELVES: dict[str, tuple[type[NetworkException], str]] = {
    "QosPolicyNotFound": (exceptions.QosPolicyNotFound, "qos_policy_id"),
    "SecurityGroupNotFound": (exceptions.SecurityGroupNotFound, "security_group_id"),
}
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_ADDRESS = re.compile(r"IP address (\S+)")


class Later(Exception):
    """No answer, or one that asks to come back later.

    :param code: the HTTP status, if there was one
    :param after: the answer's Retry-After
    """

    def __init__(self, text: str, code: int | None, after: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.after = after


class Unsent(Later):
    """As certain as can be, the request changed nothing."""


class Refused(NetworkException, Refusal):
    """A request that the cloud answered with an error.

    It does not leave the driver: the interface's edge turns it into an error of its own.
    """

    template = "{orig_msg}"
    #: Neutron's name of the error, such as ``OverQuota``; Nova's kind of fault.
    kind: str | None = None

    def as_error(
        self, failure: type[NetworkException], about: About
    ) -> NetworkException:
        """Return the interface's error."""
        kind, attributes = _meaning(self, failure, about)
        attributes = {k: v for k, v in attributes.items() if k in kind.names()}
        text = str(kind(**attributes))
        if self.orig_msg and self.orig_msg not in text:
            text = f"{text}: {self.orig_msg}"
        return kind(text, **attributes)


def is_gone(refused: Refused) -> bool:
    """Tell whether a service says that something does not exist.

    A 404 without the service's own words comes from something before it.
    """
    return refused.orig_code == 404 and refused.kind is not None


def unless_gone(call: Callable[[], Result]) -> Result | None:
    """Make a call, and return None if what it is about does not exist."""
    try:
        return call()
    except Refused as refused:
        if not is_gone(refused):
            raise
        return None


def is_in_doubt(error: NetworkException) -> bool:
    """Tell whether a request that failed may have been carried out all the same."""
    if isinstance(error, Refused):
        return error.orig_code is None or not 300 <= error.orig_code < 500
    unsent = isinstance(error.__cause__, Unsent)
    return isinstance(error, exceptions.CloudUnavailable) and not unsent


def _meaning(
    refused: Refused, failure: type[NetworkException], about: About
) -> tuple[type[NetworkException], dict[str, object]]:
    attributes: dict[str, object] = {
        **about,
        "orig_msg": refused.orig_msg,
        "orig_code": refused.orig_code,
    }
    kind = refused.kind or ""
    known = dict(_MISSING)
    if failure is NetworkException:
        known |= _MISSING_THEMSELVES
    if kind in known:
        missing, attribute = known[kind]
        named = _UUID.findall(refused.orig_msg or "")
        return missing, {**attributes, attribute: named[-1] if named else None}
    if kind in ADDRESS_IN_USE:
        vip = failure is exceptions.AllocateVIPException
        named = _ADDRESS.findall(refused.orig_msg or "")
        attributes["ip_address"] = about.get("ip_address") or (named or [None])[0]
        return exceptions.VIPInUse if vip else exceptions.AddressInUse, attributes
    if kind in _NO_ADDRESS:
        return exceptions.NoMoreAddresses, attributes
    if kind == "OverQuota":
        return exceptions.QuotaExceeded, attributes
    return failure, attributes
