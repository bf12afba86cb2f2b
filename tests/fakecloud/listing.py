# SPDX-License-Identifier: Apache-2.0
"""Lists of resources as Neutron gives them: filtered, shortened, in pages."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from tests.fakecloud.attributes import boolean
from tests.fakecloud.state import Json, Request, bad_request, neutron_fault

#: Parameters that do not name an attribute.
CONTROLS = {"fields", "limit", "marker"}
#: Attributes that no list can be filtered by.
_UNFILTERED = {
    "allowed_address_pairs",
    "allocation_pools",
    "binding:profile",
    "binding:vif_details",
    "binding:vif_type",
    "binding:vnic_type",
    "dns_assignment",
    "extra_dhcp_opts",
    "host_routes",
    "security_group_rules",
    "subnets",
}


#: By what lists are filtered most; resources have it as the API shows it.
PLAIN = {
    "ports": ("id", "name", "network_id", "device_id", "project_id"),
    "security-groups": ("id", "name", "project_id"),
}


def prefilter(request: Request, plain: Collection[str]) -> Callable[[Json], bool]:
    """Return what tells, before a resource is shown, that a list is not to have it.

    It spares most of the work where a list is filtered by nothing else.

    :param plain: attributes that all resources have as the API shows them
    """
    filters = {k: v for k, v in request.query.items() if k not in CONTROLS}
    if not filters.keys() <= set(plain):
        return lambda _: True
    tests = {key: _values(key, texts) for key, texts in filters.items()}
    return lambda one: all(_fits(one, key, known) for key, known in tests.items())


def answer(
    request: Request,
    name: str,
    shown: Sequence[Json],
    names: Iterable[str],
    most: int | None = None,
) -> Json:
    """Return the resources that a request selects.

    :param name: what the list is called, such as ``ports``
    :param shown: all resources as the API shows them
    :param names: their attributes
    :param most: how many of them one answer has
    """
    filters = {k: v for k, v in request.query.items() if k not in CONTROLS}
    unknown = sorted(set(filters) - (set(names) - _UNFILTERED))
    if unknown:
        raise bad_request(f"{unknown} is invalid attribute for filtering")
    tests = {key: _values(key, texts) for key, texts in filters.items()}
    found = [
        one
        for one in sorted(shown, key=lambda one: str(one.get("id")))
        if all(_fits(one, key, values) for key, values in tests.items())
    ]
    return _page(request, name, found, most)


def select(request: Request, resource: Json) -> Json:
    """Return the attributes of a resource that a request asks for."""
    fields = [field for field in request.query.get("fields", []) if field]
    return {k: v for k, v in resource.items() if not fields or k in fields}


def _values(key: str, texts: Sequence[str]) -> set[Any]:
    if key == "admin_state_up":
        return {str(boolean(text)).lower() for text in texts}
    if key != "fixed_ips":
        return {text.casefold() for text in texts}
    pairs = set()
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            why = f"Invalid input for operation: '{text}' is not of the form "
            raise neutron_fault(400, "InvalidInput", why + "<key>=[value].")
        pairs.add((name, value))
    return pairs


def _fits(resource: Json, key: str, values: set[Any]) -> bool:
    held = resource.get(key)
    if key == "fixed_ips":
        return all(
            any((name, ip[name]) in values for ip in resource[key])
            for name in ("subnet_id", "ip_address")
            if any(wanted == name for wanted, _ in values)
        )
    # The database compares without regard to case.
    texts = held if isinstance(held, list) else [held]
    return any(str(text).casefold() in values for text in texts if text is not None)


def _page(request: Request, name: str, found: list[Json], most: int | None) -> Json:
    if "limit" not in request.query and most is None:
        return {name: [select(request, one) for one in found]}
    text = request.query.get("limit", [str(most)])[-1]
    if not text.isdigit():
        why = f"Limit must be an integer 0 or greater and not '{text}'"
        raise neutron_fault(400, "BadRequest", f"Bad limit request: {why}.")
    limit = min(int(text) or len(found), most or len(found))
    marker = request.query.get("marker", [""])[-1]
    page = [one for one in found if str(one["id"]) > marker][:limit]
    links = [_link(request, name, "previous", page[0] if page else None)]
    if page and len(page) == limit:
        links.insert(0, _link(request, name, "next", page[-1]))
    return {name: [select(request, one) for one in page], f"{name}_links": links}


def _link(request: Request, name: str, rel: str, marker: Json | None) -> Json:
    left = ("marker", "page_reverse")
    query = {key: texts for key, texts in request.query.items() if key not in left}
    if marker is not None:
        query["marker"] = [marker["id"]]
    if rel == "previous":
        query["page_reverse"] = ["True"]
    encoded = urllib.parse.urlencode(query, doseq=True)
    return {"rel": rel, "href": f"{request.root}/v2.0{request.path}?{encoded}"}
