# SPDX-License-Identifier: Apache-2.0
"""The main job on a real cloud: two worker pools on RabbitMQ, and a controller."""

from __future__ import annotations

import os

import pytest

from networker import rpc
from networker.drivers import naming
from networker.testing import processes
from tests.contract.worlds import CLOUD_USER, CloudWorld
from tests.example.controller import Controller

pytestmark = pytest.mark.cloud


@pytest.fixture
def world():
    found = CloudWorld(os.environ["OS_CLOUD"], CLOUD_USER)
    found.sweep()
    yield found
    found.sweep()


@pytest.fixture
def config(broker, tmp_path):
    return processes.write(
        tmp_path / "networker.conf",
        {
            "DEFAULT": {"transport_url": broker.url},
            "networker": {
                "driver": "neutron",
                "workers": 1,
                "topic": "main-job",
                "call_timeout": 120,
            },
            "neutron": {"cloud": os.environ["OS_CLOUD"]},
        },
    )


def test_a_load_balancers_life(config, world):
    """It is plugged into two servers and their members, and then all is as before."""
    before = sorted(port.id or "" for port in world.ports())
    lb, members = world.load_balancer(), list(world.member_network_ids)
    replies: list[rpc.Reply] = []
    other = processes.Workers(config)
    try:
        with processes.serving(config) as (_, client):
            controller = Controller(client.with_options(observer=replies.append))
            controller.create(lb, members)
            for amphora in lb.amphorae:
                (port,) = world.ports(id=str(amphora.vrrp_port_id))
                assert port.device_id == amphora.compute_id
                assert port.allowed_addresses == [lb.vip and lb.vip.ip_address]
                group_ids = world.group_ids(naming.vip_device(str(lb.id)))
                assert port.security_group_ids == group_ids
                plugged = world.ports(device_id=str(amphora.compute_id))
                assert set(members) <= {port.network_id for port in plugged}
            controller.delete(lb, members)
    finally:
        other.close()
    assert len({reply.worker for reply in replies}) == 2
    assert all(reply.error is None for reply in replies)
    assert sorted(port.id or "" for port in world.ports()) == before
    assert world.leftovers() == []
