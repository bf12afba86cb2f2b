# SPDX-License-Identifier: Apache-2.0
"""What users see of a fake cloud: Neutron's default policy, as far as it is needed.

The service's user has the role ``service``, by which it sees all networks, subnets and
ports; a member of another project sees what belongs to that project.
"""

from __future__ import annotations

from tests.fakecloud.state import SERVICE, Json, State

#: What only administrators and services see of a port.
_BINDING = {
    "binding:host_id",
    "binding:profile",
    "binding:vif_details",
    "binding:vif_type",
}


def sees(state: State, caller: str, kind: str, resource: Json) -> bool:
    """Tell whether a user of a project sees a resource."""
    if kind == "extensions":
        return True
    own = bool(resource["project_id"] == caller)
    if kind in ("security-groups", "security-group-rules"):
        return own
    if caller == SERVICE or kind == "network-ip-availabilities":
        return caller == SERVICE
    if own:
        return True
    if kind == "ports":
        network = state.networks[resource["network_id"]]
        return bool(network["project_id"] == caller)
    if kind == "subnets":
        resource = state.networks[resource["network_id"]]
    return bool(resource.get("shared") or resource.get("router:external"))


def shown(caller: str, kind: str, resource: Json) -> Json:
    """Return a resource without what a user does not see of it."""
    hidden = set()
    if caller == SERVICE:
        hidden = set() if resource.get("project_id", SERVICE) == SERVICE else {"tags"}
    elif kind == "ports":
        hidden = _BINDING
    return {name: value for name, value in resource.items() if name not in hidden}
