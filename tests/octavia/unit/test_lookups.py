# SPDX-License-Identifier: Apache-2.0
"""What Octavia looks up, and for whom."""

from __future__ import annotations

import inspect

import pytest
from cryptography.fernet import Fernet
from octavia.common import context as octavia_context
from octavia.network import base

from networker import exceptions


def test_things_are_looked_up(driver, balancer, plugged):
    """Networks, subnets, ports and groups are found by name, too."""
    network = driver.get_network_by_name("vip-net")
    assert network.id == balancer.networks["vip-net"]
    assert driver.get_subnet_by_name("vip-subnet").id in network.subnets
    port = driver.get_port_by_name(f"octavia-lb-{plugged.id}")
    found = driver.get_port_by_net_id_device_id(network.id, f"lb-{plugged.id}")
    assert [port.id, found.id] == [plugged.vip.port_id] * 2
    assert driver.sec_grp_enabled is True
    group = driver.get_security_group(f"lb-{plugged.id}")
    assert driver.get_security_group_by_id(group.id).name == f"lb-{plugged.id}"
    assert driver.get_security_group("") is None
    available = driver.get_network_ip_availability(network)
    assert available.network_id == network.id
    assert {row["subnet_id"] for row in available.subnet_ip_availability} == set(
        network.subnets
    )


class Asker:
    """Who asks Octavia's API, as a request's context."""

    def __init__(self, token: str | None) -> None:
        self.auth_token = token
        self.user_id, self.project_id = "someone", "theirs"


def test_the_request_context_has_what_is_read():
    """What the driver reads of a user is in Octavia's own context."""
    known = inspect.signature(octavia_context.common_context.RequestContext).parameters
    assert vars(Asker("t")).keys() <= known.keys()


@pytest.fixture
def tokens(conf, network_driver):
    """Let users' tokens cross the bus, on both of its ends."""
    chosen = {
        "forward_user_tokens": True,
        "user_token_keys": [Fernet.generate_key().decode()],
    }
    for name, value in chosen.items():
        conf.conf.set_override(name, value, "networker")
        network_driver.conf.set_override(name, value, "networker")


def test_a_user_sees_what_is_theirs(tokens, driver, conf, balancer):
    """Reads for the API are made with the user's token."""
    own, hidden = balancer.networks["vip-net"], balancer.networks["lb-mgmt-net"]
    with pytest.raises(base.NetworkNotFound):
        driver.get_network(hidden, context=Asker("user-of:demo"))
    assert driver.get_network(own, context=Asker("user-of:demo")).id == own


def test_the_service_sees_everything(tokens, driver, conf, balancer):
    """Reads without a user, or of a cloud that hides nothing, are the service's own."""
    hidden = balancer.networks["lb-mgmt-net"]
    assert driver.get_network(hidden, context=Asker(None)).id == hidden
    conf.config(allow_invisible_resource_usage=True, group="networking")
    assert driver.get_network(hidden, context=Asker("user-of:demo")).id == hidden


def test_tokens_that_may_not_cross_are_not_sent(driver, sandbox, balancer):
    """Without the option a read for a user is refused, and not made for the service."""
    with pytest.raises(base.NetworkException, match="forward_user_tokens"):
        driver.get_subnet(balancer.subnets["vip-subnet"], context=Asker("user-of:demo"))
    sandbox.fail_next("get_subnet", exceptions.NetworkException("it was asked"))
    with pytest.raises(base.NetworkException, match="it was asked"):
        driver.get_subnet(balancer.subnets["vip-subnet"])
