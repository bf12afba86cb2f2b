# SPDX-License-Identifier: Apache-2.0
"""The security-group rules that a load balancer needs."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from networker import exceptions
from networker.models import (
    ACTIVE_STANDBY,
    GOING,
    SINGLE,
    VIP,
    AdditionalVIP,
    Listener,
    LoadBalancer,
)

#: What listeners can be (Octavia API v2), None where it is not known.
_PROTOCOLS = {
    None,
    "HTTP",
    "HTTPS",
    "PROMETHEUS",
    "SCTP",
    "TCP",
    "TERMINATED_HTTPS",
    "UDP",
}
_TOPOLOGIES = (None, SINGLE, ACTIVE_STANDBY)
_PORTS = range(1, 65536)
_TRANSPORTS = {"UDP": "udp", "SCTP": "sctp"}
#: IP protocol numbers of VRRP (RFC 9568) and of the authentication header (RFC 4302).
VRRP, AH = "112", "51"
#: What Neutron calls protocols that may also be given by number.
_NAMES = {"6": "tcp", "17": "udp", "132": "sctp", "vrrp": VRRP, "ah": AH}
_MANAGED = {"tcp", "udp", "sctp", VRRP, AH}


@dataclasses.dataclass(frozen=True, order=True)
class Rule:
    """An ingress rule, in the one spelling by which rules are compared.

    :param ethertype: ``IPv4`` or ``IPv6``
    :param protocol: ``tcp``, ``udp``, ``sctp`` or a protocol number
    :param port: the destination port; 0 for protocols without ports
    :param cidr: the source network; empty for every source
    :param inside: whether only ports of the same group are let in. It is no part of what
        a rule is compared by: one that lets in more does what is needed, too, though it
        is to be replaced.
    """

    ethertype: str
    protocol: str
    port: int = 0
    cidr: str = ""
    inside: bool = dataclasses.field(default=False, compare=False)

    def request(self, group_id: str) -> dict[str, Any]:
        """Return the body that creates the rule in a group (Neutron API v2)."""
        return {
            "security_group_id": group_id,
            "direction": "ingress",
            "ethertype": self.ethertype,
            "protocol": self.protocol,
            "port_range_min": self.port or None,
            "port_range_max": self.port or None,
            "remote_ip_prefix": self.cidr or None,
            "remote_group_id": group_id if self.inside else None,
        }


def wanted(load_balancer: LoadBalancer, vip: VIP) -> set[Rule]:
    """Return the rules that a load balancer's listeners and topology ask for.

    What the amphorae say to each other is let in from their own group only.

    :raises InvalidRequest: a field of a listener or an address of the VIP is none that
        could be; its path is named
    """
    _check(load_balancer, vip)
    ethertypes = {_ethertype(a) for a in addresses(vip)}
    found = [
        rule
        for listener in load_balancer.listeners
        if listener.provisioning_status not in GOING
        for rule in _of_listener(listener, ethertypes, open_ports=not vip.sg_ids)
    ]
    if load_balancer.topology == ACTIVE_STANDBY:
        # VRRP runs between the addresses on the first address's subnet.
        first = [_ethertype(address) for address in addresses(vip)[:1]]
        found += [
            Rule(e, protocol, inside=True) for e in first for protocol in (VRRP, AH)
        ]
    everybody = {rule for rule in found if not (rule.cidr or rule.inside)}
    others = [r for r in found if dataclasses.replace(r, cidr="") not in everybody]
    return everybody.union(others)


def _check(load_balancer: LoadBalancer, vip: VIP) -> None:
    """Refuse what would open other ports than are meant, or none, without a word.

    What is on its way out asks for nothing.
    """
    if load_balancer.topology not in _TOPOLOGIES:
        known = ", ".join(filter(None, _TOPOLOGIES))
        _refuse("topology", load_balancer.topology, f"is none of {known}")
    for number, listener in enumerate(load_balancer.listeners):
        if listener.provisioning_status not in GOING:
            _check_listener(f"listeners[{number}]", listener)
    places: dict[str, VIP | AdditionalVIP] = {"vip": vip}
    places |= {f"vip.additional[{n}]": one for n, one in enumerate(vip.additional)}
    for path, place in places.items():
        if place.ip_address and not _is_address(place.ip_address):
            _refuse(f"{path}.ip_address", place.ip_address, "is no IP address")


def _check_listener(path: str, listener: Listener) -> None:
    if listener.protocol not in _PROTOCOLS:
        known = ", ".join(sorted(filter(None, _PROTOCOLS)))
        _refuse(f"{path}.protocol", listener.protocol, f"is none of {known}")
    for name in ("protocol_port", "peer_port"):
        port = getattr(listener, name)
        if port is not None and port not in _PORTS:
            _refuse(f"{path}.{name}", port, "is no port: 1 to 65535")
    for number, text in enumerate(listener.allowed_cidrs):
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            _refuse(f"{path}.allowed_cidrs[{number}]", text, "is no CIDR")


def _refuse(path: str, value: object, why: str) -> NoReturn:
    raise exceptions.InvalidRequest(f"load_balancer.{path}: {value!r} {why}")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def read(rule: Mapping[str, Any]) -> Rule | None:
    """Return a rule of Neutron's in our spelling; None if it is not ours to change."""
    protocol = str(rule["protocol"] or "").lower()
    protocol = _NAMES.get(protocol, protocol)
    if rule["direction"] != "ingress" or protocol not in _MANAGED:
        return None
    inside = bool(rule.get("remote_group_id"))
    if inside and rule["remote_group_id"] != rule.get("security_group_id"):
        return None
    if rule.get("remote_address_group_id"):
        return None
    if rule["port_range_min"] != rule["port_range_max"]:
        return None
    port = rule["port_range_max"] or 0
    cidr = normalized(rule["remote_ip_prefix"])[1]
    return Rule(rule["ethertype"], protocol, port, cidr, inside)


def normalized(cidr: str | None) -> tuple[str, str]:
    """Return ethertype and canonical text of a CIDR; the text is empty for everybody.

    :raises ValueError: it is no CIDR
    """
    if not cidr:
        return "", ""
    network = ipaddress.ip_network(cidr, strict=False)
    return f"IPv{network.version}", "" if network.prefixlen == 0 else str(network)


def addresses(vip: VIP) -> list[str]:
    """Return all addresses of a VIP, the primary one first."""
    found = [vip.ip_address, *(more.ip_address for more in vip.additional)]
    return [address for address in found if address]


def _ethertype(address: str) -> str:
    return f"IPv{ipaddress.ip_address(address).version}"


def _of_listener(
    listener: Listener, ethertypes: set[str], open_ports: bool
) -> Iterator[Rule]:
    protocol = _TRANSPORTS.get(listener.protocol or "", "tcp")
    if open_ports and listener.protocol_port:
        for ethertype, cidr in _sources(listener, ethertypes):
            yield Rule(ethertype, protocol, listener.protocol_port, cidr)
    if listener.peer_port:
        for ethertype in ethertypes:
            yield Rule(ethertype, "tcp", listener.peer_port, inside=True)


def _sources(listener: Listener, ethertypes: set[str]) -> Iterator[tuple[str, str]]:
    if not listener.allowed_cidrs:
        yield from ((ethertype, "") for ethertype in ethertypes)
    for text in listener.allowed_cidrs:
        ethertype, cidr = normalized(text)
        if ethertype in ethertypes:
            yield ethertype, cidr
