# SPDX-License-Identifier: Apache-2.0
"""A cloud that lists two resources at a time, and links the others."""

from __future__ import annotations

import pytest

from networker.drivers import naming
from networker.models import VIP
from networker.testing.contract.steps import plug


@pytest.fixture(scope="module")
def setting(refusing):
    """The driver under test and the world, for the fixtures of the suite."""
    return refusing.driver, refusing.world


@pytest.fixture(params=[1, 2])
def pages(cloud, request):
    """Let lists have so many entries."""
    cloud.limit_lists(request.param)
    return request.param


def test_nothing_is_left_on_a_later_page(pages, cloud, network, world, balancer):
    """Whole lives of load balancers see all ports and groups."""
    lb = balancer(amphorae=3)
    vip = plug(network, lb)
    assert network.plug_vip(lb, vip) == lb.amphorae
    assert network.allocate_vip(lb) == vip
    server = lb.amphorae[0].compute_id
    nics = [network.plug_network(server, one) for one in world.member_network_ids]
    found = network.get_plugged_networks(server)
    assert {one.port_id for one in found} >= {one.port_id for one in nics}
    assert len(found) == len(nics) + 2
    for network_id in world.member_network_ids:
        network.unplug_network(server, network_id)
    network.unplug_vip(lb, vip)
    for amphora in lb.amphorae:
        assert world.port(amphora.vrrp_port_id) is None
    network.plug_vip(lb, vip)
    network.deallocate_vip(VIP(load_balancer_id=lb.id))
    cloud.limit_lists(None)
    assert world.leftovers() == []
    assert world.group_ids(naming.vip_device(lb.id)) == []


def test_lookups_see_all(pages, network, world, clean):
    """What is asked for by many ids or a name is found on whichever page it is."""
    ids = [
        world.stranger(world.vip_network_id, name="port-7e577e57-p").id for _ in "123"
    ]
    assert [port.id for port in network.get_ports(ids)] == ids
    assert network.get_port_by_name("port-7e577e57-p").id == min(ids)
    subnets = list(world.member_subnet_ids)
    assert [one.id for one in network.get_subnets(subnets)] == subnets
