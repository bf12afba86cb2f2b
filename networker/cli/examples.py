# SPDX-License-Identifier: Apache-2.0
"""An example for each method, for a sandbox with the packaged topology.

What is made before has the same names in all of them, so that several can be run in a row.
"""

from __future__ import annotations

import re

from networker.drivers.sandbox.topology import identify

_NAMED = re.compile(r"<(network|subnet|server|port|qos policy) ([^>]+)>")
_CALL = "networker call"
_AMPHORA = '{"id": "a-1", "compute_id": "<server amphora-0>", "status": "ALLOCATED"}'
_VIP = '{"network_id": "<network vip-net>", "ip_address": "10.20.0.9"}'
_LB = f"""'{{"id": "lb-1", "vip": {_VIP}, "amphorae": [{_AMPHORA}]}}'"""
_SUBNET = """'{"id": "<subnet vip-subnet>", "network_id": "<network vip-net>"}'"""
_ALLOCATE = f"{_CALL} allocate_vip --load-balancer {_LB} -f json > vip.json\n"
_PLUG = f"{_ALLOCATE}{_CALL} plug_vip --load-balancer {_LB} --vip @vip.json\n"
_GROUP = f"{_ALLOCATE}{_CALL} update_vip_sg --load-balancer {_LB} --vip @vip.json\n"
_NEW = f"{_CALL} create_port --network-id <network vip-net> --name web\n"


def _id(port: str) -> str:
    return f"$({_CALL} get_port_by_name --port-name {port} -f value -c id)"


_WEB = _id("web")
_VIP_PORT = _id("octavia-lb-lb-1")
_VRRP_PORT = _id("octavia-lb-vrrp-a-1")
_MANAGED = "<port amphora-0/0>"
_MEMBER = "--compute-id <server amphora-0> --network-id <network member-net-1>"
_ONE_MORE = f"--port-id {_WEB} --subnet-id <subnet vip-subnet6>"

#: The flags of each method, and what has to be done before.
_EXAMPLES = {
    "allocate_vip": ("", f"--load-balancer {_LB}"),
    "apply_delta": (
        "",
        (
            """--deltas '[{"compute_id": "<server amphora-0>", """
            """"add_nics": [{"network_id": "<network member-net-1>"}]}]'"""
        ),
    ),
    "apply_qos_on_port": (
        _NEW,
        f"--port-id {_WEB} --qos-id <qos policy vip-qos>",
    ),
    "create_port": ("", "--network-id <network vip-net> --name web"),
    "deallocate_vip": (_ALLOCATE, "--vip @vip.json"),
    "delete_port": (_NEW, f"--port-id {_WEB}"),
    "failover_preparation": (
        "",
        (
            """--amphora '{"compute_id": "<server amphora-0>", """
            """"lb_network_ip": "10.90.0.1"}'"""
        ),
    ),
    "get_network": ("", "--network-id <network vip-net>"),
    "get_network_by_name": ("", "--network-name vip-net"),
    "get_network_configs": (
        _PLUG,
        (
            """--load-balancer '{"amphorae": [{"id": "a-1", "status": "ALLOCATED", """
            f""""vrrp_port_id": "'{_VRRP_PORT}'"}}], "vip": {{"port_id": "'{_VIP_PORT}'"}}}}'"""
        ),
    ),
    "get_network_ip_availability": (
        "",
        """--network '{"id": "<network vip-net>"}'""",
    ),
    "get_networks": ("", """--network-ids '["<network vip-net>"]'"""),
    "get_plugged_networks": ("", "--compute-id <server amphora-0>"),
    "get_port": ("", f"--port-id {_MANAGED}"),
    "get_port_by_name": (_NEW, "--port-name web"),
    "get_port_by_net_id_device_id": (
        "",
        "--network-id <network lb-mgmt-net> --device-id <server amphora-0>",
    ),
    "get_ports": ("", f"""--port-ids '["{_MANAGED}"]'"""),
    "get_qos_policy": ("", "--qos-policy-id <qos policy vip-qos>"),
    "get_security_group": (_GROUP, "--sg-name lb-lb-1"),
    "get_security_group_by_id": (
        _GROUP,
        f"--sg-id $({_CALL} get_security_group --sg-name lb-lb-1 -f value -c id)",
    ),
    "get_subnet": ("", "--subnet-id <subnet vip-subnet>"),
    "get_subnet_by_name": ("", "--subnet-name vip-subnet"),
    "get_subnets": ("", """--subnet-ids '["<subnet vip-subnet>"]'"""),
    "plug_aap_port": (
        _GROUP,
        (
            f"--load-balancer {_LB} --vip @vip.json --amphora '{_AMPHORA}' "
            f"--subnet {_SUBNET}"
        ),
    ),
    "plug_fixed_ip": (_NEW, _ONE_MORE),
    "plug_network": ("", _MEMBER),
    "plug_port": (
        _NEW,
        f"""--amphora '{_AMPHORA}' --port '{{"id": "'{_WEB}'"}}'""",
    ),
    "plug_vip": (_ALLOCATE, f"--load-balancer {_LB} --vip @vip.json"),
    "qos_enabled": ("", ""),
    "sec_grp_enabled": ("", ""),
    "set_port_admin_state_up": (_NEW, f"--port-id {_WEB} --state false"),
    "unplug_aap_port": (
        _PLUG,
        f"--vip @vip.json --amphora '{_AMPHORA}' --subnet {_SUBNET}",
    ),
    "unplug_fixed_ip": (_NEW + f"{_CALL} plug_fixed_ip {_ONE_MORE}\n", _ONE_MORE),
    "unplug_network": (f"{_CALL} plug_network {_MEMBER}\n", _MEMBER),
    "unplug_vip": (_PLUG, f"--load-balancer {_LB} --vip @vip.json"),
    "update_aap_port_sg": (
        _PLUG,
        (
            f"--load-balancer {_LB} --vip @vip.json "
            f"""--amphora '{{"vrrp_port_id": "'{_VRRP_PORT}'"}}'"""
        ),
    ),
    "update_vip": (_PLUG, f"--load-balancer {_LB}"),
    "update_vip_sg": (_ALLOCATE, f"--load-balancer {_LB} --vip @vip.json"),
}


def example(method: str) -> str:
    """Return lines for a shell that end with a call of a method; empty if there are none.

    :param method: its name
    """
    before, flags = _EXAMPLES.get(method, ("", None))
    if flags is None:
        return ""
    lines = f"{before}{_CALL} {method} {flags}".rstrip()
    return _NAMED.sub(lambda named: identify(named[1], named[2]), lines)
