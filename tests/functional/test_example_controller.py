# SPDX-License-Identifier: Apache-2.0
"""The example controller, tested as a controller's developer would: with the plugin."""

from __future__ import annotations

import pytest

from networker import exceptions
from networker.models import VIP, Amphora, LoadBalancer
from tests.example.controller import Controller


@pytest.fixture
def lb(network_driver):
    networks = {network.name: network for network in network_driver.backdoor.networks()}
    return LoadBalancer(
        id="7e577e57-0000-4000-8000-000000000001",
        project_id=networks["vip-net"].project_id,
        vip=VIP(network_id=networks["vip-net"].id),
        amphorae=[
            Amphora(id=name, compute_id=compute_id)
            for name, compute_id in sorted(network_driver.backdoor.servers().items())[
                :2
            ]
        ],
    )


@pytest.fixture
def members(network_driver):
    networks = network_driver.backdoor.networks()
    return [n.id for n in networks if n.name.startswith("member-net")]


def test_create_and_delete(network, network_driver, lb, members):
    """A created load balancer has all its ports, a deleted one has none."""
    before = network_driver.backdoor.ports()
    controller = Controller(network)
    controller.create(lb, members)
    made = {port.name for port in network_driver.backdoor.ports()} - {
        p.name for p in before
    }
    assert f"octavia-lb-{lb.id}" in made
    assert len(network_driver.backdoor.ports()) == len(before) + 1 + 2 + 4
    controller.delete(lb, members)
    assert network_driver.backdoor.ports() == before


@pytest.mark.parametrize("method", ["allocate_vip", "plug_vip", "plug_network"])
def test_a_failed_step_is_undone(network, network_driver, lb, members, method):
    """Whichever step fails, its error comes through and nothing is left."""
    before = network_driver.backdoor.ports()
    error = exceptions.QuotaExceeded(orig_msg="no more for you", orig_code=409)
    network_driver.fail_next(method, error)
    with pytest.raises(exceptions.QuotaExceeded) as caught:
        Controller(network).create(lb, members)
    assert caught.value.orig_msg == "no more for you"
    assert network_driver.backdoor.ports() == before
    assert network_driver.backdoor.security_groups() == {}


def test_a_controllers_misspelt_field_is_found(network):
    """Workers would ignore it; whoever tests a controller learns of it, of casts too."""
    vip = {"port_id": "p", "ip_adress": "10.20.0.9"}
    for caller in (network, network.cast):
        with pytest.raises(
            exceptions.InvalidRequest, match=r"\$\.vip\.ip_adress.*ip_address"
        ):
            caller.deallocate_vip(vip)
