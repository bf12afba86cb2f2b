# SPDX-License-Identifier: Apache-2.0
"""Calls of every method of the neutron driver, in the situations that cost differently."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import msgspec

from networker.models import (
    VIP,
    Amphora,
    Delta,
    FixedIP,
    Interface,
    Listener,
    LoadBalancer,
    Network,
    Subnet,
    SubnetOfPort,
)
from networker.testing.contract.world import new_id
from tests.contract.counting import Count


def _vip(lb: LoadBalancer) -> VIP:
    assert lb.vip is not None
    return lb.vip


def whole_life(count: Count) -> None:
    """A load balancer with two amphorae, from its VIP to its end."""
    lb = count.world.load_balancer()
    lb.vip = vip = count("the first time", "allocate_vip", lb)
    lb.amphorae, amphorae = [], lb.amphorae
    count("the first time, 2 listeners", "update_vip_sg", lb, vip)
    lb.amphorae = amphorae
    lb.amphorae = count("2 amphorae, group there", "plug_vip", lb, vip)
    count("again, within 10 minutes", "plug_vip", lb, vip)
    count("unchanged, within 10 minutes", "update_vip", lb)
    lb.listeners += _listeners(10)
    count("10 listeners more", "update_vip", lb)
    del lb.listeners[-10:]
    count("10 listeners fewer", "update_vip", lb)
    count("2 amphorae", "get_network_configs", lb)
    count("1 amphora", "get_network_configs", lb, lb.amphorae[0])
    count("groups as they are", "update_aap_port_sg", lb, lb.amphorae[0], vip)
    count("2 amphorae", "unplug_vip", lb, vip)
    count("again", "unplug_vip", lb, vip)
    count("unplugged", "deallocate_vip", vip)
    count("again", "deallocate_vip", vip)


def _listeners(many: int) -> list[Listener]:
    return [
        Listener(
            id=new_id(), protocol="TCP", protocol_port=8000 + i, peer_port=2000 + i
        )
        for i in range(many)
    ]


def twice(count: Count) -> None:
    """A VIP and its security group asked for again within ten minutes."""
    lb = count.balancer()
    count("again, with its port", "allocate_vip", lb)
    count.network.update_vip_sg(lb, _vip(lb))
    count("again, within 10 minutes", "update_vip_sg", lb, _vip(lb))
    _vip(lb).port_id = None
    lb.vip = count("again, without", "allocate_vip", lb)
    count.network.deallocate_vip(_vip(lb))


def created_and_deleted(count: Count) -> None:
    """All of a load balancer with two amphorae and a member network, call after call."""
    (net_id, _), servers = count.world.member_network_ids, count.world.servers[:2]
    lb = count.world.load_balancer()
    lb.vip = vip = count.add("allocate_vip", lb)
    count.add("update_vip_sg", lb, vip)
    lb.amphorae = count.add("plug_vip", lb, vip)
    for server in servers:
        count.add("plug_network", server.compute_id, net_id)
    count.add("get_network_configs", lb)
    count.total("whole create", "as Octavia does it")
    for server in servers:
        count.add("unplug_network", server.compute_id, net_id)
    count.add("unplug_vip", lb, vip)
    count.add("deallocate_vip", vip)
    count.total("whole delete", "as Octavia does it")


def created_and_deleted_at_once(count: Count) -> None:
    """The same in as few calls as the interface has for it."""
    (net_id, _), servers = count.world.member_network_ids, count.world.servers[:2]
    nics = [Interface(network_id=net_id)]
    lb = count.world.load_balancer()
    lb.vip = vip = count.add("allocate_vip", lb)
    lb.amphorae = count.add("plug_vip", lb, vip)
    added = [Delta(compute_id=one.compute_id, add_nics=nics) for one in servers]
    count.add("apply_delta", added)
    count.add("get_network_configs", lb)
    count.total("whole create", "in the fewest calls")
    removed = [Delta(compute_id=one.compute_id, delete_nics=nics) for one in servers]
    count.add("apply_delta", removed)
    count.add("deallocate_vip", vip)
    count.total("whole delete", "in the fewest calls")


def many_amphorae(count: Count) -> None:
    """One amphora and eight, on as many servers as there are."""
    for many, case in ((1, "1 amphora, group there"), (8, "8 amphorae, group there")):
        lb = count.balancer(amphorae=1)
        (first,), servers = lb.amphorae, itertools.cycle(count.world.servers)
        lb.amphorae = [
            msgspec.structs.replace(
                first,
                id=new_id(),
                compute_id=server.compute_id,
                lb_network_ip=server.lb_network_ip,
            )
            for server in itertools.islice(servers, many)
        ]
        count.network.update_vip_sg(lb, _vip(lb))
        lb.amphorae = count(case, "plug_vip", lb, _vip(lb))
        amphorae = case.partition(",")[0]
        if many > 1:
            count(amphorae, "get_network_configs", lb)
            count(amphorae, "unplug_vip", lb, _vip(lb))
        count.network.deallocate_vip(_vip(lb))


def left_alone(count: Count, wait: Callable[[], None]) -> None:
    """What was there for long.

    :param wait: lets ten minutes pass
    """
    lb = count.balancer()
    count.network.update_vip_sg(lb, _vip(lb))
    lb.amphorae = count.network.plug_vip(lb, _vip(lb))
    lb.listeners += _listeners(10)
    count.network.update_vip(lb)
    wait()
    count("unchanged", "update_vip", lb)
    count("unchanged", "update_vip_sg", lb, _vip(lb))
    count("unchanged, 2 amphorae", "plug_vip", lb, _vip(lb))
    del lb.listeners[-10:]
    count("10 listeners fewer, after 10 minutes", "update_vip", lb)


def one_by_one(count: Count) -> None:
    """The VIP plugged into each amphora by itself, as Octavia does it."""
    lb = count.balancer(dual=True)
    vip, (first, second) = _vip(lb), lb.amphorae
    count.network.update_vip_sg(lb, vip)
    subnet = Subnet(id=vip.subnet_id, network_id=vip.network_id)
    plugged = count("the first time", "plug_aap_port", lb, vip, first, subnet)
    count("again, within 10 minutes", "plug_aap_port", lb, vip, first, subnet)
    lb.amphorae = [plugged, count.network.plug_aap_port(lb, vip, second, subnet)]
    count("2 amphorae, an additional VIP", "get_network_configs", lb)
    count("plugged", "unplug_aap_port", vip, plugged, subnet)
    count("again", "unplug_aap_port", vip, plugged, subnet)
    lb.amphorae = lb.amphorae[1:]
    count("1 amphora", "unplug_vip", lb, vip)
    count.network.deallocate_vip(vip)


def at_once(count: Count) -> None:
    """Plugged without a group, and deallocated while it is plugged."""
    lb = count.balancer()
    lb.amphorae = count("2 amphorae, everything new", "plug_vip", lb, _vip(lb))
    count("2 amphorae still plugged", "deallocate_vip", _vip(lb))
    lb = count.balancer(amphorae=1)
    lb.amphorae = count.network.plug_vip(lb, _vip(lb))
    count("1 network", "failover_preparation", lb.amphorae[0])
    count.network.unplug_vip(lb, _vip(lb))
    count.network.deallocate_vip(_vip(lb))


def users_port(count: Count) -> None:
    """A VIP on a port that the user brought, and nothing is written into."""
    lb = count.world.load_balancer()
    lb.vip = VIP(port_id=count.world.stranger(count.world.vip_network_id).id)
    lb.vip = count("the user's port", "allocate_vip", lb)
    count.network.update_vip_sg(lb, _vip(lb))
    lb.amphorae = count("2 amphorae, on the user's port", "plug_vip", lb, _vip(lb))
    count.network.unplug_vip(lb, _vip(lb))
    count.network.deallocate_vip(_vip(lb))
    count.world.tidy()


def members(count: Count) -> None:
    """A server on a member network, in both ways."""
    server, (net_id, _) = count.world.servers[0], count.world.member_network_ids
    compute_id = server.compute_id
    count("the first time", "plug_network", compute_id, net_id)
    count("again, within 10 minutes", "plug_network", compute_id, net_id)
    count("any", "get_plugged_networks", compute_id)
    count("1 interface", "unplug_network", compute_id, net_id)
    amphora = Amphora(id=new_id(), compute_id=compute_id)
    name = f"octavia-lb-member-{amphora.id}"
    port = count("the first time", "create_port", net_id, name)
    count("again, within 10 minutes", "create_port", net_id, name)
    count("the first time", "plug_port", amphora, port)
    count("again", "plug_port", amphora, port)
    count("down", "set_port_admin_state_up", port.id, False)
    count("a policy", "apply_qos_on_port", count.world.qos_policy_id, port.id)
    count.network.unplug_network(compute_id, net_id)
    count("gone already", "delete_port", port.id)


def addresses(count: Count) -> None:
    """A port on the VIP's network, given another address and relieved of it."""
    world = count.world
    name = f"octavia-lb-member-{new_id()}"
    first, other = [FixedIP(subnet_id=world.vip_subnet_id)], world.vip_subnet6_id
    port = count.network.create_port(world.vip_network_id, name, first)
    count("the first time", "plug_fixed_ip", port.id, other)
    count("again", "plug_fixed_ip", port.id, other)
    count("the first time", "unplug_fixed_ip", port.id, other)
    count("again", "unplug_fixed_ip", port.id, other)
    count("any", "delete_port", port.id)


