# SPDX-License-Identifier: Apache-2.0
"""Every id that a method needs is missed when it is empty, and nothing is asked then."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from networker import exceptions
from networker.drivers import base
from networker.models import (
    VIP,
    Amphora,
    Delta,
    Interface,
    LoadBalancer,
    Network,
    Port,
    Subnet,
    SubnetOfPort,
)

_VIP = VIP(port_id="x", ip_address="x")
_BALANCER = LoadBalancer(id="x", vip=_VIP)
_AMPHORA = Amphora(id="x", compute_id="x", lb_network_ip="x", vrrp_port_id="x")
_SUBNET = Subnet(id="x", network_id="x")
_SERVER = {"compute_id": "x", "network_id": "x"}
_ADDRESS = {"port_id": "x", "subnet_id": "x"}
_DELTA = Delta(
    compute_id="x",
    add_nics=[Interface(network_id="x")],
    delete_nics=[Interface(network_id="y")],
    add_subnets=[SubnetOfPort(subnet_id="x", port_id="x")],
    delete_subnets=[SubnetOfPort(subnet_id="y", port_id="x")],
)
#: By method, arguments in which every id that it needs is there.
COMPLETE: dict[str, dict[str, Any]] = {
    "allocate_vip": {"load_balancer": _BALANCER},
    "apply_delta": {"deltas": [_DELTA]},
    "apply_qos_on_port": {"qos_id": None, "port_id": "x"},
    "create_port": {"network_id": "x"},
    "delete_port": {"port_id": "x"},
    "failover_preparation": {"amphora": _AMPHORA},
    "get_network": {"network_id": "x"},
    "get_network_by_name": {"network_name": "x"},
    "get_network_configs": {"load_balancer": _BALANCER},
    "get_network_ip_availability": {"network": Network(id="x")},
    "get_networks": {"network_ids": ["x"]},
    "get_plugged_networks": {"compute_id": "x"},
    "get_port": {"port_id": "x"},
    "get_port_by_name": {"port_name": "x"},
    "get_port_by_net_id_device_id": {"network_id": "x", "device_id": "x"},
    "get_ports": {"port_ids": ["x"]},
    "get_qos_policy": {"qos_policy_id": "x"},
    "get_security_group": {"sg_name": "x"},
    "get_security_group_by_id": {"sg_id": "x"},
    "get_subnet": {"subnet_id": "x"},
    "get_subnet_by_name": {"subnet_name": "x"},
    "get_subnets": {"subnet_ids": ["x"]},
    "plug_aap_port": {
        "load_balancer": _BALANCER,
        "vip": _VIP,
        "amphora": _AMPHORA,
        "subnet": _SUBNET,
    },
    "plug_fixed_ip": _ADDRESS,
    "plug_network": _SERVER,
    "plug_port": {"amphora": _AMPHORA, "port": Port(id="x")},
    "plug_vip": {"load_balancer": _BALANCER, "vip": _VIP},
    "set_port_admin_state_up": {"port_id": "x", "state": True},
    "unplug_aap_port": {"vip": _VIP, "amphora": _AMPHORA, "subnet": _SUBNET},
    "unplug_fixed_ip": _ADDRESS,
    "unplug_network": _SERVER,
    "unplug_vip": {"load_balancer": _BALANCER, "vip": _VIP},
    "update_aap_port_sg": {
        "load_balancer": _BALANCER,
        "amphora": _AMPHORA,
        "vip": _VIP,
    },
    "update_vip": {"load_balancer": _BALANCER},
    "update_vip_sg": {"load_balancer": _BALANCER, "vip": _VIP},
}
#: What is needed, by the interface's own account.
NEEDED = [
    (method, path)
    for method, operation in base.operations().items()
    for path in operation.requires
]


def without(method: str, path: str, empty: str | None) -> dict[str, Any]:
    """Return arguments in which only what is at a path is empty."""
    arguments = copy.deepcopy(COMPLETE[method])
    holder: Any = arguments
    *between, last = path.split(".")
    for name in between:
        holder = _first(holder[name] if holder is arguments else getattr(holder, name))
    if holder is not arguments:
        setattr(holder, last, empty)
    elif isinstance(holder[last], list):
        holder[last].append(empty)
    else:
        holder[last] = empty
    return arguments


def _first(found: Any) -> Any:
    return found[0] if isinstance(found, list) else found


@pytest.mark.parametrize("empty", ["", " ", None])
def test_empty_id_never_lists_everybody(network, world, empty):
    """An empty id is refused with the path to it, and not taken for any id.

    Neutron takes an empty filter for none, so that it would answer with everybody's
    resources, for the driver to act on.
    """
    for method, path in NEEDED:
        if method not in world.supports:
            continue
        with pytest.raises(exceptions.InvalidRequest) as caught:
            getattr(network, method)(**without(method, path, empty))
        assert path in str(caught.value)


def test_an_argument_that_is_left_out_is_named(network):
    """A call that does not fit the signature is Python's error, not an empty id."""
    with pytest.raises(TypeError, match="compute_id"):
        network.unplug_network(network_id="n")
    with pytest.raises(TypeError, match="port"):
        network.get_port("p", "q", port_ids="r")
