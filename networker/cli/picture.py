# SPDX-License-Identifier: Apache-2.0
"""A load balancer's network as a tree that a person can read."""

from __future__ import annotations

from rich.tree import Tree

from networker.drivers import naming
from networker.drivers.rules import Rule
from networker.drivers.sandbox.backdoor import Backdoor
from networker.models import LoadBalancer, Port


def picture(lb: LoadBalancer, sandbox: Backdoor) -> Tree:
    """Draw what the sandbox holds for a load balancer.

    :param lb: with its VIP and amphorae
    :param sandbox: what is in it
    """
    networks = {network.id: network.name for network in sandbox.networks()}
    servers = {compute_id: name for name, compute_id in sandbox.servers().items()}
    root = Tree(f"[bold]load balancer {lb.name}[/] ({lb.topology})")
    vip = lb.vip
    for port in sandbox.ports(id=vip.port_id if vip else None):
        branch = root.add(f"VIP {_addresses(port)} on {networks[port.network_id]}")
        branch.add(f"port {port.id} ({port.name})")
    group = sandbox.security_groups()[naming.vip_device(lb.id or "")]
    rules = root.add(f"security group {group.name}")
    for rule in sorted(group.rules):
        rules.add(_rule(rule))
    for amphora in lb.amphorae:
        branch = root.add(f"amphora on server {servers[amphora.compute_id or '']}")
        for port in sandbox.ports(device_id=amphora.compute_id):
            branch.add(_interface(port, networks[port.network_id] or ""))
    return root


def _addresses(port: Port) -> str:
    return ", ".join(ip.ip_address or "" for ip in port.fixed_ips)


def _interface(port: Port, network: str) -> str:
    name = port.name or "made when the server booted"
    also = ", ".join(port.allowed_addresses)
    return f"{network}: {_addresses(port)} ({name}{'; may be ' + also if also else ''})"


def _rule(rule: Rule) -> str:
    protocol = {"112": "VRRP", "51": "AH"}.get(rule.protocol, rule.protocol)
    port = f" port {rule.port}" if rule.port else ""
    return f"{rule.ethertype} {protocol}{port} from {rule.cidr or 'everywhere'}"