def lookups(count: Count) -> None:
    """Everything that is only looked up."""
    world = count.world
    lb = count.balancer()
    vip = _vip(lb)
    count.network.update_vip_sg(lb, vip)
    group = count("any", "get_security_group", f"lb-{lb.id}")
    count("any", "get_security_group_by_id", group.id)
    count("any", "get_network", world.vip_network_id)
    count("any", "get_subnet", world.vip_subnet_id)
    count("any", "get_port", vip.port_id)
    count("as a user", "get_network", world.vip_network_id, world.user_context())
    count("any", "get_network_by_name", "vip-net")
    count("any", "get_subnet_by_name", "vip-subnet")
    count("any", "get_port_by_name", f"octavia-lb-{lb.id}")
    device = f"lb-{lb.id}"
    count("any", "get_port_by_net_id_device_id", world.vip_network_id, device)
    count("any", "get_qos_policy", world.qos_policy_id)
    network = Network(id=world.vip_network_id)
    count("any", "get_network_ip_availability", network)
    count.forget()
    count("not known yet", "qos_enabled")
    count("within 10 minutes", "qos_enabled")
    count("not known yet", "sec_grp_enabled")
    count("within 10 minutes", "sec_grp_enabled")
    count.network.deallocate_vip(vip)


def batches(count: Count) -> None:
    """Several servers at once, and several of a kind looked up."""
    world = count.world
    servers = [server.compute_id for server in world.servers[:2]]
    first, second = world.member_subnet_ids
    old, new = (Interface(network_id=one) for one in world.member_network_ids)
    place = [FixedIP(subnet_id=first)]
    old.fixed_ips = place
    deltas = [Delta(compute_id=one, add_nics=[old]) for one in servers]
    made = count("2 servers, a network each", "apply_delta", deltas)
    count("again, within 10 minutes", "apply_delta", deltas)
    for delta, one in zip(deltas, made, strict=True):
        where = {"network_id": one.network_id, "port_id": one.port_id}
        delta.add_nics = []
        delta.add_subnets = [SubnetOfPort(subnet_id=second, **where)]
        delta.delete_subnets = [SubnetOfPort(subnet_id=first, **where)]
    count("2 ports, to another subnet", "apply_delta", deltas)
    ports = [one.port_id for one in made]
    count("2", "get_ports", ports)
    count("2", "get_networks", world.member_network_ids)
    count("2", "get_subnets", world.member_subnet_ids)
    deltas = [Delta(compute_id=i, add_nics=[new], delete_nics=[old]) for i in servers]
    count("2 servers, from a network to another", "apply_delta", deltas)
    deltas = [Delta(compute_id=i, delete_nics=[new]) for i in servers]
    count("2 servers, off a network each", "apply_delta", deltas)
    count("the same, gone already", "apply_delta", deltas)


#: What is counted on every cloud.
SCENES: tuple[Callable[[Count], None], ...] = (
    whole_life,
    twice,
    created_and_deleted,
    created_and_deleted_at_once,
    many_amphorae,
    one_by_one,
    at_once,
    users_port,
    members,
    addresses,
    lookups,
    batches,
)
