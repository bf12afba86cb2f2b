# SPDX-License-Identifier: Apache-2.0
"""What is said of each thing in a survey, the same in every drawing."""

from __future__ import annotations

from collections.abc import Iterator

from networker._text import printable
from networker.drawing.survey import Group, Plug, Server, Survey
from networker.models import Network, Port

#: What stands before a sentence of what is not as it should be; not told by colour alone.
_MARK = "NOT AS IT SHOULD BE:"
_ROLES = {
    "VIP": "VIP's port",
    "VRRP": "VRRP port",
    "management": "management port",
    "interface": "port",
}


def title(survey: Survey) -> str:
    """Name the load balancer."""
    lb = survey.load_balancer
    return _joined("load balancer", lb.id, lb.name and f"({lb.name})")


def verdict(survey: Survey) -> str:
    """Say in a sentence whether all is well."""
    count = len(survey.troubles)
    if not count:
        return "All that could be looked at is as it should be."
    if count == 1:
        return "1 thing is not as it should be."
    return f"{count} things are not as they should be."


def summary(survey: Survey) -> str:
    """Say in sentences what a drawing shows, for who does not see it."""
    plugs = [survey.vip] if survey.vip.port else []
    sentences = [verdict(survey), *survey.troubles]
    sentences += [f"{plug(each, survey)}." for each in plugs]
    sentences += [f"{group(each)}." for each in survey.groups]
    for each in survey.servers:
        ports = "; ".join(plug(one, survey) for one in each.plugs) or "no ports"
        sentences.append(f"{server(each)}: {ports}.")
    return " ".join([*sentences, *survey.untold])


def trouble(sentence: str) -> str:
    """Mark a sentence of what is not as it should be."""
    return f"{_MARK} {sentence}"


def plug(found: Plug, survey: Survey) -> str:
    """Say what a port is for, its addresses and its network."""
    port = found.port
    if port is None:
        return f"{_ROLES[found.role]}: not found"
    addresses = ", ".join(ip.ip_address or "" for ip in port.fixed_ips) or "no address"
    return (
        f"{_ROLES[found.role]} {addresses} on {network_name(port.network_id, survey)}"
    )


def port(found: Port, survey: Survey) -> Iterator[str]:
    """Say what is to know of a port, a line for each."""
    yield _joined(found.id, found.name and f"({found.name})")
    state = "up" if found.admin_state_up is not False else "down"
    yield f"{found.status or 'status not told'}, admin state {state}"
    if found.allowed_addresses:
        yield f"may also send from {', '.join(found.allowed_addresses)}"
    names = {group.id: group.name for group in survey.groups}
    if found.security_group_ids:
        groups = ", ".join(names.get(g) or g for g in found.security_group_ids)
        yield _joined("security groups:", groups)


def group(found: Group) -> str:
    """Name a security group, and say how many rules it has."""
    if found.rules is None:
        return f"security group {found.id}, which is not shown to the service"
    rules = "1 rule" if found.rules == 1 else f"{found.rules} rules"
    return _joined("security group", f"{found.name or found.id}: {rules}")


def server(found: Server) -> str:
    """Name an amphora and its server."""
    amphora = found.amphora
    where = f"on server {amphora.compute_id}" if amphora.compute_id else ""
    name = f"amphora {amphora.id or 'without a known id'}"
    return _joined(name, where, amphora.role and f"({amphora.role})")


def network(found: Network) -> str:
    """Name a network."""
    name = _joined(found.name, f"({found.id})")
    return f"{name}, switched off" if found.admin_state_up is False else name


def network_name(network_id: str | None, survey: Survey) -> str:
    """Name the network with an id, as far as it is known."""
    known = survey.networks.get(network_id or "")
    return _joined((known and known.name) or network_id or "no network")


def subnets(found: Network, survey: Survey) -> list[str]:
    """Name the subnets of a network from which ports have addresses."""
    return [
        _joined(subnet.name, subnet.cidr)
        for subnet in survey.subnets.values()
        if subnet.network_id == found.id
    ]


def _joined(*parts: str | None) -> str:
    """Join what is known; names are the users', and may have anything in them."""
    return printable(" ".join(filter(None, parts)))
